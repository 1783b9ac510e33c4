'use strict'

// Preloaded in test files (`node --require ./tests/exclusions/apply.js --test ...`): leaves out the tests of table.js, each told as
// skipped with its reason. A line of the table that no test has the name of fails its file.

const Module = require('node:module')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')
const file = process.argv[1] && path.relative(root, process.argv[1]).replaceAll(path.sep, '/')
const reasons = new Map(
  require('./table')
    .here.filter((line) => line.file === file)
    .flatMap(({ tests = [], why }) => tests.map((name) => [name, why])),
)

if (reasons.size > 0) {
  const unseen = new Set(reasons.keys())
  // A file may start itself anew before it comes to its tests.
  let hasTests = false
  const { _load: load } = Module

  const excluding = (test) =>
    new Proxy(test, {
      get: (target, key) => (key === 'test' ? excluding(target.test) : Reflect.get(target, key)),
      apply(target, self, [name, ...rest]) {
        hasTests = true
        if (!unseen.delete(name)) return Reflect.apply(target, self, [name, ...rest])
        const options = rest.length > 1 ? rest[0] : {}
        return Reflect.apply(target, self, [name, { ...options, skip: reasons.get(name) }, rest.at(-1)])
      },
    })

  Module._load = (request, ...rest) => {
    const loaded = load(request, ...rest)
    return request === 'node:test' ? excluding(loaded) : loaded
  }

  process.on('exit', () => {
    if (!hasTests || unseen.size === 0) return
    console.error(`tests/exclusions/table.js: ${file} has no such test: ${[...unseen].join('; ')}`)
    process.exitCode = 1
  })
}

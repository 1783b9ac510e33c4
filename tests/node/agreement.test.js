'use strict'

// What is said of the package in several places is said the same.

const assert = require('node:assert/strict')
const { readFileSync, readdirSync } = require('node:fs')
const path = require('node:path')
const test = require('node:test')

const root = path.join(__dirname, '..', '..')
const read = (file) => readFileSync(path.join(root, file), 'utf8')

function sources(folder, ending) {
  const files = readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true })
  return files
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => readFileSync(path.join(entry.parentPath ?? entry.path, entry.name), 'utf8'))
    .join('\n')
}

const codesIn = (text) => new Set(text.match(/\bERR_[A-Z_]+\b/g))

test('the error codes of the typings, the docs and the code are the same', () => {
  const typed = codesIn(/type ErrorCode =([\s\S]*?)\n\n/.exec(read('typings/index.d.ts'))[1])
  const told = new Set([...read('docs/errors.md').matchAll(/^\| `(ERR_[A-Z_]+)` \|/gm)].map((match) => match[1]))
  assert.deepEqual([...told].sort(), [...typed].sort())
  const nodes = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_MISSING_ARGS', 'ERR_OUT_OF_RANGE']
  // Rust's own, which JavaScript never sees under these names.
  const inside = ['ERR_FULL', 'ERR_GAP']
  const used = codesIn(sources('js', '.js') + sources('src', '.rs'))
  for (const code of typed) assert.ok(used.has(code), `${code} is promised and never thrown`)
  for (const code of used)
    assert.ok(typed.has(code) || nodes.includes(code) || inside.includes(code), `${code} is not promised`)
})

test('CommonJS and ES modules export the same names', async () => {
  const required = require('slabcast')
  const imported = await import('slabcast')
  assert.equal(imported.default, required)
  const names = ['SlabcastError', 'decode', 'encode', 'open']
  assert.deepEqual(Object.keys(imported).sort(), [...names, 'default'].sort())
  for (const name of names) assert.equal(imported[name], required[name])
  const typed = [...read('typings/index.d.mts').matchAll(/^export declare const (\w+)/gm)].map((match) => match[1])
  assert.deepEqual(typed.sort(), names)
})

test('ES modules can import every type there is', () => {
  const [, types] = /declare namespace ipc \{([\s\S]*?)\n\}\n/.exec(read('typings/index.d.ts'))
  const declared = [...types.matchAll(/^ {2}(?:interface|type) (\w+)/gm)].map(([, name]) => name)
  const exported = [...read('typings/index.d.mts').matchAll(/^export type (\w+)/gm)].map(([, name]) => name)
  // Parts of others' declarations.
  const inside = ['MessageOf', 'NameOf', 'SlabcastErrorConstructor']
  assert.deepEqual(exported.sort(), declared.filter((name) => !inside.includes(name)).sort())
})

test('every file that package.json names exists', () => {
  const named = (value) => (typeof value === 'string' ? [value] : Object.values(value).flatMap(named))
  const files = named(require('../../package.json').exports)
  assert.ok(files.length > 4)
  for (const file of files) read(file)
})

test('the sub-path package.json can be required, as tools do', () => {
  assert.equal(require('slabcast/package.json').name, 'slabcast')
})

/** The rows of docs/api.md: what each is called, and the tests it names. */
function rows() {
  const rows = []
  for (const line of read('docs/api.md').split('\n')) {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim())
    if (cells.length !== 5 || /^-+$/.test(cells[1]) || cells[3] === 'shown by') continue
    const tests = [...cells[3].matchAll(/`([\w/-]+\.test\.js)`((?: \*(?:[^*]+)\*,?)*)/g)]
    rows.push({
      name: cells[1],
      tests: tests.map(([, file, titles]) => ({
        file: file.includes('/') ? `tests/${file}` : `tests/node/${file}`,
        titles: [...titles.matchAll(/\*([^*]+)\*/g)].map((title) => title[1].trim()),
      })),
    })
  }
  return rows
}

test('each row of docs/api.md names tests that exist', () => {
  assert.ok(rows().length > 40)
  for (const { name, tests } of rows()) {
    assert.ok(tests.length > 0, `${name} is shown by no test`)
    for (const { file, titles } of tests) {
      const text = read(file)
      for (const title of titles)
        assert.ok(/test\(/.test(text) && text.includes(title), `${file} has no "${title}", of ${name}`)
    }
  }
})

test('what the typings promise of a bus stands in docs/api.md, and is there', () => {
  const typings = read('typings/index.d.ts')
  const body = (name) => new RegExp(`interface ${name}\\b[^{]*{([\\s\\S]*?)\\n  }`).exec(typings)[1]
  const members = (name) => new Set([...body(name).matchAll(/^ {4}(\w+)\??[(:<]/gm)].map((match) => match[1]))
  const told = rows()
    .map(({ name }) => name)
    .join('\n')
  const isTold = (name) => assert.match(told, new RegExp(`\`${name}[\`(]|, \`${name}`), `docs/api.md has no ${name}`)
  const bus = require('slabcast').open({ name: `agreement-${process.pid}`, size: '64kb' })
  try {
    const methods = members('Bus')
    for (const name of methods) {
      isTold(name)
      assert.equal(typeof bus[name], 'function', `a bus has no ${name}()`)
    }
    const own = Object.getOwnPropertyNames(Object.getPrototypeOf(bus))
    const emitters = Object.getOwnPropertyNames(require('node:events').prototype)
    for (const name of own) assert.ok(methods.has(name) || emitters.includes(name), `${name}() is not in the typings`)
  } finally {
    bus.close()
  }
  for (const options of ['OpenOptions', 'SubscribeOptions', 'BusEvents'])
    for (const name of members(options)) isTold(name)
})

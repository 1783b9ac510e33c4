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
  const nodes = ['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE']
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
  const files = JSON.stringify(require('../../package.json').exports).match(/\.\/[\w./-]+/g)
  for (const file of files.filter((name) => name !== './package.json' && name !== './')) read(file)
})

test('the sub-path package.json can be required, as tools do', () => {
  assert.equal(require('slabcast/package.json').name, 'slabcast')
})

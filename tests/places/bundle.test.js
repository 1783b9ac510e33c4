'use strict'

// esbuild: slabcast outside of the bundle, or inside of it with its binary beside. And the package's two doors, unbundled.

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { application } = require('../node/support/process')
const { project } = require('./support/project')
const { VERSIONS, node, tools } = require('./support/tools')

const UNNAMED = { SLABCAST_BUS: undefined }
const BINARY = `slabcast.${process.platform}-${process.arch}.node`

/** Two processes of one program, the second forked, that exchange values and leave. */
const PROGRAM = `
const here = process.argv[1]
if (process.send) {
  ipc.subscribe('ask', (message) => ipc.publish('answer', { message, pid: process.pid }), { once: true })
  process.send('listening')
} else {
  const child = fork(here)
  child.once('message', () => {
    ipc.subscribe('answer', async ({ message, pid }) => {
      let error
      try {
        ipc.publish('', 1)
      } catch (caught) {
        error = caught
      }
      const values = message.set.has(1n) && message.when.getTime() === 7 && message.bytes instanceof Uint8Array
      console.log(JSON.stringify({
        values,
        fromChild: pid === child.pid,
        error: [error.name, error.code, error instanceof ipc.SlabcastError],
        same: open === ipc.open,
      }))
      await ipc.close()
    })
    for (let number = 0; number < 50; number++) decode(encode({ number, text: 'often enough to be compiled' }))
    ipc.publish('ask', { set: new Set([1n]), when: new Date(7), bytes: new Uint8Array(3) })
  })
}
`
const COMMONJS = `const { fork } = require('node:child_process')
const ipc = require('slabcast')
const { decode, encode, open } = ipc
${PROGRAM}`
const MODULE = `import { fork } from 'node:child_process'
import ipc, { decode, encode, open } from 'slabcast'
${PROGRAM}`

async function works(t, file, { cwd, execPath } = {}) {
  const app = application(t, [file], { cwd, execPath, env: UNNAMED })
  assert.deepEqual(await app.end(), { code: 0, signal: null }, app.errors)
  assert.deepEqual(JSON.parse(app.output), {
    values: true,
    fromChild: true,
    error: ['SlabcastError', 'ERR_INVALID_TOPIC', true],
    same: true,
  })
}

const bundled = (folder, entry, outfile, options = {}) => {
  const into = path.join(folder, outfile)
  const common = { bundle: true, platform: 'node', logLevel: 'error' }
  tools.esbuild.buildSync({ ...common, absWorkingDir: folder, entryPoints: [entry], outfile: into, ...options })
  return into
}

for (const version of VERSIONS)
  for (const [kind, file, text] of [
    ['CommonJS', 'app.cjs', COMMONJS],
    ['ES modules', 'app.mjs', MODULE],
  ])
    test(`${kind} in Node ${version}, from the package as it is published`, (t) => {
      const folder = project(t, { [file]: text })
      return works(t, path.join(folder, file), { execPath: node(version) })
    })

test('a bundle that leaves slabcast outside finds it: CommonJS and ES modules', async (t) => {
  const folder = project(t, { 'app.cjs': COMMONJS, 'app.mjs': MODULE })
  const outside = { external: ['slabcast'] }
  await works(t, bundled(folder, 'app.cjs', 'out/app.cjs', { format: 'cjs', ...outside }))
  await works(t, bundled(folder, 'app.mjs', 'out/app.mjs', { format: 'esm', ...outside }))
})

for (const minify of [false, true]) {
  test(`a ${minify ? 'minified ' : ''}bundle that holds slabcast finds the binary beside it, with no package near`, async (t) => {
    const folder = project(t, { 'app.cjs': COMMONJS, 'app.mjs': MODULE })
    const files = ['cjs', 'mjs'].map((kind) =>
      bundled(folder, `app.${kind}`, `out/${kind}.js`, { format: 'cjs', minify }),
    )
    fs.copyFileSync(path.join(folder, 'node_modules', 'slabcast', 'build', BINARY), path.join(folder, 'out', BINARY))
    fs.rmSync(path.join(folder, 'node_modules'), { recursive: true })
    for (const file of files) await works(t, file)
  })
}

test('an ES module that holds slabcast works with the banner that docs/places.md gives', async (t) => {
  const folder = project(t, { 'app.mjs': MODULE })
  const docs = fs.readFileSync(path.join(__dirname, '..', '..', 'docs', 'places.md'), 'utf8')
  const [, banner] = /```js\n(\/\/ esbuild[\s\S]*?)```/.exec(docs)
  const file = bundled(folder, 'app.mjs', 'out/app.mjs', { format: 'esm', banner: { js: banner } })
  fs.copyFileSync(path.join(folder, 'node_modules', 'slabcast', 'build', BINARY), path.join(folder, 'out', BINARY))
  await works(t, file)
})

test('a bundle without its binary says what to copy where', async (t) => {
  const folder = project(t, { 'app.cjs': `require('slabcast').publish('t', 1)` })
  const app = application(t, [bundled(folder, 'app.cjs', 'out/app.cjs')], { env: UNNAMED })
  assert.equal((await app.end()).code, 1)
  assert.match(app.errors, /ERR_UNSUPPORTED_PLATFORM/)
  assert.ok(app.errors.includes(`copy build/${BINARY} beside the bundle`), app.errors)
})

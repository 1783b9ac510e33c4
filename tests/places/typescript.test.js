'use strict'

// TypeScript: the package as it is published, compiled as either kind of module in every resolution, and run.

const test = require('node:test')
const assert = require('node:assert/strict')
const path = require('node:path')
const { application } = require('../node/support/process')
const { project } = require('./support/project')
const { node } = require('./support/tools')

const root = path.join(__dirname, '..', '..')
const TSC = require.resolve('typescript/bin/tsc', { paths: [root] })

const PROGRAM = `
import ipc, { type Meta, open, SlabcastError } from 'slabcast'

interface Topics {
  [room: \`room:\${string}\`]: { text: string; at: bigint }
}

const bus = open<Topics>()
const show = ({ text, at }: { text: string; at: bigint }, meta: Meta<\`room:\${string}\`>) => {
  console.log(meta.topic, text, String(at), SlabcastError === ipc.SlabcastError)
  void bus.close()
}
bus.subscribe('room:1', show)
bus.publish('room:1', { text: 'typed', at: 7n })
`
const REQUIRE = `
import ipc = require('slabcast')
const bus: ipc.Bus<{ t: number }> = ipc.open()
bus.subscribe('t', (number) => {
  console.log('room:1', 'typed', number.toFixed(), true)
  void bus.close()
})
bus.publish('t', 7)
`

async function runs(t, args, options) {
  const app = application(t, args, { ...options, env: { SLABCAST_BUS: undefined } })
  assert.deepEqual(await app.end(), { code: 0, signal: null }, app.output + app.errors)
  return app.output
}

const compiled = async (t, { file, text, type, ...compilerOptions }) => {
  const strict = { target: 'es2022', strict: true, outDir: 'out', rootDir: '.', types: ['node'] }
  const typeRoots = [path.join(root, 'node_modules', '@types')]
  const config = { compilerOptions: { ...strict, typeRoots, ...compilerOptions }, files: [file] }
  const folder = project(t, { 'package.json': { name: 'project', type }, [file]: text, 'tsconfig.json': config })
  await runs(t, [TSC, '--project', folder])
  return path.join(folder, 'out', file.replace(/ts$/, 'js'))
}

const node16 = { module: 'node16', moduleResolution: 'node16' }
const bundler = { module: 'esnext', moduleResolution: 'bundler' }
const node10 = { module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true }

for (const [how, options] of Object.entries({
  'an ES module, resolution node16': { file: 'app.mts', text: PROGRAM, ...node16 },
  'CommonJS by import, resolution node16': { file: 'app.ts', text: PROGRAM, type: 'commonjs', ...node16 },
  'CommonJS by require, resolution node16': { file: 'app.cts', text: REQUIRE, ...node16 },
  'an ES module, resolution bundler': { file: 'app.ts', text: PROGRAM, type: 'module', ...bundler },
  'CommonJS by import, resolution node10': { file: 'app.ts', text: PROGRAM, type: 'commonjs', ...node10 },
}))
  test(`TypeScript compiles and runs: ${how}`, async (t) => {
    assert.equal(await runs(t, [await compiled(t, options)]), 'room:1 typed 7 true\n')
  })

for (const version of [24, 26])
  test(`Node ${version} runs TypeScript as it is`, async (t) => {
    const folder = project(t, { 'app.mts': PROGRAM })
    const output = await runs(t, [path.join(folder, 'app.mts')], { execPath: node(version) })
    assert.equal(output, 'room:1 typed 7 true\n')
  })

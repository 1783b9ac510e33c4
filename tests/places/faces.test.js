'use strict'

// The sub-paths of the package as it is published, in a project of somebody else's: what is there of a face whose host is, or is
// not, installed; and what TypeScript finds of it.

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { application } = require('../node/support/process')
const { project } = require('./support/project')

const root = path.join(__dirname, '..', '..')
const { exports: doors } = require('../../package.json')
const TSC = require.resolve('typescript/bin/tsc', { paths: [root] })

/** By sub-path: the package it stands on, and as what an ES module imports what it is. */
const FACES = {
  'broadcast-channel': { exported: '{ BroadcastChannel }' },
  events: { exported: '{ BusEmitter }' },
  graphql: { host: 'graphql-subscriptions', exported: '{ PubSub }' },
  mqemitter: { host: 'mqemitter', exported: 'mqemitter' },
  node_ipc: { exported: '{ masterInit, workerInit, testShmWrite }' },
  rooms: { exported: '{ Rooms }' },
  'socket.io': { host: 'socket.io-adapter', exported: '{ BroadcastOperator, createAdapter, Emitter }' },
}
const faces = Object.entries(FACES)
const hosts = faces.flatMap(([, { host }]) => host ?? [])

test('these are all faces there are', () => {
  const others = ['.', './package.json']
  assert.deepEqual(Object.keys(doors).sort(), [...others, ...faces.map(([face]) => `./${face}`)].sort())
})

async function runs(t, args, { cwd } = {}) {
  const app = application(t, args, { cwd, env: { SLABCAST_BUS: undefined } })
  assert.deepEqual(await app.end(), { code: 0, signal: null }, app.output + app.errors)
  return app.output
}

/** Has the project see packages that are installed here. */
function install(folder, packages) {
  for (const name of packages) {
    const link = path.join(folder, 'node_modules', name)
    fs.mkdirSync(path.dirname(link), { recursive: true })
    fs.symlinkSync(path.join(root, 'node_modules', name), link, 'junction')
  }
}

const TRY = `
const told = {}
for (const face of process.argv.slice(2)) {
  try {
    require('slabcast/' + face)
    told[face] = 'is there'
  } catch ({ code, message }) {
    told[face] = code + ' ' + message
  }
}
console.log(JSON.stringify(told))
`

test('a face whose host is not installed says what to install, the others are there', async (t) => {
  const folder = project(t, { 'app.js': TRY })
  const output = await runs(t, [path.join(folder, 'app.js'), ...Object.keys(FACES)])
  const { peerDependencies } = require('../../package.json')
  const told = (face, host) => {
    const [major] = /\d+/.exec(peerDependencies[host])
    return `MODULE_NOT_FOUND slabcast/${face} needs the package ${host}, which is not installed here: npm install ${host}@${major}`
  }
  const expected = faces.map(([face, { host }]) => [face, host ? told(face, host) : 'is there'])
  assert.deepEqual(JSON.parse(output), Object.fromEntries(expected))
})

test('what a host itself lacks is not said of the host', async (t) => {
  const folder = project(t, { 'app.js': TRY, 'node_modules/mqemitter/index.js': 'require("fastparallel")' })
  const output = await runs(t, [path.join(folder, 'app.js'), 'mqemitter'])
  assert.match(JSON.parse(output).mqemitter, /^MODULE_NOT_FOUND Cannot find module 'fastparallel'\n/)
})

test('ES modules import what each face is by its names', async (t) => {
  const imports = faces.map(([face, { exported }]) => `import ${exported} from 'slabcast/${face}'\n`)
  const names = faces.map(([, { exported }]) => exported.replace(/[{}]/g, ''))
  const text = `${imports.join('')}console.log([${names.join()}].every((one) => typeof one === 'function'))`
  const folder = project(t, { 'app.mjs': text })
  install(folder, hosts)
  assert.equal(await runs(t, [path.join(folder, 'app.mjs')]), 'true\n')
})

const PROGRAM = `
${faces.map(([face, { exported }]) => `import ${exported} from 'slabcast/${face}'\n`).join('')}
const is: boolean = new Rooms().publish('room', 'text')
const { name }: { name: string } = new BroadcastChannel('name').unref()
const pid: Promise<void> = masterInit(1)
console.log(is, name, typeof pid, mqemitter({ concurrency: 1 }).concurrency.toFixed(), typeof createAdapter().call)
new BusEmitter<{ news: [number] }>().emit('news', 1)
new Emitter().to('room').emit('news')
new PubSub().close()
// @ts-expect-error no bytes and no text: so the typings are really there
const wrong = () => new Rooms().publish('room', 7)
export default [BroadcastOperator, testShmWrite, workerInit, wrong]
process.exit()
`

for (const [resolution, { type, ...options }] of Object.entries({
  node16: { type: 'module', module: 'node16' },
  bundler: { type: 'module', module: 'esnext' },
  node10: { type: 'commonjs', module: 'commonjs' },
}))
  test(`TypeScript finds the typings of each face, by resolution ${resolution}`, async (t) => {
    const typeRoots = [path.join(root, 'node_modules', '@types')]
    const base = { target: 'es2022', strict: true, outDir: 'out', rootDir: '.', types: ['node'], esModuleInterop: true }
    const compilerOptions = { ...base, typeRoots, moduleResolution: resolution, ...options }
    const folder = project(t, {
      'package.json': { name: 'project', type },
      'app.ts': PROGRAM,
      'tsconfig.json': { compilerOptions, files: ['app.ts'] },
    })
    install(folder, [...hosts, 'graphql'])
    await runs(t, [TSC, '--project', folder])
    assert.equal(await runs(t, [path.join(folder, 'out', 'app.js')]), 'true name object 1 function\n')
  })

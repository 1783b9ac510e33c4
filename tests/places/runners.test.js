'use strict'

// Under test runners: a run ends by itself, leaves no handle open, and test files are kept apart.

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { application } = require('../node/support/process')
const { project } = require('./support/project')
const { VERSIONS, node, tools } = require('./support/tools')

const UNNAMED = { SLABCAST_BUS: undefined, JEST_WORKER_ID: undefined, FORCE_COLOR: undefined, CI: 'true' }

/** A test that hears itself, and nobody else, in the API that Jest has by itself and `node:test` and `node:assert` give. */
const hearsItself = (ending) => `
const ipc = require('slabcast')
${ending}
test('hears itself alone', async () => {
  const seen = []
  await new Promise((resolve) => {
    ipc.subscribe('t', (message, { publisher }) => {
      seen.push([message, publisher.pid])
      if (seen.length === 100) resolve()
    })
    const more = (number) => {
      ipc.publish('t', { number, when: new Date(number), bytes: new Uint8Array([number]), map: new Map([[number, /x/]]) })
      if (number < 99) setImmediate(more, number + 1)
    }
    more(0)
  })
  seen.forEach(([{ number, when, bytes, map }, pid], at) => {
    same([number, when, [...bytes], [...map], pid], [at, new Date(at), [at], [[at, /x/]], process.pid])
  })
  let error
  try {
    ipc.publish('', 1)
  } catch (caught) {
    error = caught
  }
  same([error instanceof ipc.SlabcastError, error.code], [true, 'ERR_INVALID_TOPIC'])
})
`
const CLOSES = 'after(() => ipc.close())'
// Afterwards: while a test waits for messages its bus may be all that keeps the process alive.
const UNREFS = 'after(() => { ipc.unref() })'

const NODE = `const { test, after } = require('node:test')
const same = require('node:assert').deepEqual
`
const JEST = `const after = afterAll
const same = (actual, expected) => expect(actual).toEqual(expected)
`

/** What docs/places.md gives: each test file on a bus of its own. */
const docs = fs.readFileSync(path.join(__dirname, '..', '..', 'docs', 'places.md'), 'utf8')
const [, APART] = /```js\n(\/\/ jest[\s\S]*?)```/.exec(docs)

const CONFIG = { setupFiles: ['./apart.js'] }

async function jest(t, files, ...options) {
  const folder = project(t, { 'package.json': { name: 'project', jest: CONFIG }, 'apart.js': APART, ...files })
  const run = application(t, [tools.jest, '--ci', ...options], { cwd: folder, env: UNNAMED })
  const { code } = await run.end()
  assert.equal(code, 0, run.errors)
  return run.errors
}

const jestFiles = (...endings) =>
  Object.fromEntries(endings.map((ending, at) => [`${at}.test.js`, `${JEST}${hearsItself(ending)}`]))

test('Jest in one process: with the bus closed it finds no open handle and ends by itself', async (t) => {
  const told = await jest(t, jestFiles(CLOSES, CLOSES), '--detectOpenHandles')
  assert.match(told, /Tests: +2 passed/)
  assert.doesNotMatch(told, /open handle|did not exit/)
})

test('Jest sees an open handle where a test leaves its bus open: the test above can fail', async (t) => {
  const told = await jest(t, jestFiles(''), '--detectOpenHandles', '--forceExit')
  assert.match(told, /open handle/)
})

test('Jest with an unref’d bus that nobody closes ends by itself', async (t) => {
  const told = await jest(t, jestFiles(UNREFS, UNREFS), '--runInBand')
  assert.match(told, /Tests: +2 passed/)
  assert.doesNotMatch(told, /did not exit/)
})

test('Jest with workers: files run at once do not hear one another, and the workers end by themselves', async (t) => {
  const told = await jest(t, jestFiles(CLOSES, CLOSES, UNREFS, UNREFS), '--workers=2')
  assert.match(told, /Tests: +4 passed/)
  assert.doesNotMatch(told, /failed to exit gracefully|did not exit/)
})

test('Jest: a child that is given process.env is on the test file’s bus', async (t) => {
  const told = await jest(t, {
    'child.js': `const ipc = require('slabcast')
      ipc.subscribe('ask', (number) => ipc.publish('answer', number + 1), { once: true })
      process.send('listening')`,
    'child.test.js': `
      const { fork } = require('node:child_process')
      const ipc = require('slabcast')
      afterAll(() => ipc.close())
      test('asks a child', async () => {
        const child = fork('./child.js', { env: process.env })
        const ended = new Promise((resolve) => child.once('exit', resolve))
        await new Promise((resolve) => child.once('message', resolve))
        const answer = new Promise((resolve) => ipc.subscribe('answer', resolve))
        ipc.publish('ask', 1)
        expect(await answer).toBe(2)
        expect(await ended).toBe(0)
      })`,
  })
  assert.match(told, /Tests: +1 passed/)
})

for (const version of VERSIONS) {
  test(`node --test in Node ${version}: files run at once, each on a bus of its own, and it ends by itself`, async (t) => {
    const files = [CLOSES, CLOSES, UNREFS].map((ending, at) => [`${at}.test.js`, `${NODE}${hearsItself(ending)}`])
    const folder = project(t, Object.fromEntries(files))
    const options = ['--test', '--test-concurrency=3', '--test-reporter=tap']
    const run = application(t, options, { cwd: folder, env: UNNAMED, execPath: node(version) })
    const { code } = await run.end()
    assert.equal(code, 0, run.output + run.errors)
    assert.match(run.output, /^# pass 3$/m)
  })
}

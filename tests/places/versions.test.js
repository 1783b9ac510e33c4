'use strict'

// Every Node that slabcast is for: processes of one version, of all at once, and the same bytes from each.

const test = require('node:test')
const assert = require('node:assert/strict')
const path = require('node:path')
const { assertNothingLeft, openBus, segmentOf, uniqueName } = require('../node/support/bus')
const { application, runWith } = require('../node/support/process')
const { until } = require('../node/support/wait')
const { VERSIONS, node } = require('./support/tools')

const CLEAN = { code: 0, signal: null }
const APPLICATION = path.join(__dirname, '..', 'node', 'support', 'application.js')
const UNNAMED = { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined }

/** A child of that version. Versions do not read one another's advanced serialization. */
const runBy = (t, version, work, ...args) =>
  runWith(t, { execPath: node(version), serialization: 'json' }, work, ...args)

/** In a child: sends back what it gets, decoded and encoded anew. */
async function mirror({ say, hear }, name) {
  const bus = require('slabcast').open({ name })
  bus.subscribe('there', (message) => bus.publish('back', message))
  await say(process.versions.node)
  await hear()
  await bus.close()
}

/** In a child: has every kind of value mirrored, one after the other, and says how many came back as they went. */
async function sender({ say, hear }, name) {
  const { assertSame, samples } = require('../codec-samples')
  const bus = require('slabcast').open({ name })
  let came
  bus.subscribe('back', (message) => came(message))
  const values = samples().flatMap((value) => [value, { value, list: [value] }, new Map([[value, 'under it']])])
  for (const value of values) {
    const back = new Promise((resolve) => {
      came = resolve
    })
    bus.publish('there', value)
    assertSame(await back, value)
  }
  await say({ version: process.versions.node, values: values.length })
  await hear()
  await bus.close()
}

const major = (version) => Number(version.split('.')[0])

async function exchange(t, from, to) {
  const name = uniqueName()
  const other = runBy(t, to, mirror, name)
  assert.equal(major(await other.hear()), to)
  const child = runBy(t, from, sender, name)
  const { version, values } = await child.hear()
  assert.equal(major(version), from)
  assert.ok(values > 300, `${values} values`)
  const segment = segmentOf(name)
  for (const one of [child, other]) {
    one.say('leave')
    assert.deepEqual(await one.end(), CLEAN)
  }
  assertNothingLeft(name, segment)
}

for (const version of VERSIONS) {
  test(`two processes of Node ${version}: every kind of value comes as it went`, (t) => exchange(t, version, version))

  for (const [shape, everyone] of [
    ['cluster whose primary does not load slabcast', ['a', 'b']],
    ['forked children', ['a', 'b', 'main']],
    ['worker threads of forked children', ['a', 'b']],
  ]) {
    test(`one default bus in Node ${version}: ${shape}`, async (t) => {
      const app = application(t, [APPLICATION, shape], { execPath: node(version), env: UNNAMED })
      const met = () => {
        const lines = app.output.split('\n').slice(0, -1).map(JSON.parse)
        const sees = Object.fromEntries(lines.map((line) => [line.who, line.sees.join()]))
        return everyone.every((who) => sees[who] === everyone.join())
      }
      await until(met, () => `${everyone} meet: ${app.output} ${app.errors}`)
    })
  }

  test(`Node ${version}: a worker_thread is started, ended and started again while its neighbours go on`, async (t) => {
    const name = uniqueName()
    const child = runBy(
      t,
      version,
      async ({ say, until }, name) => {
        const { Worker } = require('node:worker_threads')
        const bus = require('slabcast').open({ name, size: '1mb', members: 4 })
        const echo = `const bus = require(${JSON.stringify(require.resolve('slabcast'))}).open({ name: ${JSON.stringify(name)} })
          bus.subscribe('ask', (number) => bus.publish('answer', number))
          bus.publish('answer', 'ready')`
        let last
        let own = 0
        bus.subscribe('answer', (answer) => {
          last = answer
        })
        bus.subscribe('ask', () => own++)
        for (let round = 1; round <= 10; round++) {
          const worker = new Worker(echo, { eval: true })
          await until(() => last === 'ready')
          bus.publish('ask', round)
          await until(() => last === round && own === round)
          await worker.terminate()
        }
        await until(() => bus.members().length === 1)
        await bus.close()
        await say(own)
      },
      name,
    )
    assert.equal(await child.hear(), 10)
    assert.deepEqual(await child.end(), CLEAN)
    assertNothingLeft(name)
  })
}

const [oldest, newest] = [VERSIONS[0], VERSIONS.at(-1)]

test(`from Node ${oldest} to Node ${newest} and back every kind of value comes as it went`, (t) =>
  exchange(t, oldest, newest))

test(`from Node ${newest} to Node ${oldest} and back too, with what the older has no class for`, (t) =>
  exchange(t, newest, oldest))

test('processes of all versions on one bus see one order', async (t) => {
  const MESSAGES = 2000
  const name = uniqueName()
  const bus = openBus(t, { name })
  const children = VERSIONS.map((version) =>
    runBy(
      t,
      version,
      async ({ say, hear, until }, name, expected, messages) => {
        const { createHash } = require('node:crypto')
        const bus = require('slabcast').open({ name })
        const order = createHash('sha256')
        let seen = 0
        bus.subscribe('t', ({ number, text }, { position, sequence, publisher }) => {
          seen++
          order.update(`${position} ${sequence} ${publisher.pid} ${number} ${text}\n`)
        })
        await say('listening')
        await hear()
        for (let number = 0; number < messages; number++) {
          if (!bus.publish('t', { number, text: 'é'.repeat(number % 50) }))
            await new Promise((resolve) => bus.once('drain', resolve))
          if (number % 100 === 0) await new Promise(setImmediate)
        }
        await until(() => seen === expected)
        await say(order.digest('hex'))
        await bus.close()
      },
      name,
      MESSAGES * VERSIONS.length,
      MESSAGES,
    ),
  )
  let sequence = 0
  bus.subscribe('t', (_message, meta) => assert.equal(meta.sequence, ++sequence))
  for (const child of children) await child.hear()
  for (const child of children) child.say('publish')
  const orders = await Promise.all(children.map((child) => child.hear()))
  assert.equal(new Set(orders).size, 1, `${orders}`)
  for (const child of children) assert.deepEqual(await child.end(), CLEAN)
  await until(() => sequence === MESSAGES * VERSIONS.length)
})

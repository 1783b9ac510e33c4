'use strict'

// BroadcastChannel: the same program with Node's own, between threads, and with ours, between threads and between processes; then
// what Node's does not do, or not as the standard says.

const assert = require('node:assert/strict')
const path = require('node:path')
const test = require('node:test')
const slabcast = require('slabcast')
const { BroadcastChannel: Ours } = require('slabcast/broadcast-channel')
const { topicOf } = require('../../js/faces/names')
const { assertNothingLeft, openBus, uniqueName } = require('../node/support/bus')
const { application, run, runWith } = require('../node/support/process')
const { until } = require('../node/support/wait')
const { conduct, ways } = require('./broadcast-channel/conduct')
const { ROLES, VALUES } = require('./broadcast-channel/program')

const CLEAN = { code: 0, signal: null }

let official

test("Node's own does what is expected of it", async (t) => {
  official = await conduct(ways["Node's, in threads"](t))
  const { ann, ben } = official
  assert.deepEqual(
    ann.delivery.all[0]['cleo 2'],
    VALUES.map((value) => structuredClone(value)),
  )
  assert.equal(Object.keys(ann.delivery.all[0]).length, 5, 'from all other channels, of its own thread too')
  assert.equal(ben.delivery.isCopied, true)
  assert.deepEqual(ben.listeners.calls.length, 7)
  assert.equal(ben.closing.came.ann.length, 100)
  assert.equal(ben.closing.heard.length, 2)
  assert.deepEqual(ben.refusals.came, { cleo: ['this one'] })
})

for (const way of ['ours, in processes', 'ours, in threads'])
  test(`the same program does the same: ${way}`, async (t) => {
    const bus = uniqueName()
    const outcome = await conduct(ways[way](t, bus))
    for (const role of ROLES)
      for (const part of Object.keys(official[role]))
        assert.deepEqual(outcome[role][part], official[role][part], `${part}, as ${role} sees it`)
    assertNothingLeft(bus)
  })

/** Channels of one name on a bus of their own, closed after the test. */
function channels(t, count, options = {}) {
  const bus = openBus(t, options)
  const all = Array.from({ length: count }, () => new Ours('name', { bus }))
  t.after(() => {
    for (const channel of all) channel.close()
  })
  return { bus, all }
}

/** What comes to a channel, as [type, data]. */
function collect(channel) {
  const came = []
  for (const type of ['message', 'messageerror'])
    channel.addEventListener(type, (event) => came.push([event.type, event.data]))
  return came
}

test('each message is dispatched to the channels in the order in which they were made', async (t) => {
  const { all } = channels(t, 3)
  const [one, two, three] = all
  const order = []
  for (const [at, channel] of all.entries()) channel.onmessage = ({ data }) => order.push([at + 1, data])
  one.postMessage('from one')
  three.postMessage('from three')
  three.postMessage('done')
  two.postMessage('end')
  await until(() => order.at(-1)?.[0] === 3 && order.at(-1)[1] === 'end', 'all has come')
  assert.deepEqual(order, [
    [2, 'from one'],
    [3, 'from one'],
    [1, 'from three'],
    [2, 'from three'],
    [1, 'done'],
    [2, 'done'],
    [1, 'end'],
    [3, 'end'],
  ])
})

test('all channels, in whatever process, see what different ones post in one order', async (t) => {
  const bus = uniqueName()
  const COUNT = 300
  const children = [0, 1, 2].map((index) =>
    runWith(
      t,
      { env: { SLABCAST_BUS: bus } },
      async ({ say, hear, until }, index, count) => {
        const { BroadcastChannel } = require('slabcast/broadcast-channel')
        const channel = new BroadcastChannel('order')
        const watcher = new BroadcastChannel('order')
        const seen = []
        watcher.onmessage = ({ data }) => seen.push(data)
        await say('ready')
        await hear()
        for (let n = 0; n < count; n++) {
          channel.postMessage(`${index} ${n}`)
          if (n % 10 === 0) await new Promise(setImmediate)
        }
        await until(() => seen.length === 3 * count)
        await say(seen)
        for (const one of [channel, watcher]) one.close()
      },
      index,
      COUNT,
    ),
  )
  for (const child of children) await child.hear()
  for (const child of children) child.say('go')
  const [first, ...others] = [await children[0].hear(), await children[1].hear(), await children[2].hear()]
  for (const other of others) assert.deepEqual(other, first)
  for (const child of children) assert.deepEqual(await child.end(), CLEAN)
})

test('what cannot travel is a DataCloneError that says where it is, and what it is for the bus', (t) => {
  const {
    all: [channel],
  } = channels(t, 1)
  const cycle = { deep: {} }
  cycle.deep.back = cycle
  for (const [value, said] of [
    [{ user: { greet() {} } }, /^message\.user\.greet /],
    [() => {}, /^message /],
    [['a', { 'message[1]': Symbol('s') }], /^message\[1\]\["message\[1\]"\] /],
    [cycle, /^message\.deep\.back is a cycle/],
    [new SharedArrayBuffer(8), /^message /],
    ['\ud800', /^message /],
  ])
    assert.throws(
      () => channel.postMessage(value),
      (error) => {
        assert.ok(error instanceof DOMException)
        assert.equal(error.name, 'DataCloneError')
        assert.equal(error.code, DOMException.DATA_CLONE_ERR)
        assert.match(error.message, said)
        assert.equal(error.cause.code, 'ERR_NOT_SERIALIZABLE')
        return true
      },
    )
})

test('what the codec keeps and a structured clone does not arrives as it was', async (t) => {
  const { all } = channels(t, 2)
  const came = collect(all[1])
  all[0].postMessage(Buffer.from('x'))
  all[0].postMessage({ at: { toJSON: () => 'its own form' } })
  await until(() => came.length === 2, 'both have come')
  assert.deepEqual(came, [
    ['message', Buffer.from('x')],
    ['message', { at: 'its own form' }],
  ])
  assert.ok(Buffer.isBuffer(came[0][1]))
})

test('what comes and is no message of a channel is a messageerror', async (t) => {
  const { bus, all } = channels(t, 2)
  const [one, two] = all
  const came = collect(two)
  two.onmessageerror = (event) => came.push(['handler', event.type, event.data, event instanceof MessageEvent])
  const topic = topicOf('broadcast-channel', 'name')
  one.postMessage('before')
  bus.publish(topic, Buffer.from([0xc1]), { raw: true })
  bus.publish(topic, Buffer.alloc(0), { raw: true })
  bus.publish(topic, 'a string')
  bus.publish(topic, ['three', 'are', 'not two'])
  one.postMessage('after')
  await until(() => came.at(-1)?.[1] === 'after', 'all has come')
  const error = [
    ['messageerror', null],
    ['handler', 'messageerror', null, true],
  ]
  assert.deepEqual(came, [['message', 'before'], ...error, ...error, ...error, ...error, ['message', 'after']])
})

test('a handler is a function, or an object that does nothing, or null; setting it anew keeps its place', async (t) => {
  const { all } = channels(t, 2)
  const [one, two] = all
  for (const type of ['onmessage', 'onmessageerror']) {
    assert.equal(two[type], null)
    for (const nothing of [1, 'x', undefined, true, Symbol('s')]) {
      two[type] = () => {}
      two[type] = nothing
      assert.equal(two[type], null)
    }
    const object = { handleEvent: () => assert.fail('an object is not called') }
    two[type] = object
    assert.equal(two[type], object)
  }
  const calls = []
  two.addEventListener('message', () => calls.push('listener'))
  one.postMessage(0)
  await until(() => calls.length === 1, 'the listener is called, and the object harms nobody')
  calls.pop()
  two.onmessage = () => calls.push('handler')
  one.postMessage(1)
  await until(() => calls.length === 2, 'both are called')
  assert.deepEqual(calls.splice(0), ['handler', 'listener'], 'its place is that of the object')
  two.onmessage = null
  two.onmessage = () => calls.push('handler')
  one.postMessage(2)
  await until(() => calls.length === 2, 'both are called')
  assert.deepEqual(calls, ['listener', 'handler'], 'null gives the place up')
})

test('it is what the standard calls a BroadcastChannel', (t) => {
  const {
    all: [channel],
  } = channels(t, 1)
  assert.equal(Object.prototype.toString.call(channel), '[object BroadcastChannel]')
  assert.deepEqual(Object.keys(channel), [])
  assert.ok(channel instanceof EventTarget)
  const seen = []
  for (const name in channel) seen.push(name)
  for (const name of ['name', 'postMessage', 'close', 'onmessage', 'onmessageerror']) assert.ok(seen.includes(name))
  assert.throws(() => {
    channel.name = 'another'
  }, TypeError)
})

test('names that differ in anything are different channels, whatever they hold', async (t) => {
  const bus = openBus(t)
  const names = ['\ud800', '\ud801', '\ufffd', '\0', '', 'é', 'e\u0301', 'x'.repeat(300), `${'x'.repeat(299)}y`]
  const pairs = names.map((name) => [new Ours(name, { bus }), new Ours(name, { bus })])
  const came = pairs.map(([, hears]) => collect(hears))
  for (const [at, [posts]] of pairs.entries()) {
    assert.equal(posts.name, names[at])
    posts.postMessage(at)
  }
  await until(() => came.every(({ length }) => length > 0), 'each has heard')
  assert.deepEqual(
    came,
    names.map((_, at) => [['message', at]]),
  )
  for (const channel of pairs.flat()) channel.close()
})

test('a full bus is told by its own error, and so is a message that is too large; the channel goes on', async (t) => {
  const { bus, all } = channels(t, 2, { size: '64kb', outbox: 50_000 })
  const came = collect(all[1])
  const text = 'x'.repeat(3000)
  let count = 0
  assert.throws(
    () => {
      for (;;) {
        all[0].postMessage(text)
        count++
      }
    },
    { name: 'SlabcastError', code: 'ERR_OUTBOX_FULL' },
  )
  assert.throws(() => all[0].postMessage('x'.repeat(40_000)), { name: 'SlabcastError', code: 'ERR_MESSAGE_TOO_LARGE' })
  await until(() => came.length === count, 'all that was accepted has come')
  await bus.settled()
  all[0].postMessage('after')
  await until(() => came.length === count + 1, 'it goes on')
})

test('a bus that is closed ends its channels', async (t) => {
  const { bus, all } = channels(t, 2)
  await bus.close()
  assert.throws(() => all[0].postMessage(1), { code: 'ERR_CLOSED' })
  all[0].close()
  assert.throws(() => all[0].postMessage(1), { name: 'InvalidStateError' })
  assert.throws(() => new Ours('name', { bus }), { code: 'ERR_CLOSED' })
})

test('the default bus is closed by no channel', async (t) => {
  const child = runWith(t, { env: { SLABCAST_BUS: uniqueName() } }, async ({ say }) => {
    const { BroadcastChannel } = require('slabcast/broadcast-channel')
    const channel = new BroadcastChannel('x')
    channel.postMessage(1)
    channel.close()
    const ipc = require('slabcast')
    await say(
      await new Promise((resolve) => {
        ipc.subscribe('t', resolve, { once: true })
        ipc.publish('t', 'open')
      }),
    )
  })
  assert.equal(await child.hear(), 'open')
  assert.deepEqual(await child.end(), CLEAN)
})

test("an open channel keeps its process alive, one that is closed or was unref'd does not", async (t) => {
  const bus = uniqueName()
  const start = (what) =>
    runWith(
      t,
      { env: { SLABCAST_BUS: bus } },
      async ({ say }, what) => {
        const { BroadcastChannel } = require('slabcast/broadcast-channel')
        const channel = new BroadcastChannel('alive')
        channel.onmessage = ({ data }) => {
          say(data)
          channel.close()
        }
        if (what !== 'open') channel.unref()
        if (what === "ref'd again") channel.ref()
        if (what === 'closed') channel.ref().close()
        await say('started')
      },
      what,
    )
  const open = start('open')
  assert.equal(await open.hear(), 'started')
  for (const what of ["unref'd", 'closed']) {
    const child = start(what)
    assert.equal(await child.hear(), 'started')
    assert.deepEqual(await child.end(), CLEAN)
  }
  const again = start("ref'd again")
  assert.equal(await again.hear(), 'started')
  const posts = slabcast.open({ name: bus })
  t.after(() => posts.close())
  const channel = new Ours('alive', { bus: posts })
  channel.postMessage('bye')
  channel.close()
  for (const child of [open, again]) {
    assert.equal(await child.hear(), 'bye')
    assert.deepEqual(await child.end(), CLEAN)
  }
})

test('a process that is killed is missed by nobody, and what it posted before has come', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const came = []
  const channel = new Ours('x', { bus })
  channel.onmessage = ({ data }) => came.push(data)
  const victim = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      const { BroadcastChannel } = require('slabcast/broadcast-channel')
      const channel = new BroadcastChannel('x', { bus })
      for (let n = 0; n < 100; n++) channel.postMessage(n)
      process.kill(process.pid, 'SIGKILL')
      await say('never')
    },
    name,
  )
  await victim.end()
  await until(() => came.length === 100, 'all has come')
  const second = new Ours('x', { bus })
  second.postMessage('we go on')
  await until(() => came.at(-1) === 'we go on', 'the living go on')
  for (const one of [channel, second]) one.close()
})

test('what a listener throws is an uncaught exception, and the others are still called', async (t) => {
  const child = runWith(t, { env: { SLABCAST_BUS: uniqueName() } }, async ({ say, until }) => {
    const { BroadcastChannel } = require('slabcast/broadcast-channel')
    const seen = []
    process.on('uncaughtException', ({ message }) => seen.push(`uncaught ${message}`))
    const [one, two, three] = [1, 2, 3].map(() => new BroadcastChannel('x'))
    two.onmessage = () => {
      throw new Error('two')
    }
    two.addEventListener('message', () => seen.push('two'))
    three.onmessage = () => seen.push('three')
    one.postMessage(1)
    await until(() => seen.length === 3)
    await say(seen.sort())
    for (const channel of [one, two, three]) channel.close()
  })
  assert.deepEqual(await child.hear(), ['three', 'two', 'uncaught two'])
  assert.deepEqual(await child.end(), CLEAN)
})

test('what is said of the bus is checked', () => {
  for (const options of [1, 'x', null, { bus: 'chat' }, { bus: {} }, { bus: null }])
    assert.throws(() => new Ours('x', options), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' })
})

test('both kinds of modules find it', async () => {
  const { BroadcastChannel } = await import('slabcast/broadcast-channel')
  assert.equal(BroadcastChannel, Ours)
})

test('the example runs', async (t) => {
  const example = path.join(__dirname, '..', '..', 'examples', 'broadcast-channel')
  const program = application(t, [example], { env: { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined } })
  assert.deepEqual(await program.end(), CLEAN)
  assert.equal(program.errors, '')
  assert.deepEqual(program.output.trim().split('\n').sort(), [
    'worker 1 has changed "greeting"',
    'worker 2 forgets "greeting", which worker 1 has changed',
    'worker 3 forgets "greeting", which worker 1 has changed',
  ])
})

'use strict'

// Option `durable: 'name'`: goes on where the subscription of this topic and name stopped. A message is handled when the listener
// returned or its promise settled; handled ones never come again, others do, with `meta.redelivered`.

const test = require('node:test')
const assert = require('node:assert/strict')
const { Worker } = require('node:worker_threads')
const { openBus, uniqueName } = require('./support/bus')
const { run } = require('./support/process')
const { until } = require('./support/wait')

/**
 * Subscribes durably and says each message it is called for, as [n] or [n, 'again']. What becomes of it is in the message: `wait`:
 * its promise settles when the child is told; `reject`, `throw`; `exit`; `stay`: the listener never returns.
 */
const reader = async ({ say, hear }, name, options = {}) => {
  const bus = require('slabcast').open({ name, ...options })
  const settle = []
  process.on('unhandledRejection', (error) => say(['rejected', error.message]))
  process.on('uncaughtException', (error) => say(['thrown', error.message]))
  bus.on('gap', ({ from, to, reason }) => say(['gap', from, to, reason]))
  const listener = ({ n, act }, meta) => {
    say(meta.redelivered ? [n, 'again'] : [n])
    if (act === 'wait') return new Promise((resolve) => settle.push(resolve))
    if (act === 'reject') return Promise.reject(new Error(`no ${n}`))
    if (act === 'throw') throw new Error(`no ${n}`)
    if (act === 'exit') process.exit(0)
    if (act === 'close') bus.close()
    if (act === 'stay') for (;;);
    return undefined
  }
  let subscription
  const begin = () => {
    subscription = bus.subscribe('t', listener, { durable: 'd' })
  }
  try {
    begin()
    say('subscribed')
  } catch (error) {
    say([error.code, error.pid, error.member])
  }
  for (;;) {
    const what = await hear()
    if (what === 'has it returned?') say('returned')
    if (what === 'settle') settle.shift()()
    if (what === 'unsubscribe') subscription.unsubscribe()
    if (what === 'subscribe') begin()
    if (what === 'close') {
      await bus.close()
      say('closed')
      return
    }
  }
}

/** One that begins, or is told why it does not. */
async function begin(t, name, options) {
  const child = run(t, reader, name, options)
  const said = await child.hear()
  return said === 'subscribed' ? child : said
}

async function hears(child, ...expected) {
  const heard = []
  for (const one of expected) {
    heard.push(await child.hear())
    assert.deepEqual(heard.at(-1), one, `heard ${JSON.stringify(heard)} of ${JSON.stringify(expected)}`)
  }
}

/** Its listener has: it hears us. */
async function returned(child) {
  child.say('has it returned?')
  await hears(child, 'returned')
}

async function close(child) {
  child.say('close')
  await hears(child, 'closed')
  assert.deepEqual(await child.end(), { code: 0, signal: null })
}

const publish = (bus, from, to = from, act = undefined) => {
  for (let n = from; n <= to; n++) assert.ok(bus.publish('t', { n, act }))
}

test('the first time it is live; then it goes on where it stopped', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  publish(bus, 1, 3)
  const first = await begin(t, name)
  publish(bus, 4, 5)
  await hears(first, [4], [5])
  await close(first)
  publish(bus, 6, 7)
  const second = await begin(t, name)
  await hears(second, [6], [7])
  publish(bus, 8)
  await hears(second, [8])
  await close(second)
  const third = await begin(t, name)
  publish(bus, 9)
  await hears(third, [9])
})

test('what was not handled when its process was killed comes again, marked, and nothing else does', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const first = await begin(t, name)
  publish(bus, 1)
  await hears(first, [1])
  publish(bus, 2, 2, 'wait')
  publish(bus, 3)
  await hears(first, [2])
  await first.kill()
  const second = await begin(t, name)
  await hears(second, [2, 'again'])
  second.say('settle')
  await hears(second, [3])
  await returned(second)
  await second.kill()
  const third = await begin(t, name)
  publish(bus, 4)
  await hears(third, [4])
})

test('killed inside its listener, or ended by it, it has not handled the message', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const first = await begin(t, name)
  publish(bus, 1, 1, 'stay')
  await hears(first, [1])
  await first.kill()
  // Whoever comes at once: nobody waits until the dead are buried.
  const second = await begin(t, name)
  await hears(second, [1, 'again'])
  await second.kill()
  const other = openBus(t, { name })
  let came
  const third = other.subscribe(
    't',
    ({ n }, { redelivered }) => {
      came = [n, redelivered]
    },
    { durable: 'd' },
  )
  await until(() => came)
  assert.deepEqual(came, [1, true])
  await other.close()
  third.unsubscribe()
  const fourth = await begin(t, name)
  publish(bus, 2, 2, 'exit')
  await hears(fourth, [2])
  await fourth.end()
  const fifth = await begin(t, name)
  await hears(fifth, [2, 'again'])
})

test('one at a time: the next waits until the promise has settled', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = await begin(t, name)
  publish(bus, 1, 3, 'wait')
  await hears(child, [1])
  await returned(child)
  // A message to another listener there would have overtaken it.
  const second = await begin(t, name)
  assert.deepEqual(second.slice(0, 2), ['ERR_IN_USE', child.process.pid])
  child.say('settle')
  await hears(child, [2])
  child.say('settle')
  await hears(child, [3])
  child.say('settle')
})

test('one at a time: also where one listener returned, and the next one of that turn gave a promise', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = await begin(t, name)
  bus.publishMany('t', [{ n: 1 }, { n: 2, act: 'wait' }, { n: 3 }, { n: 4 }])
  await hears(child, [1], [2])
  await returned(child)
  await returned(child)
  await child.kill()
  const second = await begin(t, name)
  await hears(second, [2, 'again'])
  second.say('settle')
  await hears(second, [3], [4])
})

test('a promise that rejects has settled, and a listener that throws has returned', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = await begin(t, name)
  publish(bus, 1, 1, 'reject')
  await hears(child, [1], ['rejected', 'no 1'])
  publish(bus, 2, 2, 'throw')
  await hears(child, [2], ['thrown', 'no 2'])
  await child.kill()
  const next = await begin(t, name)
  publish(bus, 3)
  await hears(next, [3])
})

test('unsubscribe forgets where it stopped, close keeps it', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = await begin(t, name)
  publish(bus, 1)
  await hears(child, [1])
  child.say('unsubscribe')
  await until(() => bus.topics()[0].subscribers === 0)
  publish(bus, 2)
  child.say('subscribe')
  await until(() => bus.topics()[0].subscribers === 1)
  publish(bus, 3)
  await hears(child, [3])
  await close(child)
  publish(bus, 4)
  const next = await begin(t, name)
  await hears(next, [4])
})

test('close() from its listener: that message is handled', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = await begin(t, name)
  publish(bus, 1, 2, 'close')
  await hears(child, [1])
  await until(() => bus.members().length === 1)
  const next = await begin(t, name)
  await hears(next, [2])
})

test('close() does not wait for a promise: settled after that it is not handled', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = await begin(t, name)
  publish(bus, 1, 1, 'wait')
  await hears(child, [1])
  await close(child)
  const next = await begin(t, name)
  await hears(next, [1, 'again'])
})

test("while the thread stays on the bus, a message in the hands of a closed handle is that one's", async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const [kept, closing] = [openBus(t, { name }), openBus(t, { name })]
  let settle
  closing.subscribe('t', () => new Promise((resolve) => (settle = resolve)), { durable: 'd' })
  publish(bus, 1, 2)
  await until(() => settle)
  await closing.close()
  const second = []
  const again = () => kept.subscribe('t', ({ n }) => second.push(n), { durable: 'd' })
  assert.throws(again, { code: 'ERR_IN_USE', pid: process.pid, member: bus.stats().member })
  settle()
  await new Promise(setImmediate)
  again()
  await until(() => second.length === 1)
  assert.deepEqual(second, [2], 'it was handled')
})

test('one subscription of a topic and name at a time, also in one thread; other names and topics are others', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = await begin(t, name)
  const inUse = { code: 'ERR_IN_USE', pid: child.process.pid, name: 'SlabcastError' }
  assert.throws(() => bus.subscribe('t', () => {}, { durable: 'd' }), inUse)
  assert.equal(bus.stats().members.reading, 1, 'refused, it has left nothing')
  bus.subscribe('t', () => {}, { durable: 'e' })
  bus.subscribe('u', () => {}, { durable: 'd' })
  assert.throws(() => bus.subscribe('u', () => {}, { durable: 'd' }), { code: 'ERR_IN_USE', pid: process.pid })
  await child.kill()
  bus.subscribe('t', () => {}, { durable: 'd' })
})

test('a worker_thread that is terminated lets go at once', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads')
     require('slabcast').open({ name: workerData }).subscribe('t', ({ n }) => {
       parentPort.postMessage(n)
       for (;;);
     }, { durable: 'd' })
     parentPort.postMessage('subscribed')`,
    { eval: true, workerData: name },
  )
  const said = []
  worker.on('message', (what) => said.push(what))
  await until(() => said.length === 1)
  publish(bus, 1)
  await until(() => said.length === 2)
  await worker.terminate()
  const next = await begin(t, name)
  await hears(next, [1, 'again'])
})

test('it holds nobody back: what is overwritten while it is away is a gap, told once', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const first = await begin(t, name)
  publish(bus, 1)
  await hears(first, [1])
  await close(first)
  for (let n = 2; n <= 200; n++) assert.equal(bus.publish('t', { n, padding: Buffer.alloc(900) }), true)
  const second = await begin(t, name)
  const gap = await second.hear()
  assert.deepEqual([gap[0], gap[1], gap[3]], ['gap', 2, 'overwritten'])
  for (let n = gap[2] + 1; n <= 200; n++) await hears(second, [n])
  await close(second)
  publish(bus, 201, 210)
  for (let n = 1; n <= 200; n++) bus.publish('noise', { n, padding: Buffer.alloc(900) })
  const third = await begin(t, name)
  await hears(third, ['gap', 201, 210, 'overwritten'])
  await close(third)
  const fourth = await begin(t, name)
  publish(bus, 211)
  await hears(fourth, [211])
})

test('a bus that everybody has left remembers nothing', async (t) => {
  const name = uniqueName()
  const first = await begin(t, name)
  await close(first)
  const bus = openBus(t, { name })
  publish(bus, 1)
  const second = await begin(t, name)
  publish(bus, 2)
  await hears(second, [2])
})

test('without echo what this thread has published is passed, and stays so', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const mine = openBus(t, { name: uniqueName() })
  const child = run(
    t,
    async ({ say, until }, name) => {
      const bus = require('slabcast').open({ name })
      const got = []
      bus.subscribe('t', ({ n }) => got.push(n), { durable: 'd', echo: false })
      say('subscribed')
      await until(() => got.length === 1)
      bus.publish('t', { n: 'mine' })
      // Its own come back by the bus: another topic's tells that they are passed.
      let passed = false
      bus.subscribe('later', () => {
        passed = true
      })
      bus.publish('later', 1)
      await until(() => passed)
      await new Promise(setImmediate)
      await new Promise(setImmediate)
      await bus.close()
      say(got)
    },
    name,
  )
  await hears(child, 'subscribed')
  publish(bus, 1)
  await hears(child, [1])
  await mine.close()
  const next = await begin(t, name)
  publish(bus, 2)
  await hears(next, [2])
})

test('many names: those that are forgotten make room, and when there is none that is told', async (t) => {
  const bus = openBus(t, { name: uniqueName(), topics: 100 })
  for (let round = 0; round < 5; round++) {
    const subscriptions = []
    for (let at = 0; at < 100; at++) subscriptions.push(bus.subscribe('t', () => {}, { durable: `${round}.${at}` }))
    const full = { code: 'ERR_TOO_MANY_TOPICS', capacity: 100, message: /durable/ }
    assert.throws(() => bus.subscribe('t', () => {}, { durable: 'one more' }), full)
    for (const subscription of subscriptions) subscription.unsubscribe()
  }
})

test('more live messages than may wait are found in the slab when their turn comes', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '128mb' })
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name })
      bus.on('gap', (gap) => say(gap))
      const got = []
      bus.subscribe(
        't',
        async ({ n }) => {
          got.push(n)
          if (n === 1) {
            say('first')
            await hear()
          }
          if (n === 60) say(got)
        },
        { durable: 'd' },
      )
      // It reads on all the while.
      bus.subscribe('t', ({ n }) => n === 60 && say('read'))
      say('subscribed')
    },
    name,
  )
  await hears(child, 'subscribed')
  bus.publish('t', { n: 1 })
  await hears(child, 'first')
  for (let n = 2; n <= 60; n++) bus.publish('t', { n, padding: Buffer.alloc(1 << 20) })
  await hears(child, 'read')
  child.say('go on')
  assert.deepEqual(
    await child.hear(),
    Array.from({ length: 60 }, (_, at) => at + 1),
  )
})

test('durable names that cannot be are refused', (t) => {
  const bus = openBus(t)
  const refused = (options, code) =>
    assert.throws(() => bus.subscribe('t', () => {}, options), { code }, JSON.stringify(options))
  for (const durable of [1, null, true, {}]) refused({ durable }, 'ERR_INVALID_ARG_TYPE')
  for (const durable of ['', 'a\0b', '\ud800', 'x'.repeat(256)]) refused({ durable }, 'ERR_INVALID_ARG_VALUE')
  for (const other of [{ replay: 1 }, { after: 1 }, { once: true }])
    refused({ durable: 'd', ...other }, 'ERR_INVALID_ARG_VALUE')
  assert.throws(() => bus.messages('t', { durable: 'd' }), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.deepEqual(bus.topics(), [])
  bus.subscribe('t', () => {}, { durable: 'é'.repeat(127) })
})

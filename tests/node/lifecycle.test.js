'use strict'

// What keeps a process alive, how it ends, and what `close` promises.

const test = require('node:test')
const assert = require('node:assert')
const { assertNothingLeft, folderOf, openBus, segmentOf, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run } = require('./support/process')
const { until } = require('./support/wait')
const slabcast = require('slabcast')

const CLEAN = { code: 0, signal: null }

test('a process that only publishes ends by itself, and leaves nothing', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      await say(bus.publish('t', 1))
    },
    name,
  )
  assert.strictEqual(await child.hear(), true)
  assert.deepStrictEqual(await child.end(), CLEAN)
  assertNothingLeft(name)
})

test('a process that only publishes ends only when its outbox is flushed', async (t) => {
  const name = uniqueName()
  const { file, open } = gate(t)
  const reader = run(
    t,
    async ({ say, until }, name, gateFile) => {
      const bus = require('slabcast').open({ name, size: '64kb' })
      const seen = []
      bus.subscribe('t', (message) => seen.push(message))
      await say('subscribed')
      require('./gate').blockUntilOpen(gateFile)
      await until(() => seen.at(-1) === 'last')
      await say(seen.length)
      await bus.close()
    },
    name,
    file,
  )
  await reader.hear()
  const publisher = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name, stallTimeout: Number.POSITIVE_INFINITY })
      let count = 1
      while (bus.publish('t', 'x'.repeat(1000))) count++
      bus.publish('t', 'last')
      await say(count + 1)
    },
    name,
  )
  const published = await publisher.hear()
  assert.strictEqual(publisher.ended, undefined)
  open()
  assert.deepStrictEqual(await publisher.end(), CLEAN)
  assert.strictEqual(await reader.hear(), published)
  assert.deepStrictEqual(await reader.end(), CLEAN)
  assertNothingLeft(name)
})

for (const [how, unref] of Object.entries({
  'an unref’d subscription': (_bus, subscription) => subscription.unref(),
  'an unref’d bus': (bus) => bus.unref(),
  'a subscription that was unsubscribed': (_bus, subscription) => subscription.unsubscribe(),
  'a subscription whose signal fired': (_bus, _subscription, controller) => controller.abort(),
  'a closed bus': (bus) => void bus.close(),
  'a topic unsubscribed': (bus) => bus.unsubscribe('t'),
})) {
  test(`a process with ${how} ends by itself, and leaves nothing`, async (t) => {
    const name = uniqueName()
    const child = run(
      t,
      async ({ say }, name, unref) => {
        const bus = require('slabcast').open({ name })
        const controller = new AbortController()
        const subscription = bus.subscribe('t', () => {}, { signal: controller.signal })
        bus.publish('t', 1)
        new Function(`return ${unref}`)()(bus, subscription, controller)
        await say('done')
      },
      name,
      String(unref),
    )
    assert.strictEqual(await child.hear(), 'done')
    assert.deepStrictEqual(await child.end(), CLEAN)
    assertNothingLeft(name)
  })
}

test('a subscription keeps the process until it is unsubscribed; unref and ref count', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const heard = []
  bus.subscribe('answers', (answer) => heard.push(answer))
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      const subscription = bus.subscribe('t', (message) => {
        bus.publish('answers', message)
        if (message === 'end') subscription.unsubscribe()
      })
      const other = bus.subscribe('other', () => {})
      other.unref()
      subscription.unref().ref()
      bus.unref().ref()
      await say('subscribed')
    },
    name,
  )
  await child.hear()
  // It lives through several turns of waiting on nothing but its subscription.
  for (let number = 0; number < 5; number++) {
    bus.publish('t', number)
    await until(() => heard.length === number + 1)
    assert.strictEqual(child.ended, undefined)
  }
  bus.publish('t', 'end')
  assert.deepStrictEqual(await child.end(), CLEAN)
  assert.deepStrictEqual(heard, [0, 1, 2, 3, 4, 'end'])
})

test('an unref’d subscription still gets messages while something else keeps the process', async (t) => {
  const bus = openBus(t)
  const seen = []
  bus.subscribe('t', (message) => seen.push(message)).unref()
  bus.publish('t', 1)
  await until(() => seen.length === 1)
})

test('process.exit inside a listener ends a member cleanly: nothing is left', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async (_, name) => {
      const bus = require('slabcast').open({ name })
      bus.subscribe('t', () => process.exit(7))
      bus.publish('t', 1)
    },
    name,
  )
  assert.deepStrictEqual(await child.end(), { code: 7, signal: null })
  assertNothingLeft(name)
})

test('SIGTERM ends a process as ever: slabcast has no handler for it', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      bus.subscribe('t', () => {})
      await say(['SIGTERM', 'SIGINT', 'SIGHUP', 'exit'].map((event) => process.listenerCount(event)))
    },
    name,
  )
  assert.deepStrictEqual(await child.hear(), [0, 0, 0, 0])
  child.process.kill('SIGTERM')
  assert.deepStrictEqual(await child.end(), { code: null, signal: 'SIGTERM' })
  assert.strictEqual(bus.publish('t', 1), true)
})

test('an uncaught exception ends a process as ever', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async (_, name) => {
      const bus = require('slabcast').open({ name })
      bus.subscribe('t', () => {
        throw new Error('of the listener')
      })
      bus.publish('t', 1)
    },
    name,
  )
  assert.strictEqual((await child.end()).code, 1)
  assert.match(child.errors, /Error: of the listener/)
  assertNothingLeft(name)
})

test('close is a promise, the same each time; later calls throw ERR_CLOSED; no listener is called any more', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const segment = segmentOf(name)
  const calls = []
  const subscription = bus.subscribe('t', () => calls.push('message'))
  bus.subscribe('t', () => calls.push('once'), { once: true })
  bus.on('drain', () => calls.push('drain'))
  bus.publish('t', 1)
  const closing = bus.close()
  assert.ok(closing instanceof Promise)
  assert.strictEqual(bus.close(), closing)
  const closed = { code: 'ERR_CLOSED', name: 'SlabcastError' }
  const calling = [
    () => bus.publish('t', 1),
    () => bus.publish('t', Buffer.from('x'), { raw: true }),
    () => bus.subscribe('t', () => {}),
    () => bus.unsubscribe('t'),
  ]
  for (const call of calling) assert.throws(call, closed)
  assert.strictEqual(await closing, undefined)
  for (const call of calling) assert.throws(call, closed)
  assert.strictEqual(bus.close(), closing)
  subscription.unsubscribe()
  subscription.ref()
  subscription.unref()
  bus.ref()
  bus.unref()
  const other = openBus(t)
  const passed = []
  other.subscribe('t', () => passed.push(1))
  other.publish('t', 1)
  await until(() => passed.length === 1)
  assert.deepStrictEqual(calls, [])
  assertNothingLeft(name, segment)
})

test('close inside a listener ends the batch for this bus', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const other = openBus(t, { name })
  const seen = []
  bus.subscribe('t', (message) => {
    seen.push(message)
    bus.close()
  })
  bus.subscribe('t', () => seen.push('second listener'))
  let others = 0
  other.subscribe('t', () => others++)
  for (let number = 0; number < 10; number++) bus.publish('t', number)
  await until(() => others === 10)
  assert.deepStrictEqual(seen, [0])
})

test('close during a publish, by a getter of its message, is honoured', async (t) => {
  const bus = openBus(t)
  let closing
  const message = {
    get end() {
      closing = bus.close()
      return 1
    },
  }
  assert.throws(() => bus.publish('t', message), { code: 'ERR_CLOSED' })
  await closing
  assert.throws(() => bus.publish('t', 1), { code: 'ERR_CLOSED' })
})

test('a bus can be closed by `await using`’s symbol, a subscription by `using`’s', async (t) => {
  const asyncDispose = Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')
  const dispose = Symbol.dispose ?? Symbol.for('nodejs.dispose')
  const bus = openBus(t)
  const seen = []
  const subscription = bus.subscribe('t', () => seen.push('disposed'))
  bus.subscribe('t', (message) => seen.push(message))
  subscription[dispose]()
  bus.publish('t', 1)
  await until(() => seen.length > 0)
  assert.deepStrictEqual(seen, [1])
  await bus[asyncDispose]()
  assert.throws(() => bus.publish('t', 1), { code: 'ERR_CLOSED' })
})

test('a bus opened anew after the last close begins from nothing', async (t) => {
  const name = uniqueName()
  for (let round = 0; round < 20; round++) {
    const bus = slabcast.open({ name, size: '64kb', members: 4, topics: 16 })
    const seen = []
    bus.subscribe('t', (_, { sequence }) => seen.push(sequence))
    bus.publish('t', 1)
    await until(() => seen.length === 1)
    assert.deepStrictEqual(seen, [1])
    const segment = segmentOf(name)
    await bus.close()
    assertNothingLeft(name, segment)
  }
  openBus(t, { name })
})

test('handles of one bus in one thread have subscriptions and an end of their own', async (t) => {
  const name = uniqueName()
  const [first, second] = [openBus(t, { name }), openBus(t, { name })]
  const segment = segmentOf(name)
  const seen = []
  first.subscribe('t', (message, { publisher }) => seen.push(['first', message, publisher.member]))
  second.subscribe('t', (message, { publisher }) => seen.push(['second', message, publisher.member]))
  first.publish('t', 1)
  await until(() => seen.length === 2)
  assert.deepStrictEqual(seen.splice(0), [
    ['first', 1, 1],
    ['second', 1, 1],
  ])
  // The one's unsubscribe is not the other's.
  first.unsubscribe('t')
  second.publish('t', 2)
  await until(() => seen.length === 1)
  assert.deepStrictEqual(seen.splice(0), [['second', 2, 1]])

  await first.close()
  assert.throws(() => first.publish('t', 3), { code: 'ERR_CLOSED' })
  second.publish('t', 3)
  await until(() => seen.length === 1)
  assert.deepStrictEqual(seen, [['second', 3, 1]])
  await second.close()
  assertNothingLeft(name, segment)
})

test('several buses in one process do not meet', async (t) => {
  const buses = Array.from({ length: 8 }, () => openBus(t))
  const seen = buses.map(() => [])
  for (const [at, bus] of buses.entries())
    bus.subscribe('t', (message, meta) => seen[at].push([message, meta.sequence]))
  for (let round = 1; round <= 100; round++)
    for (const [at, bus] of buses.entries()) bus.publish('t', at * 1000 + round)
  await until(() => seen.every(({ length }) => length === 100))
  for (const [at, messages] of seen.entries())
    assert.deepStrictEqual(
      messages,
      Array.from({ length: 100 }, (_, round) => [at * 1000 + round + 1, round + 1]),
    )
})

test('the last member to leave removes everything, in whatever order they go', async (t) => {
  const name = uniqueName()
  const stays = async ({ say, hear }, name) => {
    const bus = require('slabcast').open({ name, size: '1mb' })
    bus.subscribe('t', () => {})
    await say('open')
    if ((await hear()) === 'close') await bus.close()
    else process.exit(0)
  }
  const children = [0, 1, 2].map(() => run(t, stays, name))
  for (const child of children) await child.hear()
  const segment = segmentOf(name)
  for (const [at, how] of [
    [1, 'close'],
    [0, 'exit'],
    [2, 'close'],
  ]) {
    assert.ok(require('node:fs').existsSync(folderOf(name)))
    children[at].say(how)
    assert.deepStrictEqual(await children[at].end(), CLEAN)
  }
  assertNothingLeft(name, segment)
})

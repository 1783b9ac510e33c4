'use strict'

// What a subscription gets, from when to when, and how its listener is called.

const test = require('node:test')
const assert = require('node:assert')
const { AsyncLocalStorage } = require('node:async_hooks')
const { getEventListeners } = require('node:events')
const { openBus, uniqueName } = require('./support/bus')
const { run } = require('./support/process')
const { until } = require('./support/wait')

/** Waits until everything published so far has been handed out in this thread. */
async function settle(bus) {
  let done = false
  bus.subscribe(
    'settle',
    () => {
      done = true
    },
    { once: true },
  )
  bus.publish('settle', 0)
  await until(() => done, 'the bus delivers')
}

/** Listens and keeps the messages. */
function collect(bus, topic, options) {
  const seen = []
  bus.subscribe(topic, (message) => seen.push(message), options)
  return seen
}

test('a subscription is live when it returns: everything after, nothing from before, also from other processes', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name, stallTimeout: Number.POSITIVE_INFINITY })
      let number = 0
      let isOver = false
      const burst = () => {
        let isIn = true
        for (let n = 0; n < 100; n++) isIn = bus.publish('t', number++)
        if (isOver) say(number)
        else if (isIn) setImmediate(burst)
        else bus.once('drain', burst)
      }
      burst()
      await say('publishing')
      await hear()
      isOver = true
    },
    name,
  )
  // In the middle of what another publishes, for as long as it takes: from some number on, all of them.
  const subscriptions = []
  const take = () => {
    const seen = []
    subscriptions.push({ seen, subscription: bus.subscribe('t', (number) => seen.push(number)) })
  }
  await child.hear()
  take()
  await until(() => subscriptions[0].seen.length > 0)
  while (subscriptions.length < 20) {
    take()
    await new Promise((resolve) => setImmediate(resolve))
  }
  child.say('enough')
  const published = await child.hear()
  await until(() => subscriptions.every(({ seen }) => seen.at(-1) === published - 1))
  for (const { seen } of subscriptions)
    assert.deepStrictEqual(
      seen,
      Array.from({ length: seen.length }, (_, at) => published - seen.length + at),
    )

  bus.publish('u', 'before')
  const seen = collect(bus, 'u')
  bus.publish('u', 'after')
  await settle(bus)
  assert.deepStrictEqual(seen, ['after'])
})

test('a child that subscribes before it says so gets the very next message', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  for (let round = 0; round < 10; round++) {
    const child = run(
      t,
      async ({ say }, name) => {
        const bus = require('slabcast').open({ name })
        const heard = new Promise((resolve) => bus.subscribe('t', resolve, { once: true }))
        await say('subscribed')
        await say(await heard)
      },
      name,
    )
    bus.publish('t', `before ${round}`)
    await child.hear()
    bus.publish('t', round)
    assert.strictEqual(await child.hear(), round)
  }
})

test('own messages come too, and never inside publish', async (t) => {
  const bus = openBus(t)
  const seen = collect(bus, 't')
  for (let number = 0; number < 10; number++) {
    bus.publish('t', number)
    assert.deepStrictEqual(seen, [])
  }
  await Promise.resolve()
  assert.deepStrictEqual(seen, [], 'not in a microtask either')
  await settle(bus)
  assert.deepStrictEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('echo: false leaves out the messages of this thread, through whichever handle', async (t) => {
  const name = uniqueName()
  const [bus, handle] = [openBus(t, { name }), openBus(t, { name })]
  const [quiet, all] = [collect(bus, 't', { echo: false }), collect(bus, 't', { echo: true })]
  bus.publish('t', 'own')
  handle.publish('t', 'own, by the other handle')
  const child = run(t, async (_, name) => require('slabcast').open({ name }).publish('t', 'theirs'), name)
  await child.end()
  await until(() => all.length === 3)
  assert.deepStrictEqual(quiet, ['theirs'])
})

test('once: the listener is called once, and is unsubscribed before its call', async (t) => {
  const bus = openBus(t)
  const seen = []
  const { signal } = new AbortController()
  bus.subscribe(
    't',
    (message) => {
      // What a subscription holds on to, it has let go of by now.
      seen.push([message, getEventListeners(signal, 'abort').length])
      bus.publish('t', 'from the listener')
    },
    { once: true, signal },
  )
  const all = collect(bus, 't')
  bus.publish('t', 1)
  bus.publish('t', 2)
  await until(() => all.length === 3)
  assert.deepStrictEqual(seen, [[1, 0]])
})

test('once with echo: false waits for a message of somebody else', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const seen = collect(bus, 't', { once: true, echo: false })
  bus.publish('t', 'own')
  await settle(bus)
  await run(t, async (_, name) => require('slabcast').open({ name }).publish('t', 'theirs'), name).end()
  await until(() => seen.length > 0)
  assert.deepStrictEqual(seen, ['theirs'])
})

test('a signal that fires unsubscribes; one that has fired makes subscribe throw an AbortError', async (t) => {
  const bus = openBus(t)
  const controller = new AbortController()
  const seen = collect(bus, 't', { signal: controller.signal })
  bus.publish('t', 1)
  await settle(bus)
  bus.publish('t', 2)
  controller.abort()
  bus.publish('t', 3)
  await settle(bus)
  assert.deepStrictEqual(seen, [1])

  const reason = new Error('no more')
  assert.throws(
    () => bus.subscribe('t', () => {}, { signal: AbortSignal.abort(reason) }),
    (error) => error.name === 'AbortError' && error.code === 'ABORT_ERR' && error.cause === reason,
  )
})

test('an unsubscribed subscription leaves no listener on its signal', (t) => {
  const bus = openBus(t)
  const { signal } = new AbortController()
  const subscription = bus.subscribe('t', () => {}, { signal })
  assert.strictEqual(getEventListeners(signal, 'abort').length, 1)
  subscription.unsubscribe()
  assert.strictEqual(getEventListeners(signal, 'abort').length, 0)
  const full = openBus(t, { topics: 1 })
  full.subscribe('t', () => {})
  assert.throws(() => full.subscribe('u', () => {}, { signal }), { code: 'ERR_TOO_MANY_TOPICS' })
  assert.strictEqual(getEventListeners(signal, 'abort').length, 0, 'after a subscribe that threw')
})

test('the same listener twice is two subscriptions', async (t) => {
  const bus = openBus(t)
  const seen = []
  const listener = (message) => seen.push(message)
  const first = bus.subscribe('t', listener)
  const second = bus.subscribe('t', listener)
  assert.notStrictEqual(first, second)
  bus.publish('t', 1)
  await settle(bus)
  assert.deepStrictEqual(seen, [1, 1])
  first.unsubscribe()
  bus.publish('t', 2)
  await settle(bus)
  assert.deepStrictEqual(seen, [1, 1, 2])
})

test('listeners are called in the order in which they subscribed', async (t) => {
  const bus = openBus(t)
  const seen = []
  for (const who of ['a', 'b', 'c']) bus.subscribe('t', (message) => seen.push(who + message))
  bus.publish('t', 1)
  bus.publish('t', 2)
  await settle(bus)
  assert.deepStrictEqual(seen, ['a1', 'b1', 'c1', 'a2', 'b2', 'c2'])
})

test('no call of the listener after unsubscribe returns, though messages wait; again is a no-op', async (t) => {
  const bus = openBus(t)
  const seen = []
  const subscription = bus.subscribe('t', (message) => seen.push(message))
  const others = collect(bus, 't')
  for (let number = 0; number < 10; number++) bus.publish('t', number)
  subscription.unsubscribe()
  subscription.unsubscribe()
  await until(() => others.length === 10)
  assert.deepStrictEqual(seen, [])
})

test('a listener may end itself and others in the middle of a batch', async (t) => {
  const bus = openBus(t)
  const seen = []
  const self = bus.subscribe('t', (message) => {
    seen.push(`self ${message}`)
    if (message === 2) self.unsubscribe()
  })
  bus.subscribe('t', (message) => {
    if (message === 1) later.unsubscribe()
    if (message === 3) elsewhere.unsubscribe()
  })
  const later = bus.subscribe('t', (message) => seen.push(`later ${message}`))
  const elsewhere = bus.subscribe('u', (message) => seen.push(`elsewhere ${message}`))
  for (const number of [0, 1, 2, 3, 4]) {
    bus.publish('t', number)
    bus.publish('u', number)
  }
  await settle(bus)
  assert.deepStrictEqual(seen, [
    ...['self 0', 'later 0', 'elsewhere 0', 'self 1', 'elsewhere 1', 'self 2', 'elsewhere 2'],
  ])
})

test('a subscription made inside a listener begins after it: not with the batch under way', async (t) => {
  const bus = openBus(t)
  const [late, elsewhere] = [[], []]
  bus.subscribe('t', (message) => {
    if (message !== 1) return
    bus.subscribe('t', (message) => late.push(message))
    bus.subscribe('u', (message) => elsewhere.push(message))
    bus.publish('t', 'after')
    bus.publish('u', 'after')
  })
  for (const number of [0, 1, 2, 3]) {
    bus.publish('t', number)
    bus.publish('u', number)
  }
  await until(() => elsewhere.length > 0)
  await settle(bus)
  assert.deepStrictEqual(late, ['after'])
  assert.deepStrictEqual(elsewhere, ['after'])
})

test('unsubscribing the last and subscribing anew inside a listener begins anew', async (t) => {
  const bus = openBus(t)
  const seen = []
  const first = bus.subscribe('t', (message) => {
    seen.push(`first ${message}`)
    first.unsubscribe()
    bus.subscribe('t', (message, { sequence }) => seen.push(`second ${message} ${sequence}`))
    bus.publish('t', 'after')
  })
  for (const number of [0, 1, 2]) bus.publish('t', number)
  await settle(bus)
  assert.deepStrictEqual(seen, ['first 0', 'second after 4'])
})

test('unsubscribe(topic, listener) ends that listener’s, unsubscribe(topic) all of this handle’s', async (t) => {
  const name = uniqueName()
  const [bus, handle] = [openBus(t, { name }), openBus(t, { name })]
  const seen = []
  const [a, b] = [() => seen.push('a'), () => seen.push('b')]
  for (const listener of [a, a, b]) bus.subscribe('t', listener)
  bus.subscribe('u', a)
  handle.subscribe('t', () => seen.push('handle'))
  const round = async () => {
    bus.publish('t', 1)
    bus.publish('u', 1)
    await settle(handle)
    return seen.splice(0).join(' ')
  }
  assert.strictEqual(await round(), 'a a b handle a')
  bus.unsubscribe('t', a)
  assert.strictEqual(await round(), 'b handle a')
  bus.unsubscribe('t', a)
  bus.unsubscribe('t')
  assert.strictEqual(await round(), 'handle a')
  bus.unsubscribe('nobody')
  bus.unsubscribe('t')
  assert.strictEqual(await round(), 'handle a')
})

test('topics are compared byte by byte, and no topic is a pattern', async (t) => {
  const bus = openBus(t)
  const composed = 'é'
  const decomposed = 'e\u0301'
  const topics = ['room', 'Room', 'room ', 'room*', '*', '?', '[a]', '\\', composed, decomposed, 'r'.repeat(255), '💬']
  const seen = Object.fromEntries(topics.map((topic) => [topic, collect(bus, topic)]))
  for (const topic of topics) bus.publish(topic, topic)
  await settle(bus)
  for (const topic of topics) assert.deepStrictEqual(seen[topic], [topic])
})

test('meta says topic, sequence, position, publisher and time, and nothing else', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const metas = []
  for (const topic of ['a', 'b']) bus.subscribe(topic, (_, meta) => metas.push(meta))
  const before = Date.now()
  bus.publish('a', 1)
  const child = run(t, async ({ say }, name) => say(require('slabcast').open({ name }).publish('a', 2)), name)
  await child.end()
  bus.publish('b', 3)
  await until(() => metas.length === 3)
  const after = Date.now()
  for (const { timestamp } of metas)
    assert.ok(Number.isInteger(timestamp) && timestamp >= before && timestamp <= after, `${timestamp}`)
  const { timestamp: _a, ...own } = metas[0]
  const { timestamp: _b, ...theirs } = metas[1]
  const { timestamp: _c, ...last } = metas[2]
  assert.deepStrictEqual(own, { topic: 'a', sequence: 1, position: 0, publisher: { member: 1, pid: process.pid } })
  assert.deepStrictEqual(theirs, { topic: 'a', sequence: 2, position: 1, publisher: { member: 2, pid: child.pid } })
  assert.deepStrictEqual(last, { topic: 'b', sequence: 1, position: 2, publisher: { member: 1, pid: process.pid } })
})

test('a Subscription shows its topic and whether it is raw', (t) => {
  const bus = openBus(t)
  const subscription = bus.subscribe('t', () => {}, { raw: true })
  assert.deepStrictEqual({ ...subscription }, { topic: 't', raw: true })
  assert.strictEqual(subscription.ref(), subscription)
  assert.strictEqual(subscription.unref(), subscription)
  assert.strictEqual(bus.ref(), bus)
  assert.strictEqual(bus.unref(), bus)
})

test('a listener that throws is an uncaught exception from a fresh stack; others get the message, later ones come', async (t) => {
  const child = run(
    t,
    async ({ say, until }, name) => {
      const bus = require('slabcast').open({ name, size: '64kb' })
      const uncaught = []
      process.on('uncaughtException', (error, origin) => uncaught.push([error.message, origin, listening]))
      const seen = []
      let listening = false
      bus.subscribe('t', (message) => {
        listening = true
        try {
          if (message !== 2) throw new Error(`of message ${message}`)
        } finally {
          listening = false
        }
      })
      bus.subscribe('t', (message) => seen.push(message))
      for (const message of [1, 2, 3]) bus.publish('t', message)
      await until(() => uncaught.length === 2 && seen.length === 3)
      bus.publish('t', 4)
      await until(() => uncaught.length === 3 && seen.length === 4)
      await say({ uncaught, seen })
      await bus.close()
    },
    uniqueName(),
  )
  assert.deepStrictEqual(await child.hear(), {
    uncaught: [1, 3, 4].map((number) => [`of message ${number}`, 'uncaughtException', false]),
    seen: [1, 2, 3, 4],
  })
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

test('a listener’s promise is not awaited, and its rejection is Node’s', async (t) => {
  const child = run(
    t,
    async ({ say, until }, name) => {
      const bus = require('slabcast').open({ name, size: '64kb' })
      const rejections = []
      process.on('unhandledRejection', (reason) => rejections.push(reason.message))
      const seen = []
      bus.subscribe('t', async (message) => {
        if (message === 1) throw new Error('rejected')
        seen.push(message)
        await new Promise(() => {})
      })
      for (const message of [1, 2, 3]) bus.publish('t', message)
      await until(() => rejections.length === 1 && seen.length === 2)
      await say([rejections, seen])
      await bus.close()
    },
    uniqueName(),
  )
  assert.deepStrictEqual(await child.hear(), [['rejected'], [2, 3]])
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

test('an unhandled rejection of a listener ends the process, as any does', async (t) => {
  const child = run(
    t,
    async (_, name) => {
      const bus = require('slabcast').open({ name, size: '64kb' })
      bus.subscribe('t', async () => {
        throw new Error('of an async listener')
      })
      bus.publish('t', 1)
    },
    uniqueName(),
  )
  assert.strictEqual((await child.end()).code, 1)
  assert.match(child.errors, /of an async listener/)
})

test('the AsyncLocalStorage of the subscribe call is seen in its listener, whoever opened the bus', async (t) => {
  const storage = new AsyncLocalStorage()
  const name = uniqueName()
  const bus = storage.run('open', () => openBus(t, { name }))
  const seen = []
  const listen = (who) => storage.run(who, () => bus.subscribe('t', () => seen.push([who, storage.getStore()])))
  for (const who of ['a', 'b']) listen(who)
  bus.subscribe('t', () => seen.push(['none', storage.getStore()]))
  storage.run('publish', () => bus.publish('t', 1))
  await until(() => seen.length === 3)
  assert.deepStrictEqual(seen, [
    ['a', 'a'],
    ['b', 'b'],
    ['none', undefined],
  ])
  // Further asynchronous work of the listener stays in its context.
  const later = []
  storage.run('c', () =>
    bus.subscribe('u', async () => {
      await new Promise((resolve) => setImmediate(resolve))
      later.push(storage.getStore())
    }),
  )
  bus.publish('u', 1)
  await until(() => later.length === 1)
  assert.deepStrictEqual(later, ['c'])
})

test('nextTick and microtasks queued in a listener run after it, without anything else waking the loop', async (t) => {
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name, size: '64kb' })
      const order = []
      const subscription = bus.subscribe('t', () => {
        order.push('listener')
        process.nextTick(() => order.push('tick'))
        Promise.resolve().then(() => order.push('microtask'))
        setImmediate(() => {
          order.push('immediate')
          say(order)
          subscription.unsubscribe()
        })
      })
      bus.publish('t', 1)
    },
    uniqueName(),
  )
  assert.deepStrictEqual(await child.hear(), ['listener', 'tick', 'microtask', 'immediate'])
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

test('messages that listeners publish come later, in order: nothing recurses', async (t) => {
  const bus = openBus(t)
  const seen = []
  let inside = 0
  let deepest = 0
  bus.subscribe('t', (number) => {
    deepest = Math.max(deepest, ++inside)
    seen.push(number)
    if (number < 10_000) bus.publish('t', number + 1)
    inside--
  })
  bus.publish('t', 0)
  await until(() => seen.at(-1) === 10_000)
  assert.strictEqual(deepest, 1)
  assert.deepStrictEqual(
    seen,
    Array.from({ length: 10_001 }, (_, number) => number),
  )
})

test('listeners that keep each other busy leave room for timers and for other processes', async (t) => {
  const bus = openBus(t)
  let pings = 0
  bus.subscribe('ping', () => {
    pings++
    bus.publish('ping', 1)
  })
  for (let n = 0; n < 50; n++) bus.publish('ping', 1)
  let timers = 0
  const timer = setInterval(() => timers++, 1)
  t.after(() => clearInterval(timer))
  await until(() => timers > 20 && pings > 10_000)
})

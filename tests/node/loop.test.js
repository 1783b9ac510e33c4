'use strict'

// `messages()`: what a loop is given, what becomes of what it is too slow for, and how it ends.

const test = require('node:test')
const assert = require('node:assert')
const { setImmediate: turn } = require('node:timers/promises')
const { openBus, uniqueName } = require('./support/bus')
const { run, runWith } = require('./support/process')
const { until } = require('./support/wait')

/** In a child: publishes `count` messages, 0 and on, of about `length` bytes on 't' as soon as it is told, and then 'end'. */
async function publisher({ say, hear }, name, count, length) {
  const bus = require('slabcast').open({ name, stallTimeout: Number.POSITIVE_INFINITY })
  await say('ready')
  await hear()
  for (let number = 0; number < count; number++) {
    if (!bus.publish('t', { number, text: 'x'.repeat(length) })) await new Promise((go) => bus.once('drain', go))
  }
  bus.publish('t', { number: 'end' })
  await bus.close()
  await say('published')
}

/** Resolves when this thread has been handed all that was published before. */
async function caughtUp(bus) {
  let isUp = false
  const subscription = bus.subscribe('caught up', () => {
    isUp = true
  })
  bus.publish('caught up', 0)
  await until(() => isUp, 'what was published is handed out')
  subscription.unsubscribe()
}

test('messages(topic): all that anyone publishes from the call on, in order, each with its meta', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name, 20_000, 10)
  assert.strictEqual(await child.hear(), 'ready')
  bus.publish('t', 'before')
  const messages = bus.messages('t')
  bus.publish('t', 'first')
  child.say('go')
  await until(() => child.unheard.length > 0, 'all is published before the loop begins')
  assert.deepStrictEqual(await messages.next().then(({ value }) => value.message), 'first')
  let next = 0
  for await (const { message, meta } of messages) {
    if (message.number === 'end') break
    assert.strictEqual(message.number, next++)
    assert.strictEqual(meta.topic, 't')
    assert.strictEqual(meta.sequence, next + 2)
    assert.strictEqual(meta.publisher.pid, child.pid)
  }
  assert.strictEqual(next, 20_000)
})

test('messages(topic): calls of next() that wait are served in order, and by one message each', async (t) => {
  const bus = openBus(t)
  const messages = bus.messages('t')
  const calls = Array.from({ length: 5 }, () => messages.next())
  for (let number = 0; number < 7; number++) bus.publish('t', number)
  const given = (await Promise.all(calls)).map(({ value }) => value.message)
  assert.deepStrictEqual(given, [0, 1, 2, 3, 4])
  assert.strictEqual((await messages.next()).value.message, 5)
  assert.strictEqual((await messages.next()).value.message, 6)
})

test('messages(topic): null and undefined are messages too', async (t) => {
  const bus = openBus(t)
  const messages = bus.messages('t')
  for (const message of [undefined, null]) bus.publish('t', message)
  assert.deepStrictEqual((await messages.next()).value.message, undefined)
  assert.deepStrictEqual((await messages.next()).value.message, null)
})

test('messages(topic) ends on return: what waits is dropped, who waits is told, others go on', async (t) => {
  const bus = openBus(t)
  const [left, waiting, other] = [bus.messages('t'), bus.messages('u'), bus.messages('t')]
  for (const message of [1, 2, 3]) bus.publish('t', message)
  for await (const { message } of left) {
    assert.strictEqual(message, 1)
    break
  }
  assert.deepStrictEqual(await left.next(), { value: undefined, done: true })
  const calls = [waiting.next(), waiting.next()]
  assert.deepStrictEqual(await waiting.return('value'), { value: 'value', done: true })
  for (const call of calls) assert.deepStrictEqual(await call, { value: undefined, done: true })
  await assert.rejects(
    other.throw(new RangeError('enough')),
    (error) => error instanceof RangeError && error.message === 'enough',
  )
  assert.deepStrictEqual(await other.next(), { value: undefined, done: true })
  assert.strictEqual(await waiting[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')](), undefined)
})

test('messages(topic, { signal }) ends as events.on does: what came is still given, then an AbortError, once', async (t) => {
  const bus = openBus(t)
  const controller = new AbortController()
  const [messages, waiting] = [
    bus.messages('t', { signal: controller.signal }),
    bus.messages('u', { signal: controller.signal }),
  ]
  bus.publish('t', 'came before')
  await caughtUp(bus)
  const calls = [waiting.next(), waiting.next()]
  controller.abort('enough')
  bus.publish('t', 'came after')
  const aborted = { name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' }
  assert.strictEqual((await messages.next()).value.message, 'came before')
  await assert.rejects(messages.next(), aborted)
  assert.deepStrictEqual(await messages.next(), { value: undefined, done: true })
  await assert.rejects(calls[0], aborted)
  assert.deepStrictEqual(await calls[1], { value: undefined, done: true })
  assert.throws(() => bus.messages('t', { signal: controller.signal }), aborted)
})

test('messages(topic) ends quietly on close, and on unsubscribe(topic), at once', async (t) => {
  const bus = openBus(t)
  const [one, two] = [bus.messages('t'), bus.messages('u')]
  bus.publish('t', 1)
  bus.publish('u', 1)
  await caughtUp(bus)
  bus.unsubscribe('t')
  assert.deepStrictEqual(await one.next(), { value: undefined, done: true })
  const given = []
  const closed = bus.close()
  for await (const { message } of two) given.push(message)
  assert.deepStrictEqual(given, [], 'nothing is handed out any more')
  await closed
  assert.throws(() => bus.messages('t'), { code: 'ERR_CLOSED' })
})

test('messages(topic, { inbox }): a slow loop has no more than it, and is told what went before its next message', async (t) => {
  const name = uniqueName()
  const LIMIT = 2 ** 20
  const child = runWith(
    t,
    { execArgv: ['--expose-gc'] },
    async ({ say, hear, until }, name, limit) => {
      const bus = require('slabcast').open({ name })
      const held = () => {
        global.gc()
        const { heapUsed, arrayBuffers } = process.memoryUsage()
        return heapUsed + arrayBuffers
      }
      const got = []
      bus.on('gap', (gap) => got.push({ gap }))
      const messages = bus.messages('t', { inbox: limit })
      // Whether all came in is told by a listener.
      let isIn = false
      bus.subscribe('t', ({ number }) => {
        isIn ||= number === 'end'
      })
      const before = held()
      await say('reading')
      await until(() => isIn)
      // What went is swept beside us.
      await until(
        () => held() - before < limit * 1.5,
        () => `no more than the inbox is held, but ${held() - before} bytes are`,
      )
      await say(got.length)
      for await (const { message, meta } of messages) {
        got.push({ number: message.number, sequence: meta.sequence })
        if (message.number === 'end') break
      }
      await say(got)
      await hear()
      await bus.close()
    },
    name,
    LIMIT,
  )
  openBus(t, { name })
  assert.strictEqual(await child.hear(), 'reading')
  const source = run(t, publisher, name, 50_000, 1000)
  assert.strictEqual(await source.hear(), 'ready')
  source.say('go')
  assert.strictEqual(await child.hear(), 0, 'told when the loop asks')
  const [{ gap }, ...rest] = await child.hear()
  assert.deepStrictEqual(gap, { topic: 't', from: 1, to: gap.to, lost: gap.to, reason: 'overwritten' })
  assert.ok(gap.to > 45_000, 'most of them went')
  const last = 50_001
  assert.deepStrictEqual(
    rest.map(({ sequence }) => sequence),
    Array.from({ length: last - gap.to }, (_, at) => gap.to + 1 + at),
    'one gap, and the newest without a hole',
  )
  child.say('end')
})

test('messages(topic, { inbox }): the newest message stays, however small the inbox; each run is told once', async (t) => {
  const bus = openBus(t)
  const gaps = []
  bus.on('gap', (gap) => gaps.push(gap))
  const messages = bus.messages('t', { inbox: 0 })
  const taken = []
  for (const round of [1, 2, 3]) {
    for (let number = 0; number < round; number++) bus.publish('t', 'x'.repeat(1000))
    await caughtUp(bus)
    taken.push((await messages.next()).value.meta.sequence)
  }
  assert.deepStrictEqual(taken, [1, 3, 6])
  assert.deepStrictEqual(gaps, [
    { topic: 't', from: 2, to: 2, lost: 1, reason: 'overwritten' },
    { topic: 't', from: 4, to: 5, lost: 2, reason: 'overwritten' },
  ])
})

test('messages(topic): a loop that keeps up loses nothing, however much comes in one turn', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '8mb' })
  bus.on('gap', (gap) => assert.fail(JSON.stringify(gap)))
  const child = run(t, publisher, name, 20_000, 1000)
  assert.strictEqual(await child.hear(), 'ready')
  const small = bus.messages('t', { inbox: '16kb' })
  const listened = []
  bus.subscribe('t', ({ number }) => listened.push(number))
  child.say('go')
  let next = 0
  for await (const { message } of small) {
    if (message.number === 'end') break
    assert.strictEqual(message.number, next++)
    // Now and then it needs a while, and keeps up on the whole: the bus is stopped, not the loop.
    if (next % 5000 === 0) {
      const until = performance.now() + 20
      while (performance.now() < until);
    }
  }
  assert.strictEqual(next, 20_000)
  await until(() => listened.length === 20_001)
  assert.deepStrictEqual(listened.slice(0, -1), [...listened.keys()].slice(0, -1), 'nor does a listener beside it')
})

test('messages(topic): a loop that needs a turn for each message holds up nobody beside it', async (t) => {
  const bus = openBus(t)
  const slow = bus.messages('t', { inbox: 0 })
  const gaps = []
  bus.on('gap', (gap) => gaps.push(gap))
  const taken = []
  const loop = (async () => {
    for await (const { message } of slow) {
      taken.push(message)
      if (message === 'end') break
      await turn()
    }
  })()
  const listened = []
  bus.subscribe('t', (message) => listened.push(message))
  for (let number = 0; number < 1000; number++) bus.publish('t', number)
  bus.publish('t', 'end')
  await until(() => listened.at(-1) === 'end')
  await loop
  assert.strictEqual(listened.length, 1001)
  const lost = gaps.reduce((sum, gap) => sum + gap.lost, 0)
  assert.strictEqual(taken.length + lost, 1001, 'taken or told')
})

test('messages(topic, { echo, raw }): as of subscribe; each loop has its objects for itself', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const [all, others, raw, plain] = [
    bus.messages('t'),
    bus.messages('t', { echo: false }),
    bus.messages('t', { raw: true }),
    bus.messages('t'),
  ]
  bus.publish('t', { own: true })
  const child = run(t, async (_, name) => require('slabcast').open({ name }).publish('t', { own: false }), name)
  assert.deepStrictEqual((await others.next()).value.message, { own: false })
  const [one, two] = [(await all.next()).value.message, (await plain.next()).value.message]
  assert.deepStrictEqual(one, { own: true })
  assert.notStrictEqual(one, two)
  assert.deepStrictEqual((await raw.next()).value.message, bus.encode({ own: true }))
  bus.publish('t', Buffer.from('bytes'), { raw: true })
  await all.next()
  assert.deepStrictEqual((await all.next()).value.message, Buffer.from('bytes'))
  await child.end()
})

test('messages(topic) refuses what is no topic, no inbox, and once', (t) => {
  const bus = openBus(t)
  assert.throws(() => bus.messages(7), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => bus.messages('$slabcast/x'), { code: 'ERR_INVALID_TOPIC' })
  assert.throws(() => bus.messages('t', { once: true }), { code: 'ERR_INVALID_ARG_VALUE', message: /options\.once/ })
  assert.throws(() => bus.messages('t', { inbox: -1 }), { code: 'ERR_OUT_OF_RANGE', message: /options\.inbox/ })
  assert.throws(() => bus.messages('t', { inbox: 'much' }), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /options\.inbox/,
  })
  assert.throws(() => bus.messages('t', { inbox: {} }), { code: 'ERR_INVALID_ARG_TYPE', message: /options\.inbox/ })
})

test('messages(topic) keeps the process alive until it ends', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      const messages = bus.messages('t')
      await say('reading')
      for await (const { message } of messages) {
        await say(message)
        if (message === 'last') break
      }
    },
    name,
  )
  assert.strictEqual(await child.hear(), 'reading')
  for (const message of ['first', 'last']) {
    bus.publish('t', message)
    assert.strictEqual(await child.hear(), message)
  }
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

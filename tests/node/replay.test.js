'use strict'

// Options `replay: n` / `after: sequence`: first the last n kept messages, or all kept after a sequence number, then live, without
// a hole or a double.

const test = require('node:test')
const assert = require('node:assert/strict')
const { openBus, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run } = require('./support/process')
const { until } = require('./support/wait')

/** Publishes numbers, from the next one on, when it is told how many, and of how many bytes each is. */
const publisher = async ({ say, hear, until }, name) => {
  const bus = require('slabcast').open({ name })
  let drained = true
  bus.on('drain', () => {
    drained = true
  })
  let next = 1
  for (;;) {
    const { topic, count, bytes = 0, restart = false } = await hear()
    if (restart) next = 1
    for (let sent = 0; sent < count; sent++) {
      drained = bus.publish(topic, bytes === 0 ? next : { n: next, padding: Buffer.alloc(bytes, next) })
      next++
      if (!drained) await until(() => drained, 'the outbox is empty')
    }
    say('published')
  }
}

async function publish(child, order) {
  child.say(order)
  assert.equal(await child.hear(), 'published')
}

const span = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

/** Subscribes and keeps what comes: numbers. */
function collect(bus, topic, options) {
  const got = []
  const subscription = bus.subscribe(topic, (message) => got.push(message?.n ?? message), options)
  return {
    got,
    subscription,
    has: (count) =>
      until(
        () => got.length >= count,
        () => `${count} came, not ${got}`,
      ),
  }
}

test('replay: n gives the last n kept messages, then live ones, and nothing before it returned', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  await publish(child, { topic: 't', count: 10 })
  const three = collect(bus, 't', { replay: 3 })
  const many = collect(bus, 't', { replay: 1000 })
  const none = collect(bus, 't', { replay: 0 })
  bus.publish('t', 11)
  assert.deepEqual([three.got, many.got, none.got], [[], [], []])
  await publish(child, { topic: 't', count: 2 })
  await Promise.all([three.has(6), many.has(13), none.has(3)])
  assert.deepEqual(three.got, [8, 9, 10, 11, 11, 12])
  assert.deepEqual(many.got, [...span(1, 10), 11, 11, 12])
  assert.deepEqual(none.got, [11, 11, 12])
})

test('after: sequence gives all kept messages after that number, then live ones', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  await publish(child, { topic: 't', count: 10 })
  await publish(child, { topic: 'other', count: 10 })
  const [all, some, last, future] = [0, 7, 10, 4000].map((after) => collect(bus, 't', { after }))
  await publish(child, { topic: 't', count: 1, restart: true })
  await Promise.all([all.has(11), some.has(4), last.has(1), future.has(1)])
  assert.deepEqual(all.got, [...span(1, 10), 1])
  assert.deepEqual(some.got, [8, 9, 10, 1])
  assert.deepEqual([last.got, future.got], [[1], [1]], 'numbers there are none of yet: of an earlier life of the bus')
})

test('a topic that has no past begins live', async (t) => {
  const bus = openBus(t)
  const { got, has } = collect(bus, 'new', { after: 0 })
  bus.publish('new', 1)
  await has(1)
  assert.deepEqual(got, [1])
})

test('what is asked for and overwritten is told as a gap before the first message', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const child = run(t, publisher, name)
  await publish(child, { topic: 't', count: 100, bytes: 1000 })
  const told = []
  bus.on('gap', (gap) => told.push(gap))
  bus.subscribe('t', ({ n }, { sequence }) => told.push([n, sequence]), { after: 10 })
  assert.deepEqual(told, [], 'never inside subscribe')
  bus.publish('t', { n: 101 })
  await until(() => told.at(-1)?.[0] === 101)
  const [gap, ...messages] = told
  const first = messages[0][0]
  assert.ok(first > 11 && first < 100, `64 KiB hold some of the last, from ${first} on`)
  assert.deepEqual(gap, { topic: 't', from: 11, to: first - 1, lost: first - 11, reason: 'overwritten' })
  assert.deepEqual(
    messages,
    span(first, 101).map((n) => [n, n]),
  )
  assert.equal(bus.stats().lost, first - 11)
  assert.equal(bus.stats().gaps, 1)
})

test('with replay, who asks for more than is kept missed nothing', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const child = run(t, publisher, name)
  await publish(child, { topic: 't', count: 100, bytes: 1000 })
  bus.on('gap', (gap) => assert.fail(JSON.stringify(gap)))
  const { got, has } = collect(bus, 't', { replay: 100 })
  await has(1)
  assert.deepEqual(got, span(got[0], 100))
})

test('what is all overwritten is a gap up to the first live message', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const child = run(t, publisher, name)
  await publish(child, { topic: 't', count: 5 })
  await publish(child, { topic: 'noise', count: 200, bytes: 1000 })
  const gaps = []
  bus.on('gap', (gap) => gaps.push(gap))
  const { got, has } = collect(bus, 't', { after: 2 })
  await until(() => gaps.length === 1)
  assert.deepEqual(gaps, [{ topic: 't', from: 3, to: 5, lost: 3, reason: 'overwritten' }])
  await publish(child, { topic: 't', count: 1 })
  await has(1)
  assert.equal(got.length, 1)
})

test('numbers of a topic that the bus has forgotten are a gap, and all that is kept follows', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, topics: 2 })
  const child = run(t, publisher, name)
  await publish(child, { topic: 't', count: 5 })
  for (const topic of ['a', 'b', 'c', 'd']) await publish(child, { topic, count: 3 })
  await publish(child, { topic: 't', count: 3, restart: true })
  const told = []
  bus.on('gap', (gap) => told.push(gap))
  bus.subscribe('t', (n, { sequence }) => told.push([n, sequence]), { after: 5 })
  await until(() => told.length === 4)
  const [{ to }] = told
  assert.ok(to >= 17, 'new ones begin above every number there was')
  assert.deepEqual(told, [
    { topic: 't', from: 6, to, lost: to - 5, reason: 'forgotten' },
    [1, to + 1],
    [2, to + 2],
    [3, to + 3],
  ])
})

test('meta of the past is what it was when it was live', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  const live = []
  bus.subscribe('t', (_, meta) => live.push(meta))
  await publish(child, { topic: 't', count: 3 })
  bus.publish('t', Buffer.from('raw'), { raw: true })
  await until(() => live.length === 4)
  const past = []
  bus.subscribe('t', (message, meta) => past.push([message, meta]), { after: 0 })
  await until(() => past.length === 4)
  assert.deepEqual(
    past.map(([, meta]) => meta),
    live,
  )
  assert.deepEqual(
    past.map(([message]) => message),
    [1, 2, 3, Buffer.from('raw')],
  )
  const raw = []
  bus.subscribe('t', (bytes) => raw.push(bytes), { after: 0, raw: true })
  await until(() => raw.length === 4)
  assert.deepEqual(raw, [Buffer.from([1]), Buffer.from([2]), Buffer.from([3]), Buffer.from('raw')])
})

test('without echo the past has nothing of this thread either', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  bus.publish('t', 'mine')
  await publish(child, { topic: 't', count: 2 })
  bus.publish('t', 'mine')
  const { got, has } = collect(bus, 't', { after: 0, echo: false })
  await publish(child, { topic: 't', count: 1 })
  await has(3)
  assert.deepEqual(got, [1, 2, 3])
})

test('messages of any length come back whole, round the end of the slab too', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '2mb' })
  const child = run(t, publisher, name)
  for (const bytes of [1, 70_000, 600_000, 64, 300_000, 100, 500_000]) {
    await publish(child, { topic: 't', count: 1, bytes })
    const got = []
    bus.subscribe('t', (message) => got.push(message), { replay: 2 })
    await until(() => got.at(-1)?.padding.length === bytes)
    for (const { n, padding } of got) assert.ok(padding.equals(Buffer.alloc(padding.length, n)), `number ${n} is torn`)
    bus.unsubscribe('t')
  }
})

test('it ends in the middle of its past: by unsubscribe, once, a signal and close', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  await publish(child, { topic: 't', count: 1000 })
  const seen = { unsubscribe: [], once: [], signal: [], close: [] }
  const subscription = bus.subscribe(
    't',
    (n) => {
      seen.unsubscribe.push(n)
      if (n === 500) subscription.unsubscribe()
    },
    { after: 0 },
  )
  bus.subscribe('t', (n) => seen.once.push(n), { after: 0, once: true })
  const controller = new AbortController()
  bus.subscribe(
    't',
    (n) => {
      seen.signal.push(n)
      if (n === 300) controller.abort()
    },
    { after: 0, signal: controller.signal },
  )
  const other = openBus(t, { name })
  other.subscribe(
    't',
    (n) => {
      seen.close.push(n)
      if (n === 700) other.close()
    },
    { after: 0 },
  )
  // Never begun: it ended before its first turn.
  bus.subscribe('t', () => assert.fail('it was unsubscribed'), { after: 0 }).unsubscribe()
  const all = collect(bus, 't', { after: 0 })
  await all.has(1000)
  await until(() => seen.close.length >= 700)
  await new Promise((resolve) => setTimeout(resolve, 20))
  assert.deepEqual(seen, { unsubscribe: span(1, 500), once: [1], signal: span(1, 300), close: span(1, 700) })
})

test('a further subscription to a topic that is read begins where it was made', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  const begun = []
  bus.subscribe('t', (n) => {
    // In the middle of a batch: what is left of it is live to the first alone.
    if (n % 100 === 0) begun.push({ n, ...collect(bus, 't', { after: n - 5 }) })
  })
  await publish(child, { topic: 't', count: 1000 })
  await until(() => begun.length === 10 && begun.every(({ got }) => got.at(-1) === 1000))
  for (const { n, got } of begun) assert.deepEqual(got, span(n - 4, 1000))
})

test('listeners that throw or end the past of others leave the rest of it', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say, until }, name) => {
      const bus = require('slabcast').open({ name })
      const thrown = []
      process.on('uncaughtException', (error) => thrown.push(error.message))
      for (let n = 1; n <= 5; n++) bus.publish('t', n)
      const got = []
      bus.subscribe(
        't',
        (n) => {
          got.push(n)
          if (n % 2 === 0) throw new Error(`at ${n}`)
        },
        { after: 0 },
      )
      await until(() => got.length === 5)
      await new Promise(setImmediate)
      await say({ got, thrown })
      await bus.close()
    },
    name,
  )
  assert.deepEqual(await child.hear(), { got: [1, 2, 3, 4, 5], thrown: ['at 2', 'at 4'] })
  assert.deepEqual(await child.end(), { code: 0, signal: null })
})

test('a past in delivery keeps the process alive as its subscription does', async (t) => {
  const work = async ({ say }, name, unreferenced) => {
    const bus = require('slabcast').open({ name })
    for (let n = 1; n <= 2000; n++) bus.publish('t', n)
    let got = 0
    const subscription = bus.subscribe(
      't',
      (n) => {
        got = n
        if (n === 2000) subscription.unsubscribe()
      },
      { after: 0 },
    )
    if (unreferenced) subscription.unref()
    process.on('exit', () => say(got))
  }
  const [kept, left] = [false, true].map((unreferenced) => run(t, work, uniqueName(), unreferenced))
  assert.equal(await kept.hear(), 2000)
  assert.ok((await left.hear()) < 2000)
})

test('live messages behind a long past wait, and beyond what may wait are found in the slab', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '128mb' })
  const child = run(t, publisher, name)
  const bytes = 1 << 20
  await publish(child, { topic: 't', count: 20, bytes })
  bus.on('gap', (gap) => assert.fail(JSON.stringify(gap)))
  const { got, has } = collect(bus, 't', { after: 0 })
  // Ready in the slab before the first turn: 16 drains of a turn take in more than its delivery lets go.
  child.say({ topic: 't', count: 60, bytes })
  blockUntil(() => bus.topics().find(({ topic }) => topic === 't').sequence === 80)
  assert.equal(got.length, 0)
  await has(80)
  assert.deepEqual(got, span(1, 80))
})

test('who is cut off in its past finds what is still there, and is told of the rest', async (t) => {
  const name = uniqueName()
  const [PAST, LAST] = [600, 3000]
  const bus = openBus(t, { name, size: '256kb' })
  for (let n = 1; n <= PAST; n++) bus.publish('t', { n })
  const { file, open } = gate(t)
  const reader = run(
    t,
    async ({ say, hear }, name, gate, file, last) => {
      const { blockUntilOpen } = require(gate)
      const bus = require('slabcast').open({ name })
      const told = []
      bus.on('gap', ({ from, to, lost, reason }) => told.push({ from, to, lost, reason }))
      bus.subscribe(
        't',
        ({ n }) => {
          told.push(n)
          if (n === 1) {
            say('stuck')
            blockUntilOpen(file)
          }
          if (n === last) say(told)
        },
        { after: 0 },
      )
      await hear()
      await bus.close()
    },
    name,
    require.resolve('./support/gate'),
    file,
    LAST + 1,
  )
  assert.equal(await reader.hear(), 'stuck')
  const fast = openBus(t, { name, stallTimeout: 0 })
  for (let n = PAST + 1; n <= LAST; n++) assert.ok(fast.publish('t', { n, padding: Buffer.alloc(500) }))
  assert.equal(bus.stats().members.reading, 0, 'it was cut off')
  open()
  await until(() => bus.stats().members.reading === 1)
  fast.publish('t', { n: LAST + 1 })
  const told = await reader.hear()
  reader.say('close')
  // All of the past was copied when it subscribed; of what came since the slab has the last.
  const first = told.find((one) => one > PAST)
  assert.ok(first < LAST - 100, `from ${first} on it is still there`)
  const gap = { from: PAST + 1, to: first - 1, lost: first - 1 - PAST, reason: 'overwritten' }
  assert.deepEqual(told, [...span(1, PAST), gap, ...span(first, LAST + 1)])
})

test('messages() takes a past at the pace of its loop', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  await publish(child, { topic: 't', count: 2000 })
  bus.on('gap', (gap) => assert.fail(JSON.stringify(gap)))
  const got = []
  for await (const { message } of bus.messages('t', { after: 0, inbox: 1000 })) {
    got.push(message)
    if (message % 100 === 0) await new Promise(setImmediate)
    if (message === 2000) bus.publish('t', 2001)
    if (message === 2001) break
  }
  assert.deepEqual(got, span(1, 2001))
})

test('options of the past that cannot be are refused', (t) => {
  const bus = openBus(t)
  const refused = (options, code) =>
    assert.throws(() => bus.subscribe('t', () => {}, options), { code }, JSON.stringify(options))
  for (const option of ['replay', 'after']) {
    refused({ [option]: '1' }, 'ERR_INVALID_ARG_TYPE')
    refused({ [option]: null }, 'ERR_INVALID_ARG_TYPE')
    for (const value of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
      refused({ [option]: value }, 'ERR_OUT_OF_RANGE')
  }
  refused({ replay: 1, after: 1 }, 'ERR_INVALID_ARG_VALUE')
  assert.deepEqual(bus.topics(), [])
})

/** Blocks this thread, event loop and all. */
function blockUntil(condition) {
  const started = Date.now()
  while (!condition()) assert.ok(Date.now() - started < 60_000, 'a watchdog')
}

/** Reads a topic under load: subscribes again and again, and looks whether each begins where it said and has no hole. */
const follower = async ({ say, until }, name, count, seed) => {
  const bus = require('slabcast').open({ name })
  const gaps = new Map()
  bus.on('gap', ({ topic, from, to }) => gaps.set(topic, [from, to]))
  let state = seed
  const random = (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  const found = { past: 0, live: 0, subscriptions: 0, gaps: 0 }
  const topics = ['a', 'b']
  const latest = { a: 0, b: 0 }
  const keep = random(2) === 0 ? topics.map((topic) => bus.subscribe(topic, () => {})) : []
  for (let at = 0; at < count; at++) {
    const topic = topics[random(2)]
    const kind = random(3)
    const asked = kind === 0 ? { replay: random(50) } : { after: Math.max(0, latest[topic] - random(200)) }
    const isLong = random(10) === 0
    let expected = asked.after === undefined ? undefined : asked.after + 1
    let first
    let over = false
    let failed
    gaps.delete(topic)
    const { sequence: then = 0 } = bus.topics().find((info) => info.topic === topic) ?? {}
    let live = 0
    const subscription = bus.subscribe(
      topic,
      (n, { sequence }) => {
        if (n !== sequence) failed ??= `number ${sequence} says ${n}`
        const gap = gaps.get(topic)
        if (gap !== undefined && first === undefined && expected !== undefined) {
          if (gap[0] !== expected) failed ??= `a gap from ${gap[0]} where ${expected} was asked for`
          expected = gap[1] + 1
          found.gaps++
        }
        first ??= sequence
        if (expected !== undefined && sequence !== expected)
          failed ??= `${sequence} where ${expected} was due (${JSON.stringify(asked)})`
        if (asked.replay !== undefined && first === sequence && sequence < then - asked.replay + 1)
          failed ??= 'more than asked for'
        expected = sequence + 1
        latest[topic] = sequence
        if (sequence > then) live++
        else found.past++
        if (live >= (isLong ? 300 : 3)) over = true
      },
      asked,
    )
    await until(
      () => over || failed,
      () => `live messages of ${topic} come (${at}, ${JSON.stringify(asked)}, after ${latest[topic]})`,
    )
    subscription.unsubscribe()
    if (failed) throw new Error(`subscription ${at}: ${failed}`)
    found.live += live
    found.subscriptions++
  }
  for (const one of keep) one.unsubscribe()
  await say(found)
  await bus.close()
}

test('10,000 subscriptions under load meet no hole and no double, while the slab is reused', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '256kb' })
  const publishers = ['a', 'b'].map((topic) =>
    run(
      t,
      async ({ say }, name, topic) => {
        const bus = require('slabcast').open({ name, stallTimeout: Number.POSITIVE_INFINITY })
        let n = 0
        let flows = true
        bus.on('drain', () => {
          flows = true
        })
        const burst = () => {
          for (let count = 0; flows && count < 20; count++) flows = bus.publish(topic, ++n)
          setTimeout(burst, 1)
        }
        burst()
        say('begun')
      },
      name,
      topic,
    ),
  )
  for (const child of publishers) await child.hear()
  const COUNT = 10_000
  const followers = [1, 2].map((seed) => run(t, follower, name, COUNT / 2, seed))
  const found = await Promise.all(followers.map((child) => child.hear()))
  for (const one of found) assert.equal(one.failed, undefined, one.failed)
  const sum = (what) => found.reduce((total, one) => total + one[what], 0)
  assert.equal(sum('subscriptions'), COUNT)
  assert.ok(sum('past') > COUNT && sum('live') > COUNT, JSON.stringify(found))
  assert.ok(bus.stats().position > 0)
  t.diagnostic(`${sum('past')} of the past, ${sum('live')} live, ${sum('gaps')} gaps`)
})

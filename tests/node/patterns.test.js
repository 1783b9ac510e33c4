'use strict'

// psubscribe() and topics(pattern): which topics, which messages of them, and what is told. What a pattern means is held to
// Redis in globs.test.js.

const test = require('node:test')
const assert = require('node:assert/strict')
const { once } = require('node:events')
const { openBus, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run, runWith } = require('./support/process')
const { until } = require('./support/wait')

/** Publishes what it is told, `[topic, message]` after `[topic, message]`, and says how often `publish` was false. */
const publisher = async ({ say, hear }, name) => {
  const bus = require('slabcast').open({ name })
  for (;;) {
    const messages = await hear()
    const refused = messages.filter(([topic, message]) => !bus.publish(topic, message)).length
    await say(refused)
  }
}

async function publish(child, ...messages) {
  child.say(messages)
  assert.equal(await child.hear(), 0)
}

const came = (got, count) =>
  until(
    () => got.length >= count,
    () => `${count} messages: ${JSON.stringify(got)}`,
  )

test('psubscribe(pattern, listener) hears every topic it matches, those there are and those that appear', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  await publish(child, ['room:1', 'before'], ['hall', 'before'])
  const got = []
  const subscription = bus.psubscribe('room:*', (message, meta) => got.push({ message, ...meta }))
  assert.equal(subscription.pattern, 'room:*')
  assert.equal(subscription.topic, undefined)
  await publish(
    child,
    ['room:1', 'known'],
    ['hall', 'another'],
    ['room:2', 'new'],
    ['room:2', 'again'],
    ['Room:1', 'case'],
  )
  await came(got, 3)
  const facts = got.map(({ message, topic, sequence, position, pattern }) => [
    message,
    topic,
    sequence,
    position,
    pattern,
  ])
  assert.deepEqual(facts, [
    ['known', 'room:1', 2, 2, 'room:*'],
    ['new', 'room:2', 1, 4, 'room:*'],
    ['again', 'room:2', 2, 5, 'room:*'],
  ])
  assert.equal(got[0].publisher.pid, child.pid)
})

test('each matching subscription is called once: those by name, without a pattern, then by pattern', async (t) => {
  const bus = openBus(t)
  const calls = []
  const hear = (who) => (message, meta) => calls.push([who, message, 'pattern' in meta ? meta.pattern : 'none'])
  bus.psubscribe('a*', hear(1))
  bus.psubscribe('*b', hear(2))
  bus.subscribe('a-b', hear(3))
  bus.psubscribe('a*', hear(4))
  bus.subscribe('a-b', hear(5))
  for (const topic of ['a-b', 'a-c', 'c-b', 'c']) bus.publish(topic, topic)
  await came(calls, 8)
  assert.deepEqual(calls, [
    [3, 'a-b', 'none'],
    [5, 'a-b', 'none'],
    [1, 'a-b', 'a*'],
    [2, 'a-b', '*b'],
    [4, 'a-b', 'a*'],
    [1, 'a-c', 'a*'],
    [4, 'a-c', 'a*'],
    [2, 'c-b', '*b'],
  ])
})

test('a plain subscribe never treats a topic as a pattern, nor does publish', async (t) => {
  const bus = openBus(t)
  const got = []
  bus.subscribe('a*', (message, { topic }) => got.push([topic, message]))
  bus.psubscribe('\\a\\*', (message, { topic }) => got.push([topic, message]))
  bus.publish('ab', 1)
  bus.publish('a*', 2)
  await came(got, 2)
  assert.deepEqual(got, [
    ['a*', 2],
    ['a*', 2],
  ])
})

test('of a topic that appears nothing is passed, whoever makes it and whenever: without a tick', async (t) => {
  const name = uniqueName()
  const [topics, publishers] = [1000, 3]
  const heard = runWith(
    t,
    { execArgv: ['--require', require.resolve('./support/lingerless')] },
    async ({ say, until }, name, expected) => {
      const bus = require('slabcast').open({ name, topics: 8192, size: '4mb' })
      let count = 0
      const last = new Map()
      bus.psubscribe('topic:*', (message, { topic, sequence }) => {
        const before = last.get(topic) ?? 0
        if (sequence !== before + 1 || message !== sequence) throw new Error(`${sequence} of ${topic} after ${before}`)
        last.set(topic, sequence)
        count++
      })
      await say('subscribed')
      await until(
        () => count === expected,
        () => `${count} of ${expected}`,
      )
      await say(last.size)
      await bus.close()
    },
    name,
    topics * publishers * 2,
  )
  assert.equal(await heard.hear(), 'subscribed')
  const children = Array.from({ length: publishers }, (_, who) =>
    run(
      t,
      async ({ say }, name, who, topics) => {
        const bus = require('slabcast').open({ name })
        for (let at = 0; at < topics; at++) {
          bus.publish(`topic:${who}:${at}`, 1)
          // The owner sleeps, wakes or is on its way to sleep.
          if (at % 3 === 0) await new Promise((resolve) => setTimeout(resolve, at % 2))
          bus.publish(`topic:${who}:${at}`, 2)
        }
        await say('published')
        await bus.close()
      },
      name,
      who,
      topics,
    ),
  )
  for (const child of children) assert.equal(await child.hear(), 'published')
  assert.equal(await heard.hear(), topics * publishers)
})

test('more topics appear while it is busy than the log of new ones holds', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, topics: 4096 })
  const got = []
  bus.psubscribe('*:x', (_, { topic }) => got.push(topic))
  const child = run(t, publisher, name)
  const topics = Array.from({ length: 1500 }, (_, at) => `${at}:${at % 2 === 0 ? 'x' : 'y'}`)
  child.say(topics.map((topic) => [topic, 1]))
  await child.hear()
  await came(got, 750)
  assert.deepEqual(
    got,
    topics.filter((topic) => topic.endsWith('x')),
  )
})

test('echo, once, raw and signal are what they are for subscribe', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  const got = []
  const controller = new AbortController()
  bus.psubscribe('t*', (message) => got.push(['no echo', message]), { echo: false })
  bus.psubscribe('t*', (message) => got.push(['once', message]), { once: true })
  bus.psubscribe('t*', (message) => got.push(['raw', bus.decode(message)]), { raw: true })
  bus.psubscribe('t*', (message) => got.push(['signal', message]), { signal: controller.signal })
  await publish(child, ['t1', 1])
  await came(got, 4)
  controller.abort()
  bus.publish('t2', 2)
  await publish(child, ['t3', 3])
  await came(got, 7)
  assert.deepEqual(got, [
    ['no echo', 1],
    ['once', 1],
    ['raw', 1],
    ['signal', 1],
    ['raw', 2],
    ['no echo', 3],
    ['raw', 3],
  ])
  assert.throws(() => bus.psubscribe('t*', () => {}, { signal: AbortSignal.abort() }), { name: 'AbortError' })
})

test('what is for one topic, and what is no pattern, is refused', (t) => {
  const bus = openBus(t)
  for (const options of [{ replay: 1 }, { after: 1 }, { durable: 'd' }, { group: 'g' }]) {
    assert.throws(() => bus.psubscribe('t*', () => {}, options), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_VALUE',
      message: /use subscribe/,
    })
  }
  for (const call of [(pattern) => bus.psubscribe(pattern, () => {}), (pattern) => bus.topics(pattern)]) {
    for (const pattern of [7, null, /a/]) {
      assert.throws(() => call(pattern), { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message: /"pattern"/ })
    }
    for (const pattern of ['', 'a\0*', '\ud800*', 'x'.repeat(1025), 'é'.repeat(513)]) {
      assert.throws(() => call(pattern), { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', message: /"pattern"/ })
    }
    call('x'.repeat(1024))
    call('[')
  }
  assert.throws(() => bus.psubscribe('t*'), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => bus.psubscribe('t*', () => {}, { once: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('after unsubscribe() no call comes, and nobody is woken for what nothing wants any more', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  const got = []
  const hear = (who) => (message) => got.push([who, message])
  const all = bus.psubscribe('*', hear('all'))
  const some = bus.psubscribe('a*', hear('some'))
  const named = bus.subscribe('a1', hear('named'))
  const subscribers = () => Object.fromEntries(bus.topics().map(({ topic, subscribers }) => [topic, subscribers]))
  await publish(child, ['a1', 1], ['b1', 1])
  await came(got, 4)
  assert.deepEqual(subscribers(), { a1: 1, b1: 1 })
  bus.publish('a1', 2)
  bus.publish('b1', 2)
  all.unsubscribe()
  assert.deepEqual(subscribers(), { a1: 1, b1: 0 })
  await came(got, 6)
  assert.deepEqual(got.slice(4), [
    ['named', 2],
    ['some', 2],
  ])
  named.unsubscribe()
  assert.deepEqual(subscribers(), { a1: 1, b1: 0 })
  await publish(child, ['a1', 3], ['a2', 3])
  await came(got, 8)
  assert.deepEqual(got.slice(6), [
    ['some', 3],
    ['some', 3],
  ])
  some.unsubscribe()
  some.unsubscribe()
  await publish(child, ['a1', 4], ['a3', 4])
  assert.deepEqual(subscribers(), { a1: 0, b1: 0, a2: 0, a3: 0 })
  assert.equal(bus.stats().members.reading, 0, 'it holds nobody back')
  // Still one by name after a pattern was there.
  bus.subscribe('a1', hear('again'))
  await publish(child, ['a1', 5])
  await came(got, 9)
  assert.deepEqual(got.slice(8), [['again', 5]])
})

test('a listener that subscribes by a pattern hears what comes after, and once', async (t) => {
  const bus = openBus(t)
  const got = []
  bus.subscribe('a', (message) => {
    got.push(['name', message])
    if (message === 1) bus.psubscribe('?', (later, { sequence }) => got.push(['pattern', later, sequence]))
    if (message === 1) bus.publish('a', 3)
  })
  bus.publish('a', 1)
  bus.publish('a', 2)
  await came(got, 4)
  assert.deepEqual(got, [
    ['name', 1],
    ['name', 2],
    ['name', 3],
    ['pattern', 3, 3],
  ])
})

test('a subscription by a pattern keeps the process alive until it ends', async (t) => {
  const name = uniqueName()
  const work = ({ say }, name, act) => {
    const bus = require('slabcast').open({ name })
    const subscription = bus.psubscribe('*', () => {})
    say('subscribed')
    if (act === 'hold') setTimeout(() => say('held') && subscription.unsubscribe(), 50).unref()
    else subscription[act]()
  }
  for (const act of ['unsubscribe', 'unref', 'hold']) {
    const child = run(t, work, name, act)
    assert.equal(await child.hear(), 'subscribed')
    if (act === 'hold') assert.equal(await child.hear(), 'held')
    assert.deepEqual(await child.end(), { code: 0, signal: null })
  }
})

test("topics(pattern) tells of those a pattern matches; patterns count for no 'interest', and die with their member", async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const interests = []
  bus.on('interest', ({ topic, active }) => interests.push([topic, active]))
  const child = run(
    t,
    ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      bus.psubscribe('room:*', () => {})
      say('subscribed')
    },
    name,
  )
  await child.hear()
  for (const topic of ['room:1', 'room:2', 'hall']) bus.publish(topic, 1)
  const names = (pattern) =>
    bus
      .topics(pattern)
      .map(({ topic }) => topic)
      .sort()
  assert.deepEqual(names('room:[2-9]'), ['room:2'])
  assert.deepEqual(names('*'), ['hall', 'room:1', 'room:2'])
  assert.deepEqual(names('none*'), [])
  await until(() => bus.topics('room:*').every(({ subscribers }) => subscribers === 1), 'the owner has met both')
  await child.kill()
  await until(() => bus.topics('room:*').every(({ subscribers }) => subscribers === 0), 'it is buried')
  bus.subscribe('hall', () => {})
  await until(() => interests.length > 0, 'interest in a topic by its name')
  assert.deepEqual(interests, [['hall', true]])
})

test('what was missed is told to patterns for each topic they match, also for those that appeared meanwhile', async (t) => {
  const name = uniqueName()
  const shut = gate(t)
  const bus = openBus(t, { name, size: '64kb', stallTimeout: 50 })
  const child = run(
    t,
    async ({ say, hear, until }, name, file) => {
      const { blockUntilOpen, readsOn } = require('./gate')
      const bus = require('slabcast').open({ name })
      const next = {}
      const gaps = {}
      bus.on('gap', ({ topic, from, to, lost, reason }) => {
        if (!topic.startsWith('room')) return
        if (from !== (next[topic] ?? 1) || lost !== to - from + 1 || reason !== 'stalled')
          throw new Error(`${topic} ${from}`)
        gaps[topic] = lost
        next[topic] = to + 1
      })
      const listen = (message, { topic, sequence }) => {
        if (sequence !== (next[topic] ?? 1)) throw new Error(`${sequence} of ${topic} instead of ${next[topic]}`)
        next[topic] = sequence + 1
        if (message === 'last') next.last = true
      }
      bus.psubscribe('room:*', listen)
      const isReadingOn = readsOn(bus)
      await say('subscribed')
      await hear()
      await until(() => next['room:1'] > 1)
      await say('stuck')
      blockUntilOpen(file)
      await isReadingOn()
      await say('free')
      await until(() => next.last)
      await say({ next, gaps })
      await bus.close()
    },
    name,
    shut.file,
  )
  assert.equal(await child.hear(), 'subscribed')
  bus.publish('room:1', 'first')
  child.say('get stuck')
  assert.equal(await child.hear(), 'stuck')
  const sent = { 'room:1': 1 }
  for (let at = 0; bus.stats().cutOffs === 0; at++) {
    const topic = ['room:1', 'room:2', `other:${at % 5}`][at % 3]
    sent[topic] = (sent[topic] ?? 0) + 1
    if (!bus.publish(topic, 'x'.repeat(200))) await once(bus, 'drain')
  }
  shut.open()
  assert.equal(await child.hear(), 'free')
  bus.publish('room:1', 'more')
  bus.publish('room:2', 'last')
  const { next, gaps } = await child.hear()
  assert.deepEqual([next['room:1'], next['room:2']], [sent['room:1'] + 2, sent['room:2'] + 2])
  assert.ok(gaps['room:1'] > 0 && gaps['room:2'] > 0, JSON.stringify(gaps))
})

test('one that subscribes by a pattern while it is behind is told of no gap from before', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, publisher, name)
  const [named, matched] = [[], []]
  bus.subscribe('t', (message) => named.push(message))
  // Behind: this thread does not return to its loop in between.
  bus.publish('t', 1)
  bus.psubscribe('t', (message) => matched.push(message))
  bus.publish('t', 2)
  await publish(child, ['t', 3])
  await came(named, 3)
  assert.deepEqual(
    [named, matched],
    [
      [1, 2, 3],
      [2, 3],
    ],
  )
})

test('a topic that only patterns match may lose its place, but not before they have read it', async (t) => {
  const name = uniqueName()
  const shut = gate(t)
  const bus = openBus(t, { name, topics: 32, size: '1mb' })
  const child = run(
    t,
    async ({ say, hear, until }, name, file, total) => {
      const { blockUntilOpen } = require('./gate')
      const bus = require('slabcast').open({ name })
      const wrong = []
      let count = 0
      for (const pattern of ['even:*', 'odd:*', '*:*']) {
        bus.psubscribe(pattern, (message, { topic }) => {
          count++
          if (message !== topic) wrong.push([message, topic])
        })
      }
      await say('subscribed')
      await hear()
      blockUntilOpen(file)
      await until(
        () => count === 2 * total,
        () => `${count} of ${2 * total}`,
      )
      await say(wrong)
      await bus.close()
    },
    name,
    shut.file,
    400,
  )
  assert.equal(await child.hear(), 'subscribed')
  child.say('block')
  let refused = 0
  for (let at = 0; at < 400; at++) {
    const topic = `${at % 2 === 0 ? 'even' : 'odd'}:${at}`
    // The table is full of what the blocked one has not read: later.
    if (!bus.publish(topic, topic)) refused++
    if (at === 200) shut.open()
  }
  assert.ok(refused > 0, 'no place is given away under the blocked one')
  assert.deepEqual(await child.hear(), [])
})

test('with a full table a thread with patterns is not stuck on what it has not read itself', async (t) => {
  const bus = openBus(t, { topics: 4 })
  const got = []
  bus.psubscribe('*', (message, { topic }) => got.push([topic, message]))
  const sent = []
  for (let at = 0; at < 12; at++) {
    sent.push([`t${at}`, at])
    bus.publish(`t${at}`, at)
  }
  // At once, not after the time one waits for others.
  assert.throws(() => bus.subscribe('new', () => {}), { code: 'ERR_TOO_MANY_TOPICS', capacity: 4 })
  await came(got, 12)
  assert.deepEqual(got, sent)
  bus.subscribe('new', () => {}).unsubscribe()
})

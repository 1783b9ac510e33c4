'use strict'

// Readers that stand still: who is cut off, who never is, and that what was missed is told with exact numbers.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { once } = require('node:events')
const { openBus, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run } = require('./support/process')
const { until } = require('./support/wait')

const SMALL = { size: '64kb', stallTimeout: 50 }

/**
 * In a child: reads `topics` and says so. For each gate it is told a topic of which it must have read something first (or
 * ''), says that it is stuck, blocks its event loop until the gate is open, and says so when it reads on. Told to end, it
 * says everything it got, in order: { topic, sequence, message } and { gap }.
 */
async function stuckReader({ say, hear, until }, name, topics, gates, { unref = false } = {}) {
  const { blockUntilOpen, readsOn } = require('./gate')
  const bus = require('slabcast').open({ name })
  const got = []
  bus.on('gap', (gap) => got.push({ gap }))
  for (const topic of topics) {
    const subscription = bus.subscribe(topic, (message, { sequence }) => got.push({ topic, sequence, message }))
    if (unref) subscription.unref()
  }
  const isReadingOn = readsOn(bus)
  await say('subscribed')
  for (const gate of gates) {
    const first = await hear()
    await until(() => first === '' || got.some(({ topic }) => topic === first))
    await say('stuck')
    blockUntilOpen(gate)
    await isReadingOn()
    await say('free')
  }
  const last = await hear()
  await until(() => topics.every((topic) => got.some((at) => at.topic === topic && at.message === last)))
  await say(got)
  await bus.close()
}

/** Publishes `text` and the number of each message, until `full()`; the numbers published, by topic. */
async function publish(bus, topics, numbers, full) {
  for (let at = 0; !full(); at++) {
    const topic = topics[at % topics.length]
    numbers[topic] = (numbers[topic] ?? 0) + 1
    if (!bus.publish(topic, { number: numbers[topic], text: 'x'.repeat(200) })) await once(bus, 'drain')
  }
}

/** Asserts that a topic's messages and gaps are every number from 1 to `last`, once; returns its gaps. */
function assertComplete(got, topic, last) {
  let next = 1
  const gaps = []
  for (const { gap, ...message } of got) {
    if (gap?.topic === topic) {
      assert.deepStrictEqual(Object.keys(gap), ['topic', 'from', 'to', 'lost', 'reason'])
      assert.strictEqual(gap.reason, 'stalled')
      assert.strictEqual(gap.from, next, 'a gap begins after the last message read')
      assert.strictEqual(gap.lost, gap.to - gap.from + 1)
      assert.ok(gap.lost > 0)
      next = gap.to + 1
      gaps.push(gap)
    } else if (message.topic === topic) {
      assert.strictEqual(message.sequence, next, `message ${message.sequence} of ${topic} instead of ${next}`)
      if (message.message !== 'end') assert.strictEqual(message.message.number, next)
      next++
    }
  }
  assert.strictEqual(next - 1, last, `the last of ${topic}`)
  return gaps
}

test('a stuck reader is cut off after stallTimeout and gets exact gaps, then live messages that continue exactly', async (t) => {
  const name = uniqueName()
  const gates = [gate(t), gate(t)]
  const topics = ['a', 'b', 'quiet']
  const bus = openBus(t, { name, ...SMALL })
  const reader = run(
    t,
    stuckReader,
    name,
    topics,
    gates.map(({ file }) => file),
  )
  await reader.hear()
  const numbers = { quiet: 1 }
  bus.publish('quiet', { number: 1 })
  for (const { open } of gates) {
    // Some that it reads before it gets stuck, or not: as it comes.
    let before = 0
    await publish(bus, ['a', 'b'], numbers, () => ++before > 20)
    reader.say('quiet')
    assert.strictEqual(await reader.hear(), 'stuck')
    // Four slabs full go by: only by cutting it off.
    let some = 0
    await publish(bus, ['a', 'b', 'b'], numbers, () => ++some > 1000)
    open()
    assert.strictEqual(await reader.hear(), 'free')
    let after = 0
    await publish(bus, ['a', 'b'], numbers, () => ++after > 20)
  }
  for (const topic of topics) {
    bus.publish(topic, 'end')
    numbers[topic]++
  }
  reader.say('end')
  const got = await reader.hear()
  for (const topic of ['a', 'b']) {
    const gaps = assertComplete(got, topic, numbers[topic])
    assert.ok(gaps.length >= 2, `both times something of ${topic} was missed: ${JSON.stringify(gaps)}`)
  }
  assert.deepStrictEqual(assertComplete(got, 'quiet', 2), [], 'nothing of a topic in which nothing was missed')
})

test('while one is stuck the others lose nothing', async (t) => {
  const name = uniqueName()
  const { file, open } = gate(t)
  const bus = openBus(t, { name, size: '64kb', stallTimeout: 2000 })
  const [stuck, lively] = [run(t, stuckReader, name, ['a'], [file]), run(t, stuckReader, name, ['a'], [])]
  const own = []
  bus.subscribe('a', (message, { sequence }) => own.push({ topic: 'a', sequence, message }))
  bus.on('gap', (gap) => own.push({ gap }))
  await Promise.all([stuck.hear(), lively.hear()])
  stuck.say('')
  await stuck.hear()
  const numbers = {}
  let some = 0
  await publish(bus, ['a'], numbers, () => ++some > 1000)
  bus.publish('a', 'end')
  lively.say('end')
  assert.deepStrictEqual(assertComplete(await lively.hear(), 'a', numbers.a + 1), [])
  await until(() => own.at(-1)?.message === 'end')
  assert.deepStrictEqual(assertComplete(own, 'a', numbers.a + 1), [])
  open()
  await stuck.hear()
  // Cut off before: it joins again behind the end, and is told.
  bus.publish('a', 'end')
  stuck.say('end')
  assert.strictEqual(assertComplete(await stuck.hear(), 'a', numbers.a + 2).length, 1)
})

test('stallTimeout 0 never waits: a stuck reader is cut off at once, inside publish', async (t) => {
  const name = uniqueName()
  const { file, open } = gate(t)
  const bus = openBus(t, { name, size: '64kb', stallTimeout: 0 })
  const reader = run(t, stuckReader, name, ['a'], [file])
  await reader.hear()
  reader.say('')
  await reader.hear()
  for (let number = 1; number <= 5000; number++) assert.strictEqual(bus.publish('a', { number }), true)
  open()
  await reader.hear()
  bus.publish('a', 'end')
  reader.say('end')
  const gaps = assertComplete(await reader.hear(), 'a', 5001)
  assert.deepStrictEqual(gaps, [{ topic: 'a', from: 1, to: 5000, lost: 5000, reason: 'stalled' }])
})

test('stallTimeout Infinity never cuts: when the reader goes on it has everything', async (t) => {
  const [patient, impatient] = [uniqueName(), uniqueName()]
  const { file, open } = gate(t)
  const bus = openBus(t, { name: patient, size: '64kb', stallTimeout: Number.POSITIVE_INFINITY })
  const reader = run(t, stuckReader, patient, ['a'], [file])
  await reader.hear()
  reader.say('')
  await reader.hear()
  let number = 0
  let drained = false
  bus.on('drain', () => {
    drained = true
  })
  while (bus.publish('a', { number: ++number }));

  // A clock: meanwhile another bus cuts off its stuck readers, one after the other.
  const other = openBus(t, { name: impatient, ...SMALL })
  for (let round = 0; round < 3; round++) {
    const { file: never } = gate(t)
    const stuck = run(t, stuckReader, impatient, ['a'], [never])
    await stuck.hear()
    stuck.say('')
    await stuck.hear()
    let some = 0
    await publish(other, ['a'], {}, () => ++some > 600)
  }
  assert.strictEqual(drained, false)
  open()
  await reader.hear()
  await until(() => drained)
  bus.publish('a', 'end')
  reader.say('end')
  assert.deepStrictEqual(assertComplete(await reader.hear(), 'a', number + 1), [])
})

test('a stuck reader that holds nobody back is never cut, unref’d or not', async (t) => {
  const [name, clock] = [uniqueName(), uniqueName()]
  const { file, open } = gate(t)
  const bus = openBus(t, { name, ...SMALL })
  const readers = [false, true].map((unref) => run(t, stuckReader, name, ['a'], [file], { unref }))
  for (const reader of readers) {
    await reader.hear()
    reader.say('')
    await reader.hear()
  }
  for (let number = 1; number <= 50; number++) assert.strictEqual(bus.publish('a', { number }), true)
  // Meanwhile on another bus one that does hold others back is cut off.
  const other = openBus(t, { name: clock, ...SMALL })
  const stuck = run(t, stuckReader, clock, ['a'], [gate(t).file])
  await stuck.hear()
  stuck.say('')
  await stuck.hear()
  let some = 0
  await publish(other, ['a'], {}, () => ++some > 600)
  open()
  for (const reader of readers) assert.strictEqual(await reader.hear(), 'free')
  bus.publish('a', 'end')
  for (const reader of readers) {
    reader.say('end')
    assert.deepStrictEqual(assertComplete(await reader.hear(), 'a', 51), [])
  }
})

test('a reader asleep on a quiet topic is no obstacle: it is woken to let others pass, and not cut', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb', stallTimeout: Number.POSITIVE_INFINITY })
  const reader = run(t, stuckReader, name, ['quiet'], [])
  await reader.hear()
  for (let number = 0; number < 20_000; number++) if (!bus.publish('noise', number)) await once(bus, 'drain')
  bus.publish('quiet', 'end')
  reader.say('end')
  assert.deepStrictEqual(await reader.hear(), [{ topic: 'quiet', sequence: 1, message: 'end' }])
})

test('a subscription made after being cut off, before it was noticed, loses nothing silently', async (t) => {
  const name = uniqueName()
  const [first, second] = [gate(t), gate(t)]
  const bus = openBus(t, { name, ...SMALL })
  const reader = run(
    t,
    async ({ say, hear, until }, name, first, second) => {
      const { blockUntilOpen, readsOn } = require('./gate')
      const bus = require('slabcast').open({ name })
      const isReadingOn = readsOn(bus)
      const got = []
      const take = (topic) => bus.subscribe(topic, (message, { sequence }) => got.push({ topic, sequence, message }))
      bus.on('gap', (gap) => got.push({ gap }))
      take('a')
      await say('subscribed')
      await hear()
      await say('stuck')
      blockUntilOpen(first)
      take('late')
      require('node:fs').writeFileSync(`${first}.subscribed`, '')
      blockUntilOpen(second)
      await isReadingOn()
      await say('free')
      await hear()
      await until(() => got.at(-1)?.message === 'end')
      await say(got)
      await bus.close()
    },
    name,
    first.file,
    second.file,
  )
  await reader.hear()
  reader.say('')
  await reader.hear()
  const numbers = {}
  let some = 0
  await publish(bus, ['a', 'late'], numbers, () => ++some > 1000)
  first.open()
  await until(() => fs.existsSync(`${first.file}.subscribed`))
  const before = numbers.late
  for (let number = 1; number <= 5; number++) bus.publish('late', { number: before + number })
  second.open()
  await reader.hear()
  bus.publish('late', { number: before + 6 })
  bus.publish('a', 'end')
  reader.say('end')
  const got = await reader.hear()
  assertComplete(got, 'a', numbers.a + 1)
  // From its subscription on: nothing from before, everything after, as a message or in a gap.
  let next = before + 1
  for (const { gap, topic, sequence } of got) {
    if (gap?.topic === 'late') {
      assert.strictEqual(gap.from, next)
      next = gap.to + 1
    } else if (topic === 'late') assert.strictEqual(sequence, next++)
  }
  assert.strictEqual(next, before + 7)
})

test('each handle is told the gaps of the topics it listens to; without a listener it is a process warning', async (t) => {
  const name = uniqueName()
  const { file, open } = gate(t)
  const bus = openBus(t, { name, ...SMALL })
  const reader = run(
    t,
    async ({ say, hear, until }, name, gateFile) => {
      const { blockUntilOpen } = require('./gate')
      const { open } = require('slabcast')
      const warnings = []
      process.on('warning', ({ name, code, message }) => warnings.push({ name, code, message }))
      const gaps = []
      const handles = ['a', 'b', 'a'].map((topic, at) => {
        const bus = open({ name })
        bus.subscribe(topic, () => {})
        // The last one has no listener for gaps.
        if (at < 2) bus.on('gap', (gap) => gaps.push([at, gap.topic, gap.from, gap.lost]))
        return bus
      })
      handles[0].on('gap', () => {
        throw new Error('of a gap listener')
      })
      const uncaught = []
      process.on('uncaughtException', ({ message }) => uncaught.push(message))
      await say('subscribed')
      await hear()
      await say('stuck')
      blockUntilOpen(gateFile)
      await until(() => gaps.length === 2 && warnings.length > 0 && uncaught.length > 0)
      await say({ gaps, warnings, uncaught })
      for (const bus of handles) await bus.close()
    },
    name,
    file,
  )
  await reader.hear()
  reader.say('')
  await reader.hear()
  const numbers = {}
  let some = 0
  await publish(bus, ['a', 'b'], numbers, () => ++some > 1000)
  open()
  const { gaps, warnings, uncaught } = await reader.hear()
  assert.deepStrictEqual(gaps.sort(), [
    [0, 'a', 1, numbers.a],
    [1, 'b', 1, numbers.b],
  ])
  assert.strictEqual(warnings.length, 1)
  assert.strictEqual(warnings[0].name, 'SlabcastWarning')
  assert.strictEqual(warnings[0].code, 'SLABCAST_GAP')
  assert.match(warnings[0].message, new RegExp(`${numbers.a} messages of "a"`))
  assert.deepStrictEqual(uncaught, ['of a gap listener'])
})

test('a reader that was cut off goes on publishing and reading', async (t) => {
  const name = uniqueName()
  const { file, open } = gate(t)
  const bus = openBus(t, { name, ...SMALL })
  const child = run(
    t,
    async ({ say, hear }, name, gateFile) => {
      const bus = require('slabcast').open({ name })
      bus.on('gap', () => {})
      bus.subscribe('a', (message) => bus.publish('answers', message))
      await say('subscribed')
      await hear()
      await say('stuck')
      require('./gate').blockUntilOpen(gateFile)
      await say('free')
    },
    name,
    file,
  )
  await child.hear()
  child.say('')
  await child.hear()
  let some = 0
  await publish(bus, ['a'], {}, () => ++some > 1000)
  open()
  await child.hear()
  const answers = []
  bus.subscribe('answers', (message) => answers.push(message))
  let asked = 0
  await until(() => {
    if (answers.length === 0) bus.publish('a', `question ${asked++}`)
    return answers.length > 0
  })
  const [first] = answers
  await until(() => answers.length === asked - Number(String(first).split(' ')[1]))
})

test('of a gap that began before it, a further subscription is told its own part', async (t) => {
  const name = uniqueName()
  const [behind, cutOff, further] = [gate(t), gate(t), gate(t)]
  const bus = openBus(t, { name, ...SMALL })
  const reader = run(
    t,
    async ({ say, hear, until }, name, [behind, cutOff, further]) => {
      const { blockUntilOpen } = require('./gate')
      const { open } = require('slabcast')
      const [first, second] = [open({ name }), open({ name })]
      const got = []
      const listen = (at, bus) => bus.subscribe('a', (_, { sequence }) => got.push([at, sequence]))
      for (const [at, bus] of [first, second].entries()) {
        bus.on('gap', ({ from, to, lost }) => got.push([at, from, to, lost]))
      }
      listen('first', first)
      await say('subscribed')
      await hear()
      await say('stuck')
      blockUntilOpen(behind)
      listen('second', second)
      // By a file: what is said leaves only in a later turn.
      require('node:fs').writeFileSync(further, '')
      blockUntilOpen(cutOff)
      await until(() => got.some(([at]) => at === 1))
      await say('told')
      await until(() => got.some(([at]) => at === 'second'))
      await say(got)
      for (const bus of [first, second]) await bus.close()
    },
    name,
    [behind.file, cutOff.file, further.file],
  )
  await reader.hear()
  reader.say('')
  await reader.hear()
  for (let number = 1; number <= 20; number++) bus.publish('a', number)
  behind.open()
  await until(() => fs.existsSync(further.file))
  const numbers = {}
  let some = 0
  await publish(bus, ['a'], numbers, () => ++some > 1000)
  cutOff.open()
  assert.strictEqual(await reader.hear(), 'told')
  bus.publish('a', 'end')
  const last = numbers.a + 20
  assert.deepStrictEqual(await reader.hear(), [
    [0, 1, last, last],
    [1, 21, last, last - 20],
    ['first', last + 1],
    ['second', last + 1],
  ])
})

test('who subscribed after a gap is not told of it, though it is told later', async (t) => {
  const name = uniqueName()
  const { file, open } = gate(t)
  const bus = openBus(t, { name, ...SMALL })
  const topics = ['kept', 'left', 'renewed', 'renewed by a listener']
  const reader = run(
    t,
    async ({ say, hear, until }, name, topics, gateFile) => {
      const { open } = require('slabcast')
      const [first, second] = [open({ name }), open({ name })]
      const gaps = []
      const ends = []
      const listen = (bus, topic) => bus.subscribe(topic, (message) => message === 'end' && ends.push(topic))
      const subscriptions = topics.map((topic) => listen(first, topic))
      const renew = (at) => {
        subscriptions[at].unsubscribe()
        listen(first, topics[at])
      }
      first.on('gap', ({ topic }) => {
        gaps.push(['first', topic])
        if (topic === 'kept') renew(3)
      })
      second.on('gap', ({ topic }) => gaps.push(['second', topic]))
      await say('subscribed')
      await hear()
      await say('stuck')
      require('./gate').blockUntilOpen(gateFile)
      // Here it is noticed that this thread was cut off; the gaps are told in a later turn.
      listen(first, 'new')
      listen(second, 'kept')
      listen(second, 'left')
      subscriptions[1].unsubscribe()
      renew(2)
      await until(() => gaps.length > 0)
      await say('told')
      await until(() => ends.length === topics.length + 1)
      await say({ gaps, ends: ends.sort() })
      for (const bus of [first, second]) await bus.close()
    },
    name,
    topics,
    file,
  )
  await reader.hear()
  reader.say('')
  await reader.hear()
  let some = 0
  await publish(bus, topics, {}, () => ++some > 1000)
  open()
  assert.strictEqual(await reader.hear(), 'told')
  for (const topic of topics) bus.publish(topic, 'end')
  const { gaps, ends } = await reader.hear()
  assert.deepStrictEqual(gaps, [['first', 'kept']])
  assert.deepStrictEqual(ends, ['kept', 'kept', 'left', 'renewed', 'renewed by a listener'])
})

'use strict'

// Readers that stand still, and publishers: what stallTimeout 0 and Infinity mean, who is never blamed, and that nobody's
// memory grows meanwhile.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { actors, busName, isolate, later, scratch, until } = require('./support')

isolate()

const SIZE = 64 * 1024
const MiB = 2 ** 20
/** What a process may grow by: less than what goes by, several times what it may hold. */
const BOUND = 40 * MiB

const open = (one, options) =>
  one.run(({ ipc, state }, given) => {
    state.bus = ipc.open(given)
    state.stats = () => state.bus.stats()
    // Per topic: the next number expected, gaps, and what is wrong.
    state.topics = {}
    const topicOf = (name) => (state.topics[name] ??= { next: 1, messages: 0, gaps: [], faults: [] })
    state.bus.on('gap', (gap) => {
      const topic = topicOf(gap.topic)
      if (gap.from !== topic.next || gap.lost !== gap.to - gap.from + 1 || gap.lost < 1 || gap.reason !== 'stalled')
        topic.faults.push(gap)
      topic.gaps.push(gap)
      topic.next = gap.to + 1
    })
    state.listen = (name) =>
      state.bus.subscribe(name, ({ n }, { sequence }) => {
        const topic = topicOf(name)
        if (sequence !== topic.next || n !== topic.next) topic.faults.push({ n, sequence, expected: topic.next })
        topic.messages++
        topic.next = sequence + 1
      })
    state.sent = {}
    state.text = 'x'.repeat(1000)
    state.next = (name) => {
      const n = (state.sent[name] ?? 0) + 1
      const isIn = state.bus.publish(name, { n, text: state.text })
      state.sent[name] = n
      return isIn
    }
    state.publish = async (count, ...names) => {
      for (let at = 0; at < count; at++) {
        if (!state.next(names[at % names.length])) await new Promise((resolve) => state.bus.once('drain', resolve))
      }
    }
  }, options)

const topicOf = (one, name) => one.run(({ state }, each) => state.topics[each], name)
const statsOf = (one) => one.run(({ state }) => state.stats())

/** All up to `last` came, once, in order, or was told as missed. Returns what was missed. */
async function complete(one, name, last) {
  const topic = await until(`${name} is complete`, async () => {
    const topic = await topicOf(one, name)
    return topic?.next > last || topic?.faults.length > 0 ? topic : undefined
  })
  assert.deepStrictEqual(topic.faults, [], name)
  const lost = topic.gaps.reduce((sum, gap) => sum + gap.lost, 0)
  assert.strictEqual(topic.messages + lost, last, `${name}: delivered and lost are what was published`)
  return lost
}

/** Resident bytes of a process. */
function memoryOf(one) {
  const status = fs.readFileSync(`/proc/${one.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024
}

/** Samples everybody's memory until told to stop; the most each grew, in bytes. */
function watchMemory(all) {
  const first = all.map(memoryOf)
  const most = [...first]
  const timer = setInterval(() => {
    for (const [at, one] of all.entries()) most[at] = Math.max(most[at], memoryOf(one))
  }, 20)
  return () => {
    clearInterval(timer)
    return most.map((bytes, at) => bytes - first[at])
  }
}

const inMiB = (bytes) => bytes.map((each) => `${(each / MiB).toFixed(0)} MiB`).join(', ')

test('a busy event loop is cut off like a stopped process, and told exactly what it missed; nobody grows', async (t) => {
  const name = busName()
  const gate = path.join(scratch(), 'gate')
  const [publisher, reader, busy] = await actors(3)
  for (const one of [publisher, reader, busy]) await open(one, { name, size: SIZE, stallTimeout: 300, outbox: '4mb' })
  for (const one of [reader, busy]) {
    for (const topic of ['a', 'b', 'quiet']) await one.run(({ state }, each) => void state.listen(each), topic)
  }
  const grown = watchMemory([publisher, reader, busy])
  await publisher.run(({ state }) => state.publish(20, 'a'))
  await until('it reads', async () => (await topicOf(busy, 'a'))?.next === 21)
  busy.start(({ fs }, file) => {
    fs.writeFileSync(`${file}.begun`, '')
    // Neither the event loop nor the processor is given up.
    while (!fs.existsSync(file));
  }, gate)
  await until('it is busy', () => fs.existsSync(`${gate}.begun`))
  // A thousand slabs.
  await publisher.run(({ state }) => state.publish(60_000, 'a', 'b'))
  assert.strictEqual(await complete(reader, 'a', 30_020), 0)
  assert.strictEqual(await complete(reader, 'b', 30_000), 0)
  const { cutOffs, held } = await statsOf(publisher)
  assert.deepStrictEqual([cutOffs, held], [1, null])
  fs.writeFileSync(gate, '')
  await complete(busy, 'b', 30_000)
  await publisher.run(({ state }) => state.publish(30, 'a', 'b', 'quiet'))
  const lost = [await complete(busy, 'a', 30_030), await complete(busy, 'b', 30_010)]
  assert.strictEqual(await complete(busy, 'quiet', 10), 0, 'nothing of it was missed')
  assert.ok(
    lost.every((each) => each > 20_000),
    `${lost} were missed`,
  )
  const most = grown()
  assert.ok(Math.max(...most) < BOUND, `grown by ${inMiB(most)}`)
  t.diagnostic(`60 MiB went by; publisher, reader and the busy one grew by ${inMiB(most)}`)
  await Promise.all([publisher, reader, busy].map((one) => one.end()))
})

test('stallTimeout 0: a stopped reader is cut off inside publish, which is never false', async () => {
  const name = busName()
  const [publisher, stopped] = await actors(2)
  for (const one of [publisher, stopped]) await open(one, { name, size: SIZE, stallTimeout: 0 })
  for (const topic of ['a', 'b']) await stopped.run(({ state }, each) => void state.listen(each), topic)
  stopped.signal('SIGSTOP')
  const refused = await publisher.run(({ state }) => {
    let refused = 0
    // In one turn of the event loop.
    for (let n = 0; n < 2000; n++) if (!state.next(n % 2 ? 'a' : 'b')) refused++
    return refused
  })
  assert.strictEqual(refused, 0)
  const { cutOffs, outbox } = await statsOf(publisher)
  assert.deepStrictEqual([cutOffs, outbox], [1, { messages: 0, bytes: 0 }])
  stopped.signal('SIGCONT')
  for (const topic of ['a', 'b']) assert.ok((await complete(stopped, topic, 1000)) > 900)
  await publisher.run(({ state }) => state.publish(20, 'a', 'b'))
  for (const topic of ['a', 'b']) await complete(stopped, topic, 1010)
  await Promise.all([publisher, stopped].map((one) => one.end()))
})

test('stallTimeout Infinity: false, then ERR_OUTBOX_FULL for as long as it is stopped; then all arrives', async (t) => {
  const name = busName()
  const [publisher, stopped] = await actors(2)
  const options = { name, size: SIZE, stallTimeout: Number.POSITIVE_INFINITY, outbox: '8mb' }
  for (const one of [publisher, stopped]) await open(one, options)
  await stopped.run(({ state }) => void state.listen('a'))
  const { member } = await statsOf(stopped)
  stopped.signal('SIGSTOP')
  const grown = watchMemory([publisher, stopped])
  // Many times what slab and outbox hold.
  const seen = await publisher.run(async ({ state }) => {
    const seen = { true: 0, false: 0, full: 0, facts: undefined }
    state.drains = 0
    state.text = 'x'.repeat(4000)
    state.bus.on('drain', () => state.drains++)
    for (let call = 0; call < 30_000; call++) {
      try {
        seen[state.next('a')]++
      } catch (error) {
        if (error.code !== 'ERR_OUTBOX_FULL') throw error
        seen.full++
        seen.facts ??= { needed: error.needed, available: error.available }
      }
      if (call % 1000 === 0) await new Promise(setImmediate)
    }
    return seen
  })
  // Longer than the default would have it.
  await later(2500)
  const most = grown()
  t.diagnostic(`120 MB were offered: ${JSON.stringify(seen)}; publisher and stopped reader grew by ${inMiB(most)}`)
  assert.ok(seen.true > 8 && seen.true <= 16, `${seen.true} in the slab`)
  assert.ok(seen.false > 1800 && seen.false < 2097, `${seen.false} in the outbox`)
  assert.ok(seen.facts.needed > seen.facts.available)
  assert.ok(Math.max(...most) < BOUND)
  const stats = await statsOf(publisher)
  assert.deepStrictEqual([stats.held.member, stats.held.pid, stats.held.by], [member, stopped.pid, 'reader'])
  assert.deepStrictEqual([stats.outbox.messages, stats.cutOffs], [seen.false, 0])
  assert.ok(stats.outbox.bytes <= 8 * MiB)
  assert.strictEqual(await publisher.run(({ state }) => state.drains), 0)
  stopped.signal('SIGCONT')
  await until('drain comes', () => publisher.run(({ state }) => state.drains === 1))
  await publisher.run(({ state }) => state.publish(100, 'a'))
  assert.strictEqual(await complete(stopped, 'a', seen.true + seen.false + 100), 0, 'nothing was missed')
  await Promise.all([publisher, stopped].map((one) => one.end()))
})

test('a stopped reader that holds nobody back is never cut off, however long it stands', async () => {
  const [name, clock] = [busName(), busName()]
  const [publisher, stopped, inTheWay] = await actors(3)
  for (const one of [publisher, stopped]) await open(one, { name, size: SIZE, stallTimeout: 50 })
  for (const topic of ['a', 'quiet']) await stopped.run(({ state }, each) => void state.listen(each), topic)
  stopped.signal('SIGSTOP')
  // All but a little of the slab.
  await publisher.run(({ state }) => state.publish(50, 'a'))
  // On another bus one that is in the way is cut off meanwhile, again and again.
  await open(inTheWay, { name: clock, size: SIZE })
  await inTheWay.run(({ state }) => void state.listen('a'))
  const [other] = await actors(1)
  await open(other, { name: clock, size: SIZE, stallTimeout: 50 })
  for (let round = 1; round <= 5; round++) {
    inTheWay.signal('SIGSTOP')
    await other.run(({ state }) => state.publish(200, 'a'))
    inTheWay.signal('SIGCONT')
    await complete(inTheWay, 'a', 200 * round)
    assert.strictEqual((await statsOf(other)).cutOffs, round)
  }
  stopped.signal('SIGCONT')
  assert.strictEqual(await complete(stopped, 'a', 50), 0)
  const { cutOffs, held } = await statsOf(publisher)
  assert.deepStrictEqual([cutOffs, held], [0, null])
  await Promise.all([publisher, stopped, inTheWay, other].map((one) => one.end()))
})

test('all stopped together (docker pause): a publisher that goes on first blames nobody for it', async () => {
  const STALL = 4000
  const name = busName()
  const [publisher, reader] = await actors(2)
  for (const one of [publisher, reader]) await open(one, { name, size: SIZE, stallTimeout: STALL })
  await reader.run(({ state }) => void state.listen('a'))
  // The slab is full before the publisher is stopped: it has begun to count.
  reader.signal('SIGSTOP')
  await publisher.run(async ({ state }) => {
    while (state.next('a'));
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve, 16))
  })
  publisher.signal('SIGSTOP')
  await later(STALL * 1.25)
  publisher.signal('SIGCONT')
  // It has looked several times by the end of this.
  await publisher.run(async () => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 16))
  })
  reader.signal('SIGCONT')
  const sent = await publisher.run(({ state }) => state.sent.a)
  assert.strictEqual(await complete(reader, 'a', sent), 0, 'it was cut off for what it could not help')
  assert.strictEqual((await statsOf(publisher)).cutOffs, 0)
  await Promise.all([publisher, reader].map((one) => one.end()))
})

'use strict'

// kill -9 of any process at any moment: the others go on, and nothing of a living one is lost, doubled, torn or reordered.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const {
  actor,
  busName,
  filesOf,
  folderOf,
  isolate,
  later,
  list,
  longest,
  random,
  rounds,
  scratch,
  until,
} = require('./support')

isolate()

const TOPICS = 4
const LARGEST = 16_000
const OPTIONS = { size: 128 * 1024, stallTimeout: Number.POSITIVE_INFINITY, outbox: 1 << 20 }

/** What a receiver noted, as objects. */
function read(file) {
  const bytes = fs.readFileSync(file)
  const words = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8)
  const messages = []
  for (let at = 0; at < words.length; at += 5) {
    const [position, publisher, topic, sequence, n] = words.subarray(at, at + 5)
    messages.push({ position, publisher, topic, sequence, n })
  }
  return messages
}

/** The first receiver was there from the beginning: its account is the one the others are held against. */
function checkAll(messages, publishers) {
  const sequences = new Array(TOPICS).fill(0)
  const numbers = new Map(publishers.map(({ publisher }) => [publisher, new Array(TOPICS).fill(0)]))
  messages.forEach(({ position, publisher, topic, sequence, n }, at) => {
    assert.strictEqual(position, messages[0].position + at, 'a position was lost or doubled')
    assert.strictEqual(sequence, ++sequences[topic], `topic ${topic}, position ${position}: a hole in the sequence`)
    const expected = ++numbers.get(publisher)[topic]
    assert.strictEqual(n, expected, `publisher ${publisher}, topic ${topic}: one lost, doubled or out of order`)
  })
  for (const { publisher, published, acknowledged } of publishers) {
    const got = numbers.get(publisher)
    if (published) assert.deepStrictEqual(got, published, `publisher ${publisher} lives and lost messages`)
    else
      for (let topic = 0; topic < TOPICS; topic++) {
        const promised = acknowledged[topic]
        assert.ok(
          got[topic] >= promised,
          `publisher ${publisher}: publish() gave true for ${promised}, ${got[topic]} came`,
        )
      }
  }
}

/** Whoever came later has the same, from its subscription on. */
function checkSame(messages, reference, from) {
  const byPosition = new Map(reference.map((message) => [message.position, message]))
  const next = new Map()
  let last = -1
  for (const message of messages) {
    assert.deepStrictEqual(message, byPosition.get(message.position))
    assert.ok(message.position > last, 'out of order')
    last = message.position
    const { topic, sequence } = message
    if (next.has(topic)) assert.strictEqual(sequence, next.get(topic), `topic ${topic}: a hole`)
    next.set(topic, sequence + 1)
  }
  // It ends where the others end, and nothing it published itself after subscribing is missing.
  for (let topic = 0; topic < TOPICS; topic++) {
    const end = reference.findLast((message) => message.topic === topic)
    assert.strictEqual(next.get(topic), end.sequence + 1, `topic ${topic}: the end is missing`)
  }
  const own = reference.filter(({ publisher }) => publisher === from)
  const mine = messages.filter(({ publisher }) => publisher === from)
  assert.strictEqual(mine.length, own.length, 'own messages are missing')
}

async function living(t, publisher, name, folder) {
  const one = await actor()
  const acknowledged = path.join(folder, `acknowledged-${publisher}`)
  await one.run(
    ({ ipc, forever, state }, options, about) => {
      state.forever = new forever.Forever(ipc.open(options), about)
      state.forever.subscribe()
      state.forever.publish()
    },
    { name, ...OPTIONS },
    { publisher, topics: TOPICS, largest: LARGEST, acknowledged },
  )
  t.after(() => one.kill())
  return { publisher, one, acknowledged }
}

const counts = (members) =>
  Promise.all(members.map(({ one }) => one.run(({ state }) => state.forever.received.length / 5)))

test('killed at any moment among five that publish and subscribe: the others lose nothing and wait for nobody', async (t) => {
  const next = random()
  const folder = scratch()
  const name = busName()
  let publishers = 0
  const members = []
  for (let count = 0; count < 5; count++) members.push(await living(t, publishers++, name, folder))
  const dead = []
  const waits = []
  for (let round = 0; round < 12 * rounds; round++) {
    // The first is never killed: it saw everything.
    const at = 1 + Math.floor(next() * (members.length - 1))
    const [victim] = members.splice(at, 1)
    await later(next() * 60)
    await victim.one.kill()
    dead.push(victim)
    // More than the slab holds: nobody still waits for the dead one.
    const before = await counts(members)
    await until(
      'the others go on',
      async () => (await counts(members)).every((count, each) => count > before[each] + 1000),
      { waits },
    )
    members.push(await living(t, publishers++, name, folder))
  }
  const published = await Promise.all(members.map(({ one }) => one.run(({ state }) => state.forever.stop())))
  members.forEach((member, at) => {
    member.published = published[at]
  })
  let seen = []
  await until('everything is received', async () => {
    const now = await counts(members)
    const total = members.reduce((sum, { published }) => sum + published.reduce((a, b) => a + b), 0)
    const same = now.every((count, at) => count === seen[at])
    seen = now
    return same && now[0] >= total
  })
  const files = members.map(({ publisher }) => path.join(folder, `received-${publisher}`))
  const faults = await Promise.all(
    members.map(({ one }, at) =>
      one.run(({ state }, file) => {
        state.forever.save(file)
        return state.forever.faults
      }, files[at]),
    ),
  )
  assert.deepStrictEqual(faults.flat(), [])
  const full = await Promise.all(members.map(({ one }) => one.run(({ state }) => state.forever.full)))
  assert.ok(
    full.some((count) => count > 0),
    'the slab was never full: this test does not test what it should',
  )
  for (const victim of dead) {
    const bytes = fs.readFileSync(victim.acknowledged)
    victim.acknowledged = Array.from({ length: TOPICS }, (_, topic) =>
      bytes.length >= topic * 8 + 8 ? bytes.readDoubleLE(topic * 8) : 0,
    )
  }
  const reference = read(files[0])
  checkAll(reference, [...members, ...dead])
  for (let at = 1; at < members.length; at++) checkSame(read(files[at]), reference, members[at].publisher)
  await until('only the living have files', () => list(folderOf(name)).length === filesOf(members.length))
  t.diagnostic(`${reference.length} messages, ${dead.length} killed; after a kill: ${longest(waits)}`)
})

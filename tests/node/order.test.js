'use strict'

// Order and loss: four processes publish to three topics, and all of them read everything. Every message arrives exactly
// once and intact, in one order that is the same for all, with sequences without holes.
//
// SLABCAST_ORDER_MESSAGES: how many each process publishes to each topic (100,000).

const test = require('node:test')
const assert = require('node:assert')
const { assertNothingLeft, folderOf, uniqueName } = require('./support/bus')
const { run } = require('./support/process')
const { traffic } = require('./support/traffic')

const PROCESSES = 4
const TOPICS = 3
const MESSAGES = Number(process.env.SLABCAST_ORDER_MESSAGES ?? 100_000)

/** In each process: publishes its share, reads everything, and tells what it saw. */
async function member({ say, hear }, name, me, { processes, topics, messages }) {
  const { traffic } = require('./traffic')
  const { once } = require('node:events')
  // Nobody is cut off however slow the machine is: that is gap.test.js' matter.
  const bus = require('slabcast').open({ name, stallTimeout: Number.POSITIVE_INFINITY, topics: 64, members: 16 })
  const bodies = traffic()
  const wanted = processes * topics * messages
  const next = Array.from({ length: processes }, () => new Uint32Array(topics))
  const sequences = new Array(topics).fill(0)
  /** Member number -> publisher. Whoever publishes begins with its number among the processes. */
  const publishers = new Map()
  const seen = { count: 0, bytes: 0, digest: 0, lastPosition: -1 }
  let finished
  const all = new Promise((resolve) => {
    finished = resolve
  })
  const wrong = (what) => {
    throw new Error(`process ${me}: ${what}`)
  }

  const read = (topic, body, meta) => {
    const { member, pid } = meta.publisher
    const known = publishers.get(member) ?? wrong(`a message of member ${member} (pid ${pid}) before it said who it is`)
    if (known.pid !== pid) wrong(`member ${member} is pid ${pid} and ${known.pid}`)
    const number = next[known.from][topic]++
    if (!bodies.isIntact(body, known.from, topic, number))
      wrong(`message ${number} of ${known.from} to topic ${topic} is lost, doubled, out of order or not intact`)
    if (meta.sequence !== ++sequences[topic])
      wrong(`topic ${topic}: sequence ${meta.sequence} instead of ${sequences[topic]}`)
    if (meta.position <= seen.lastPosition) wrong(`position ${meta.position} after ${seen.lastPosition}`)
    seen.lastPosition = meta.position
    seen.bytes += body.length
    // One number for the whole order: who, where, which position.
    seen.digest = (Math.imul(seen.digest, 31) + meta.position * 16 + topic * 4 + known.from) | 0
    if (++seen.count === wanted) finished()
  }

  bus.on('gap', (gap) => wrong(`a gap: ${JSON.stringify(gap)}`))
  bus.subscribe('who', ({ from }, { publisher }) => publishers.set(publisher.member, { from, pid: publisher.pid }))
  // The last topic travels encoded, the others raw: only a raw body can be of 0 bytes.
  const encoded = topics - 1
  for (let topic = 0; topic < encoded; topic++)
    bus.subscribe(`t${topic}`, (body, meta) => read(topic, body, meta), { raw: true })
  bus.subscribe(`t${encoded}`, ({ body }, meta) => read(encoded, body, meta))
  await say('subscribed')
  await hear()

  const publish = async (topic, message, options) => {
    if (!bus.publish(topic, message, options)) await once(bus, 'drain')
  }
  await publish('who', { from: me })
  for (let number = 0; number < messages; number++) {
    for (let topic = 0; topic < topics; topic++) {
      const body = bodies.body(me, topic, number)
      const accepted =
        topic === encoded ? bus.publish(`t${topic}`, { number, body }) : bus.publish(`t${topic}`, body, { raw: true })
      if (!accepted) await once(bus, 'drain')
    }
  }
  await all
  await say(seen)
  // Nothing more may come: a double of the last would.
  await hear()
  await say(seen.count)
  await bus.close()
}

test(`${PROCESSES} processes x ${TOPICS} topics x ${MESSAGES} messages: each once, intact, in one order, without holes`, async (t) => {
  const name = uniqueName()
  const children = Array.from({ length: PROCESSES }, (_, me) =>
    run(t, member, name, me, { processes: PROCESSES, topics: TOPICS, messages: MESSAGES }),
  )
  for (const child of children) assert.strictEqual(await child.hear(), 'subscribed')
  for (const child of children) child.say('go')
  const seen = []
  for (const child of children) seen.push(await child.hear())
  for (const child of children) child.say('end')
  for (const child of children) {
    assert.strictEqual(await child.hear(), PROCESSES * TOPICS * MESSAGES)
    assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
  }

  for (const other of seen) assert.deepStrictEqual(other, seen[0])
  const sizes = traffic().sizes(PROCESSES, TOPICS, MESSAGES)
  assert.strictEqual(seen[0].bytes, sizes.bytes)
  if (MESSAGES >= 10_000) {
    assert.strictEqual(sizes.least, 0)
    assert.strictEqual(sizes.most, 256 * 1024)
    assert.ok(Math.abs(sizes.small / sizes.count - 0.9) < 0.01, `${sizes.small} of ${sizes.count} are below 1 KiB`)
  }
  assertNothingLeft(name)
  t.diagnostic(`${(sizes.bytes / 1e9).toFixed(1)} GB published, read by ${PROCESSES}: ${folderOf(name)} is gone`)
})

'use strict'

// Question: what does it cost to publish to a topic with groups, and what does a durable subscriber lose beside a plain one?
// Prints nanoseconds per publish and posts per burst by groups of one member each, which sleep between bursts or read on; and
// messages per second of a publisher and one subscriber, plain and durable, in processes of their own, in turn.
// Run: node benches/node/reading.js [--quick] [--rounds 5] [--json FILE]

const { fork } = require('node:child_process')
const { once } = require('node:events')
const { setTimeout: later } = require('node:timers/promises')
const { open } = require('../..')
const bench = require('../report')

const ROLE = process.env.SLABCAST_BENCH_ROLE
const MESSAGE = { from: 'ann', n: 1, text: 'hello there' }
const TOPIC = 'jobs'
/** Fits into the slab many times over. */
const BURST = 256
/** Messages on the way at the most are two of these: nobody is held back for a durable subscriber, and what it has missed does not come. */
const WINDOW = 16_384
/** Between having read the last message and sleeping a member does nothing else: generous. */
const ASLEEP_MS = 5

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A process that subscribes, and says how many messages it has heard when it is asked. */
async function start(...words) {
  const child = fork(__filename, words, { env: { ...process.env, SLABCAST_BENCH_ROLE: 'subscriber' } })
  const hears = async () => (await once(child, 'message'))[0]
  await hears()
  return {
    /** Resolves when it has heard so many in all; to when that was, in seconds. */
    heard(count) {
      child.send({ count })
      return hears()
    },
    async end() {
      child.send('end')
      await once(child, 'exit')
    },
  }
}

/** Nanoseconds per publish of bursts, and posts per burst. */
async function toGroups(groups, isAsleep, bursts) {
  const name = `bench-reading-${process.pid}-${groups}-${isAsleep}`
  const bus = open({ name })
  const members = await Promise.all(Array.from({ length: groups }, (_, at) => start(name, 'group', `g${at}`)))
  const times = []
  const { posts } = bus.stats()
  for (let burst = 1; burst <= bursts; burst++) {
    if (isAsleep) await later(ASLEEP_MS)
    const start = process.hrtime.bigint()
    let hasRoom = true
    for (let at = 0; at < BURST; at++) hasRoom = bus.publish(TOPIC, MESSAGE)
    times.push(Number(process.hrtime.bigint() - start) / BURST)
    if (!hasRoom) await once(bus, 'drain')
    if (isAsleep) await Promise.all(members.map((member) => member.heard(burst * BURST)))
    else await turn()
  }
  await Promise.all(members.map((member) => member.heard(bursts * BURST)))
  const posted = (bus.stats().posts - posts) / bursts
  await Promise.all(members.map((member) => member.end()))
  await bus.close()
  return { times: bench.calm(times.slice(times.length >> 1)), posted }
}

async function byGroups(report, quick) {
  const lines = []
  for (const [isAsleep, bursts] of [
    [true, quick ? 20 : 200],
    [false, quick ? 200 : 4000],
  ]) {
    for (const groups of [0, 1, 8]) {
      const { times, posted } = await toGroups(groups, isAsleep, bursts)
      const row = `publish, ${groups === 1 ? '1 group' : `${groups} groups`}, ${isAsleep ? 'asleep before each burst' : 'reading'}`
      const add = (measure, unit, numbers) => report.add(row, 'slabcast', measure, unit, numbers)
      lines.push([row, add('publish', 'ns', times), add('posts', 'per burst', [posted])])
    }
  }
  console.log(`a topic with groups of one member each, bursts of ${BURST}; fastest quarter`)
  bench.table(['', 'ns', 'posts per burst'], lines)
}

/** Messages per second of one pass. */
async function rate(bus, subscriber, sent, count) {
  const start = Number(process.hrtime.bigint()) / 1e9
  for (let at = 0; at < count; at++) {
    if (!bus.publish(TOPIC, MESSAGE)) await once(bus, 'drain')
    if (at % BURST === 0) await turn()
    if (at >= WINDOW && at % WINDOW === 0) await subscriber.heard(sent + at - WINDOW)
  }
  return count / ((await subscriber.heard(sent + count)) - start)
}

async function durable(report, quick, rounds) {
  const count = quick ? 20_000 : 300_000
  const found = { plain: [], durable: [] }
  for (let round = 0; round < rounds; round++) {
    const kinds = round % 2 === 0 ? ['plain', 'durable'] : ['durable', 'plain']
    for (const kind of kinds) {
      const name = `bench-reading-${process.pid}-${kind}-${round}`
      const bus = open({ name })
      const subscriber = await start(name, kind, 'd')
      // Once to warm up.
      await rate(bus, subscriber, 0, count)
      found[kind].push((await rate(bus, subscriber, count, count)) / 1000)
      await subscriber.end()
      await bus.close()
    }
  }
  const row = 'small object, 1 to 1, by its subscription'
  const parts = found.durable.map((one, round) => one / found.plain[round])
  const lines = Object.entries(found).map(([kind, numbers]) => [
    kind,
    report.add(row, kind, 'rate', 'k messages/s', numbers),
    kind === 'plain' ? '' : report.add(row, kind, 'of plain', 'x', parts),
  ])
  console.log('a durable subscriber: each message is noted before and after its listener')
  bench.table(['', 'k messages/s', 'of plain'], lines)
}

async function main() {
  const { values } = bench.given('rounds')
  const report = new bench.Report('reading', 'what do groups and durable subscriptions cost?')
  await byGroups(report, values.quick)
  await durable(report, values.quick, Number(values.rounds ?? (values.quick ? 1 : 5)))
  report.save(values.json)
}

/** Hears the messages in their number and tells when there were so many. */
function subscriber(name, kind, named) {
  const bus = open({ name })
  let heard = 0
  let awaited = Number.POSITIVE_INFINITY
  const look = () => {
    if (heard < awaited) return
    awaited = Number.POSITIVE_INFINITY
    process.send(Number(process.hrtime.bigint()) / 1e9)
  }
  const options = { plain: {}, durable: { durable: named }, group: { group: named } }[kind]
  const subscription = bus.subscribe(
    TOPIC,
    () => {
      heard++
      look()
    },
    options,
  )
  process.on('message', (word) => {
    if (word !== 'end') {
      awaited = word.count
      look()
      return
    }
    subscription.unsubscribe()
    bus.close().then(() => process.disconnect())
  })
  process.send('ready')
}

if (ROLE === 'subscriber') subscriber(...process.argv.slice(2))
else main()

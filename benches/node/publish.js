'use strict'

// Question: what does a publish cost beyond the encoding: to nobody, where others have patterns, and to members that sleep?
// Prints nanoseconds per publish of a chat message and of raw bytes to a topic that nobody subscribed to, beside the encoding
// alone; the same while another member has 0 or 1,000 patterns that do not match; and, to sleeping members, microseconds and posts
// (system calls) per burst.
// Run: node benches/node/publish.js [--quick] [--json FILE]

const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')
const { once } = require('node:events')
const { open } = require('../..')
const { Encoder } = require('../../js/codec')
const bench = require('../report')

const OPERATIONS = 1000
/** Between having read the last message and sleeping a member does nothing else: generous. */
const ASLEEP_MS = 5

const chat = (i) => ({
  cat: 1,
  biz: 2,
  cmd: 1000 + (i % 50),
  id: 70000 + i,
  groupId: `room${i % 20}`,
  cst: 1682302513688 + i,
  pos: { x: i % 100, y: 12, z: 200 },
  rot: { x: 0, y: (i * 7) % 360, z: 0 },
  uuid: `u-${(i * 2654435761) % 4294967296}`,
})

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Nanoseconds per operation of one round. */
function round(run, values) {
  const start = process.hrtime.bigint()
  for (let at = 0; at < OPERATIONS; at++) run(values[at % values.length])
  return Number(process.hrtime.bigint() - start) / OPERATIONS
}

/** The rounds of all alternate: what disturbs one disturbs its neighbours. */
function measure(runs, values, ms) {
  const found = Object.fromEntries(Object.keys(runs).map((name) => [name, []]))
  const since = performance.now()
  let isWarm = false
  while (!isWarm || performance.now() - since < ms) {
    // The first half warms up.
    if (!isWarm && performance.now() - since > ms / 2) {
      isWarm = true
      for (const name of Object.keys(runs)) found[name] = []
    }
    for (const [name, run] of Object.entries(runs)) found[name].push(round(run, values))
  }
  return found
}

async function toNobody(report, quick) {
  const name = `bench-publish-${process.pid}`
  const bus = open({ name })
  const values = Array.from({ length: 512 }, (_, i) => chat(i))
  const encoder = new Encoder()
  const bytes = Buffer.from(encoder.bytes.subarray(0, encoder.encode(values[0])))
  const raw = { raw: true }
  const found = measure(
    {
      encode: (value) => encoder.encode(value),
      publish: (value) => bus.publish('room:100', value),
      'publish raw': () => bus.publish('room:100', bytes, raw),
    },
    values,
    quick ? 400 : 4000,
  )
  await bus.close()
  const add = (measure, numbers) => [measure, report.add('to nobody', 'slabcast', measure, 'ns', numbers)]
  const lines = Object.entries(found).map(([measure, numbers]) => add(measure, bench.calm(numbers)))
  const [publish, encode] = [found.publish, found.encode].map((numbers) => bench.spread(bench.calm(numbers)).median)
  lines.push(add('publish beyond encode', [publish - encode]))
  console.log(`to nobody, a chat message of ${bytes.length} bytes; fastest quarter of the rounds`)
  bench.table(['', 'ns'], lines)
}

/** To a topic that none of another member's patterns matches. */
async function besidePatterns(report, quick) {
  const values = Array.from({ length: 512 }, (_, i) => chat(i))
  const runs = {}
  const buses = []
  const others = []
  for (const patterns of [0, 1000]) {
    const name = `bench-publish-${process.pid}-patterns-${patterns}`
    const bus = open({ name })
    const other = new Worker(__filename, { workerData: { name, patterns } })
    await once(other, 'message')
    bus.publish('room:100', chat(1))
    runs[patterns] = (value) => bus.publish('room:100', value)
    buses.push(bus)
    others.push(other)
  }
  const found = measure(runs, values, quick ? 400 : 4000)
  for (const other of others) other.postMessage('end')
  await Promise.all(others.map((other) => once(other, 'exit')))
  await Promise.all(buses.map((bus) => bus.close()))
  const lines = Object.entries(found).map(([patterns, numbers]) => [
    patterns,
    report.add(`beside ${patterns} patterns`, 'slabcast', 'publish', 'ns', bench.calm(numbers)),
  ])
  console.log('to nobody, while another member has patterns; fastest quarter of the rounds')
  bench.table(['patterns', 'ns'], lines)
}

async function toSleepers(report, members, quick) {
  const name = `bench-publish-${process.pid}-${members}`
  const bus = open({ name })
  const read = new Int32Array(new SharedArrayBuffer(4))
  const sleepers = Array.from({ length: members }, () => new Worker(__filename, { workerData: { name, read } }))
  await Promise.all(sleepers.map((sleeper) => once(sleeper, 'message')))
  const message = chat(1)
  const allAsleep = async (published) => {
    do await later(ASLEEP_MS)
    while (Atomics.load(read, 0) < published * members)
  }
  const lines = []
  let published = 0
  for (const burst of [1, 16, 256]) {
    const posts = []
    const times = []
    for (let bursts = 0; bursts < (quick ? 20 : 200); bursts++) {
      await allAsleep(published)
      const before = bus.stats().posts
      const start = performance.now()
      for (let at = 0; at < burst; at++) bus.publish('room:100', message)
      times.push((performance.now() - start) * 1000)
      published += burst
      posts.push((bus.stats().posts - before) / members)
    }
    const row = `to ${members} asleep, burst of ${burst}`
    const add = (measure, unit, numbers) => report.add(row, 'slabcast', measure, unit, numbers)
    lines.push([row, add('burst', 'us', bench.calm(times)), add('posts', 'per member and burst', posts)])
  }
  for (const sleeper of sleepers) sleeper.postMessage('end')
  await Promise.all(sleepers.map((sleeper) => once(sleeper, 'exit')))
  await bus.close()
  return lines
}

async function main() {
  const { values } = bench.given()
  const report = new bench.Report('publish', 'what does a publish cost beyond the encoding?')
  await toNobody(report, values.quick)
  await besidePatterns(report, values.quick)
  const lines = []
  for (const members of [1, 4, 16]) lines.push(...(await toSleepers(report, members, values.quick)))
  console.log('to sleeping members; the fastest quarter of the bursts, the posts of all')
  bench.table(['', 'us per burst', 'posts per member and burst'], lines)
  report.save(values.json)
}

async function sleeper() {
  const { name, read } = workerData
  const bus = open({ name })
  bus.subscribe('room:100', () => Atomics.add(read, 0, 1))
  parentPort.once('message', () => bus.close())
  parentPort.postMessage('ready')
}

/** One that has patterns, and something by its name, so that it reads in any case. */
async function matcher() {
  const { name, patterns } = workerData
  const bus = open({ name })
  bus.subscribe('other', () => {})
  for (let at = 0; at < patterns; at++) bus.psubscribe(`room:${at}:*`, () => {})
  parentPort.once('message', () => bus.close())
  parentPort.postMessage('ready')
}

if (isMainThread) main()
else if (workerData.patterns === undefined) sleeper()
else matcher()

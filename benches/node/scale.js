'use strict'

// Question: does the cost of a publish stay the same as members and topics become many, what does a worker pay for messages it
// does not want, and how long does it take to subscribe to 100,000 topics?
// Prints nanoseconds per publish by attached readers and by topics of the bus, CPU nanoseconds and wake-ups per foreign
// message, and seconds to subscribe and unsubscribe.
// Run: node benches/node/scale.js [--quick] [--json FILE]

const { fork } = require('node:child_process')
const { once } = require('node:events')
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads')
const { open } = require('../..')
const bench = require('../report')

const BURST = 1000
const MESSAGE = { from: 'ann', n: 1, text: 'hello there' }

const ROLE = process.env.SLABCAST_BENCH_ROLE
const nameOf = (what) => `bench-scale-${process.pid}-${what}`
const topicOf = (at) => `room:${at}`
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Bursts of publishes over so many topics in turn for so long: nanoseconds per publish of each burst. */
async function bursts(bus, topics, ms) {
  const found = []
  let topic = 0
  const until = performance.now() + ms
  while (performance.now() < until) {
    const start = process.hrtime.bigint()
    for (let at = 0; at < BURST; at++) {
      // In the outbox it would be another's cost.
      if (!bus.publish(topics[topic], MESSAGE)) await once(bus, 'drain')
      topic = topic + 1 === topics.length ? 0 : topic + 1
    }
    found.push(Number(process.hrtime.bigint() - start) / BURST)
    await turn()
  }
  return found.slice(found.length >> 1)
}

async function byReaders(report, quick) {
  const lines = []
  for (const readers of [0, 1, 4, 16, 64]) {
    const name = nameOf(`readers-${readers}`)
    const bus = open({ name })
    const threads = Array.from({ length: readers }, () => new Worker(__filename, { workerData: name }))
    await Promise.all(threads.map((thread) => once(thread, 'message')))
    const before = bus.stats()
    const found = bench.calm(await bursts(bus, ['foreign'], quick ? 200 : 2000))
    const { posts, published } = bus.stats()
    const perMillion = ((posts - before.posts) / (published.messages - before.published.messages)) * 1e6
    for (const thread of threads) thread.postMessage('end')
    await Promise.all(threads.map((thread) => once(thread, 'exit')))
    await bus.close()
    const row = `publish, ${readers} readers of other topics`
    const ns = report.add(row, 'slabcast', 'publish', 'ns', found)
    lines.push([row, ns, report.add(row, 'slabcast', 'posts', 'per million messages', [perMillion])])
  }
  bench.table(['', 'ns', 'posts per million messages'], lines)
}

async function byTopics(report, quick) {
  const lines = []
  for (const count of [1, 10, 100, 1000, 10_000, 100_000]) {
    const bus = open({ name: nameOf(`topics-${count}`) })
    const topics = Array.from({ length: count }, (_, at) => topicOf(at))
    const start = performance.now()
    for (const topic of topics) bus.publish(topic, MESSAGE)
    const made = ((performance.now() - start) * 1000) / count
    const ms = quick ? 200 : 1500
    const one = bench.calm(await bursts(bus, topics.slice(-1), ms))
    const all = bench.calm(await bursts(bus, topics, Math.max(ms, count / 100)))
    await bus.close()
    const row = `publish, ${count.toLocaleString('en')} topics`
    const add = (measure, unit, numbers) => report.add(row, 'slabcast', measure, unit, numbers)
    lines.push([
      row,
      add('to one of them', 'ns', one),
      add('to all in turn', 'ns', all),
      add('first publish', 'us', [made]),
    ])
  }
  bench.table(['', 'to one of them, ns', 'to all in turn, ns', 'first publish of each, us'], lines)
}

/** A process that wants another topic: what a million messages it does not want cost it. */
async function foreign(report, quick) {
  const name = nameOf('foreign')
  const bus = open({ name })
  const child = fork(__filename, [name], { env: { ...process.env, SLABCAST_BENCH_ROLE: 'uninterested' } })
  const ask = async (word) => {
    child.send(word)
    return (await once(child, 'message'))[0]
  }
  await once(child, 'message')
  const [costs, wakes] = [[], []]
  for (let round = 0; round < (quick ? 2 : 7); round++) {
    const before = await ask('tell')
    const messages = bus.stats().published.messages
    await bursts(bus, ['foreign'], quick ? 300 : 1000)
    const after = await ask('tell')
    const published = bus.stats().published.messages - messages
    costs.push(((after.cpu - before.cpu) * 1000) / published)
    wakes.push(((after.wakes - before.wakes) / published) * 1e6)
  }
  child.send('end')
  await once(child, 'exit')
  await bus.close()
  const row = 'a message another wants'
  const lines = [
    [
      row,
      report.add(row, 'slabcast', 'cpu', 'ns', costs),
      report.add(row, 'slabcast', 'wakes', 'per million messages', wakes),
    ],
  ]
  bench.table(['', 'CPU ns', 'wakes per million messages'], lines)
}

async function uninterested(name) {
  const bus = open({ name })
  bus.subscribe('own', () => {})
  process.on('message', (word) => {
    if (word === 'end') bus.close().then(() => process.disconnect())
    else {
      const { user, system } = process.cpuUsage()
      process.send({ cpu: user + system, wakes: bus.stats().wakes })
    }
  })
  process.send('ready')
}

/** Of so many topics in one worker, in `ways` of unsubscribing. */
async function subscribing(report, quick) {
  const ways = {
    'subscription.unsubscribe(), oldest first': (_, subscriptions) => {
      for (const subscription of subscriptions) subscription.unsubscribe()
    },
    'subscription.unsubscribe(), newest first': (_, subscriptions) => {
      for (const subscription of subscriptions.toReversed()) subscription.unsubscribe()
    },
    'bus.unsubscribe(topic)': (bus, subscriptions) => {
      for (const { topic } of subscriptions) bus.unsubscribe(topic)
    },
    'bus.close()': (bus) => bus.close(),
  }
  const lines = []
  for (const [way, unsubscribe] of Object.entries(ways)) {
    // A cost that grows with the square shows in the smaller one without taking minutes.
    for (const count of way === 'bus.unsubscribe(topic)' || quick ? [5000, 10_000] : [10_000, 100_000]) {
      const bus = open({ name: nameOf(`subscribe-${lines.length}`) })
      const start = performance.now()
      const subscriptions = Array.from({ length: count }, (_, at) => bus.subscribe(topicOf(at), () => {}))
      const between = performance.now()
      await unsubscribe(bus, subscriptions)
      const end = performance.now()
      await bus.close()
      const row = `${count.toLocaleString('en')} topics, ${way}`
      const add = (measure, ms) => report.add(row, 'slabcast', measure, 's', [ms / 1000])
      lines.push([row, add('subscribe', between - start), add('unsubscribe', end - between)])
    }
  }
  bench.table(['', 'subscribe, s', 'unsubscribe, s'], lines)
}

function reader() {
  const bus = open({ name: workerData })
  bus.subscribe('own', () => {})
  parentPort.once('message', () => bus.close())
  parentPort.postMessage('ready')
}

async function main() {
  const { values } = bench.given()
  const report = new bench.Report('scale', 'does it stay as fast as members and topics become many?')
  for (const part of [byReaders, byTopics, foreign, subscribing]) await part(report, values.quick)
  report.save(values.json)
}

if (ROLE === 'uninterested') uninterested(process.argv[2])
else if (isMainThread) main()
else reader()

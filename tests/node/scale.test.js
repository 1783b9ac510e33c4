'use strict'

// 100,000 topics over four workers: each message arrives once where it is wanted and wakes nobody else, and what the topics took
// is given back.

const test = require('node:test')
const assert = require('node:assert/strict')
const { openBus, uniqueName } = require('./support/bus')
const { runWith } = require('./support/process')

const TOPICS = 100_000
const WORKERS = 4
const MESSAGES = 40_000

const tickless = require.resolve('./support/tickless')

/** Subscribes to every fourth topic from `which` on, and tells what it is asked for. */
const worker = async ({ say, hear }, { name, which, topics, workers }) => {
  const bus = require('slabcast').open({ name })
  let heard = []
  let strangers = 0
  const listen = (prefix) => {
    const subscriptions = []
    for (let i = which; i < topics; i += workers) {
      const topic = `${prefix}${i}`
      subscriptions.push(
        bus.subscribe(topic, (id, meta) => {
          heard.push(id)
          if (meta.topic !== topic) strangers++
        }),
      )
    }
    return subscriptions
  }
  const used = async () => {
    // What was just ended may be held by the turn it ended in.
    await new Promise((resolve) => setImmediate(resolve))
    global.gc()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = await used()
  let subscriptions = []
  const acts = {
    subscribe: (prefix) => {
      subscriptions = listen(prefix)
      return subscriptions.length
    },
    count: () => heard.length,
    heard: () => {
      const all = heard
      heard = []
      return { all, strangers }
    },
    wakes: () => bus.stats().wakes,
    unsubscribe: async () => {
      for (const subscription of subscriptions) subscription.unsubscribe()
      subscriptions = []
      return (await used()) - before
    },
  }
  say('ready')
  for (;;) {
    const [what, ...args] = await hear()
    say(await acts[what](...args))
  }
}

async function ask(child, ...what) {
  child.say(what)
  return child.hear()
}

test('100,000 topics over 4 workers: each message arrives once at its subscribers, wakes nobody else, and all is given back', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '16mb', topics: 131_072 })
  const start = (which) =>
    runWith(t, { execArgv: ['--expose-gc', '--require', tickless] }, worker, {
      name,
      which,
      topics: TOPICS,
      workers: WORKERS,
    })
  const workers = Array.from({ length: WORKERS }, (_, which) => start(which))
  for (const child of workers) assert.equal(await child.hear(), 'ready')
  for (const child of workers) assert.equal(await ask(child, 'subscribe', 'room:'), TOPICS / WORKERS)
  assert.equal(bus.topics().filter((info) => info.subscribers === 1).length, TOPICS)

  // Random ones, each message with a number.
  const sent = Array.from({ length: WORKERS }, () => [])
  for (let id = 0; id < MESSAGES; id++) {
    const topic = Math.floor(Math.random() * TOPICS)
    sent[topic % WORKERS].push(id)
    if (!bus.publish(`room:${topic}`, id)) await new Promise((resolve) => bus.once('drain', resolve))
  }
  for (const [which, child] of workers.entries()) {
    let count = 0
    while (count < sent[which].length) count = await ask(child, 'count')
    const { all, strangers } = await ask(child, 'heard')
    assert.deepEqual(all, sent[which], 'each once, in order')
    assert.equal(strangers, 0)
  }

  // The others sleep on, whatever one of them is sent.
  const others = workers.slice(1)
  const woken = async () => Promise.all(others.map((child) => ask(child, 'wakes')))
  const before = await woken()
  for (let i = 0; i < 1000; i++) bus.publish(`room:${Math.floor(Math.random() * 25_000) * WORKERS}`, i)
  while ((await ask(workers[0], 'count')) < 1000);
  assert.deepEqual(await woken(), before, 'wakes of those who are not subscribed')

  // Entries and memory come back.
  for (const child of workers) {
    const more = await ask(child, 'unsubscribe')
    t.diagnostic(`${(more / 1e6).toFixed(1)} MB more than before its ${TOPICS / WORKERS} subscriptions`)
    assert.ok(more < 4e6, `${more} bytes are kept for subscriptions that ended`)
  }
  assert.equal(bus.topics().filter((info) => info.subscribers > 0).length, 0)
  for (const child of workers) assert.equal(await ask(child, 'subscribe', 'hall:'), TOPICS / WORKERS)
  bus.publish('hall:7', 'hi')
  let count = 0
  while (count < 1) count = await ask(workers[3], 'count')
  assert.deepEqual((await ask(workers[3], 'heard')).all, ['hi'])
})

'use strict'

// Bursts: whoever sleeps again in the middle of one is woken when it is over, however it ends, and if the publisher does not come
// to that, by itself.

const test = require('node:test')
const assert = require('node:assert')
require('./support/tickless')
const { once } = require('node:events')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { openBus, uniqueName } = require('./support/bus')
const { run } = require('./support/process')
const { until } = require('./support/wait')

const CLEAN = { code: 0, signal: null }

/** Hears `count` messages; what it is not woken for does not come. Says of those that end a burst that it has them. */
async function hear({ say }, name, count) {
  require('./lingerless')
  const bus = require('slabcast').open({ name })
  let heard = 0
  const all = new Promise((resolve) => {
    bus.subscribe('t', ({ number, isLast }) => {
      if (number !== heard++) throw new Error(`${number} came, ${heard - 1} was next`)
      if (isLast) bus.publish('heard', number)
      if (heard === count) resolve()
    })
  })
  await say('subscribed')
  await all
  await say('heard')
  await bus.close()
}

test('bursts of any length, with pauses in which a reader sleeps again, are heard whole', async (t) => {
  const READERS = 3
  const lengths = Array.from({ length: 1000 }, (_, at) => 1 + (at % 7))
  const count = lengths.reduce((sum, length) => sum + length, 0)
  const name = uniqueName()
  const bus = openBus(t, { name })
  const readers = Array.from({ length: READERS }, () => run(t, hear, name, count))
  for (const reader of readers) assert.strictEqual(await reader.hear(), 'subscribed')
  let done
  let left
  bus.subscribe('heard', () => {
    if (--left === 0) done()
  })
  let number = 0
  for (const [at, length] of lengths.entries()) {
    left = READERS
    const heard = new Promise((resolve) => {
      done = resolve
    })
    for (let more = length; more > 0; more--) {
      if (!bus.publish('t', { number: number++, isLast: more === 1 })) await once(bus, 'drain')
      // Long enough, now and then, for a reader to wake up, read and sleep again; no condition is waited for.
      const until = performance.now() + (at % 10) / 100
      while (performance.now() < until);
    }
    await heard
  }
  for (const reader of readers) {
    assert.strictEqual(await reader.hear(), 'heard')
    assert.deepStrictEqual(await reader.end(), CLEAN)
  }
  t.diagnostic(`${count} messages to each of ${READERS}, ${bus.stats().posts} posts`)
})

test('a burst that ends with its process is heard whole: process.exit, an exception, and close', async (t) => {
  const publish = async ({ say }, name, from, end) => {
    const bus = require('slabcast').open({ name })
    await say('open')
    for (let number = from; number < from + 20; number++) {
      bus.publish('t', { number })
      const until = performance.now() + 0.05
      while (performance.now() < until);
    }
    if (end === 'exit') process.exit(0)
    if (end === 'throw') throw new Error('as a program may end')
    if (end === 'close') bus.close()
  }
  const ROUNDS = 6
  const name = uniqueName()
  const reader = run(t, hear, name, ROUNDS * 20)
  assert.strictEqual(await reader.hear(), 'subscribed')
  for (let round = 0; round < ROUNDS; round++) {
    const publisher = run(t, publish, name, round * 20, ['exit', 'close', 'throw'][round % 3])
    assert.strictEqual(await publisher.hear(), 'open')
    await publisher.end()
  }
  assert.strictEqual(await reader.hear(), 'heard')
  assert.deepStrictEqual(await reader.end(), CLEAN)
})

test('a publisher that is busy after its last message keeps no reader waiting until it is done', async (t) => {
  const ROUNDS = 300
  const name = uniqueName()
  const bus = openBus(t, { name })
  // Of each round: how many messages were heard. The publisher blocks its thread until both were.
  const heard = new Int32Array(new SharedArrayBuffer(4))
  bus.subscribe('t', () => {
    Atomics.add(heard, 0, 1)
    Atomics.notify(heard, 0)
  })
  const worker = new Worker(path.join(__dirname, 'support/busy-publisher.js'), {
    workerData: { name, heard, rounds: ROUNDS },
  })
  let told
  worker.on('message', (message) => {
    told = message
  })
  await until(() => told !== undefined, 'all rounds are over')
  assert.strictEqual(told.failed, undefined)
  // In some of them the second message came when the reader slept again, and its post was to wait.
  assert.ok(told.owed > 0, `${told.owed} of ${ROUNDS}`)
  t.diagnostic(`in ${told.owed} of ${ROUNDS} rounds the second post was not made`)
})

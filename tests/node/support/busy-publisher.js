'use strict'

// Publishes two messages, and then blocks its thread until both were heard: round for round.

const { parentPort, workerData } = require('node:worker_threads')
const { open } = require('slabcast')

const { name, heard, rounds } = workerData
const WATCHDOG = 30_000

const bus = open({ name })
let owed = 0

/** Blocks until so many were heard. */
function waitFor(count) {
  const until = Date.now() + WATCHDOG
  for (;;) {
    const now = Atomics.load(heard, 0)
    if (now >= count) return true
    if (Date.now() > until) return false
    Atomics.wait(heard, 0, now, 1000)
  }
}

function round(at) {
  const before = bus.stats().posts
  bus.publish('t', 1)
  if (!waitFor(2 * at + 1)) return 'the first message of a round did not come'
  // For as long as a reader takes to sleep again, more or less.
  const until = performance.now() + (at % 30) / 300
  while (performance.now() < until);
  bus.publish('t', 2)
  const posts = bus.stats().posts - before
  if (!waitFor(2 * at + 2)) return 'the second message of a round did not come while its publisher was busy'
  if (posts === 1) owed++
  return undefined
}

let failed
for (let at = 0; at < rounds && failed === undefined; at++) failed = round(at)
parentPort.postMessage({ failed, owed })
bus.close()

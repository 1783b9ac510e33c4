// A process of a round: its main thread is an actor, and it starts and terminates the threads it is told to. The same file
// is what these run.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { Actor } from './actor.mjs'

if (isMainThread) {
  const [, , given] = process.argv
  const { about, round } = JSON.parse(given)
  const say = (from, what, facts) => process.connected && process.send({ from, what, ...facts })
  const workers = new Map()
  const actor = new Actor(
    about,
    round,
    (what, facts) => say(about.id, what, facts),
    () => process.exit(),
  )
  let ends = false

  const start = (about) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { about, round } })
    workers.set(about.id, worker)
    worker.on('message', ({ what, facts }) => say(about.id, what, facts))
    worker.on('error', (error) => say(about.id, 'fault', { error: error.stack }))
    worker.on('exit', () => {
      workers.delete(about.id)
      say(about.id, 'ended')
      if (ends && workers.size === 0 && process.connected) process.disconnect()
    })
  }

  const calls = {
    start: ({ about }) => start(about),
    terminate: ({ to }) => void workers.get(to)?.terminate(),
  }
  process.on('message', async (call) => {
    if (call.call in calls) return calls[call.call](call)
    if (call.to !== about.id) return workers.get(call.to)?.postMessage(call)
    if (call.call !== 'leave') return actor[call.call](call.value)
    ends = true
    await actor.leave(call.value)
    if (workers.size === 0 && process.connected) process.disconnect()
  })
  // The one who runs the round is gone, unless this process itself is about to end.
  process.on('disconnect', () => ends || process.exit())
  say(about.id, 'ready')
} else {
  const { about, round } = workerData
  const actor = new Actor(
    about,
    round,
    (what, facts) => parentPort.postMessage({ what, facts }),
    () => process.exit(),
  )
  parentPort.on('message', async ({ call, value }) => {
    await actor[call](value)
    if (call === 'leave') parentPort.close()
  })
  parentPort.postMessage({ what: 'ready' })
}

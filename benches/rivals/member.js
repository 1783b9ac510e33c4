'use strict'

// One process or thread of a trial: joins the system it is told, and publishes or subscribes.

const { isMainThread, parentPort } = require('node:worker_threads')
const messages = require('./messages')

/** Between two looks at the clock, and at the event loop. */
const BURST = 256
const TOPIC = 'room:100'

const parent = parentPort ?? process
const say = (word) => (parentPort ? parentPort.postMessage(word) : process.send(word))

/** The parent's word; a system may send messages of its own on the same channel. */
function told(is) {
  return new Promise((resolve) => {
    const hear = (message) => {
      if (!is(message)) return
      parent.off('message', hear)
      resolve(message)
    }
    parent.on('message', hear)
  })
}
const turn = () => new Promise((resolve) => setImmediate(resolve))
/** One clock for all processes. */
const now = () => Number(process.hrtime.bigint()) / 1e9

async function subscribe(member, { publishers, message }) {
  const { isWhole } = messages[message]
  const next = new Array(publishers).fill(1)
  let ended = 0
  let delivered = 0
  let failed
  let done
  const all = new Promise((resolve, reject) => {
    done = resolve
    failed = (text) => reject(new Error(text))
  })
  await member.subscribe(TOPIC, (message) => {
    const { from, n } = message
    if (n === -1) {
      if (message.count !== next[from] - 1) failed(`${next[from] - 1} of ${message.count} messages came`)
      if (++ended === publishers) done()
      return
    }
    if (n !== next[from]) failed(`message ${n} came, ${next[from]} was next`)
    if (!isWhole(message)) failed(`message ${n} is not what was published`)
    next[from]++
    delivered++
  })
  say('ready')
  await all
  return { delivered, ended: now() }
}

async function publish(member, { seconds, index, message }) {
  const { make } = messages[message]
  say('ready')
  await told((word) => word === 'go')
  const began = now()
  let count = 0
  while (now() - began < seconds) {
    for (let at = 0; at < BURST; at++) {
      const room = member.publish(TOPIC, make(index, ++count))
      if (room !== undefined) await room
      // Large messages take their time.
      if ((at & 15) === 15 && now() - began >= seconds) break
    }
    await turn()
  }
  await member.publish(TOPIC, { from: index, n: -1, count })
  return { began }
}

async function main() {
  const trial = await told((word) => word.system !== undefined)
  const { join } = require(`./systems/${trial.system}`)
  const member = await join(trial)
  const before = process.cpuUsage()
  const result = await (trial.role === 'publisher' ? publish : subscribe)(member, trial)
  const { user, system } = process.cpuUsage(before)
  // A thread's is its process'.
  const cpu = isMainThread ? (user + system) / 1e6 : 0
  say({ ...result, cpu, memory: process.resourceUsage().maxRSS * 1024 })
  await told((word) => word === 'end')
  await member.leave()
  if (isMainThread) process.disconnect()
}

main().catch((error) => {
  say({ error: error.stack })
})

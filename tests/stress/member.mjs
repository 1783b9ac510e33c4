// A process of run.mjs: publishes its share, reads everything, and gives an account of it.

import { once } from 'node:events'
import { openSync, writeSync } from 'node:fs'
import slabcast from '../../js/index.js'

const TOPICS = 3
/** Messages between two turns of the event loop. */
const AT_ONCE = 64
/** Messages between two notes of what is published. */
const NOTED = 16

const [name, me, processes, messages, death] = JSON.parse(process.argv[2])
const say = (kind, what) => new Promise((resolve) => process.send({ kind, ...what }, resolve))
const orders = {}
const told = {}
for (const order of ['go', 'last', 'leave']) {
  told[order] = new Promise((resolve) => {
    orders[order] = resolve
  })
}
process.on('message', (order) => orders[order]())
const wrong = (what) => {
  throw new Error(`process ${me}: ${what}`)
}
process.on('disconnect', () => process.exit(1))

const letters = Array.from({ length: 26 }, (_, at) => String.fromCharCode(97 + at).repeat(300))
/** What message `number` of a process says: anyone can tell. */
const text = (from, number) => letters[(from * 7 + number) % 26].slice(0, (number * 13 + from) % 300)

// Nobody is cut off, however slow the machine is.
const bus = slabcast.open({ name, size: '2mb', topics: 64, members: 16, stallTimeout: Number.POSITIVE_INFINITY })
const counts = new Array(processes).fill(0)
const sequences = new Array(TOPICS).fill(0)
let digest = 0
let position

bus.on('gap', (gap) => wrong(`a gap: ${JSON.stringify(gap)}`))
const lastRead = new Promise((resolve) => {
  for (let topic = 0; topic < TOPICS; topic++) {
    bus.subscribe(`t${topic}`, (message, meta) => {
      if (position !== undefined && meta.position !== position + 1)
        wrong(`position ${meta.position} after ${position}: one is lost, doubled or out of order`)
      position = meta.position
      if (meta.sequence !== ++sequences[topic]) wrong(`topic ${topic}: ${meta.sequence} instead of ${sequences[topic]}`)
      if (message === 'last') return resolve()
      const { from, number } = message
      if (number !== counts[from]) wrong(`message ${number} of process ${from} instead of ${counts[from]}`)
      if (message.text !== text(from, number)) wrong(`message ${number} of process ${from} is torn`)
      counts[from]++
      digest = (Math.imul(digest, 31) + position * 16 + topic * 4 + from) | 0
    })
  }
})
await say('subscribed')
await told.go

const notes = death && openSync(death.notes, 'w')
const noted = new Float64Array(1)
for (let number = 0; number < messages; number++) {
  if (!bus.publish(`t${number % TOPICS}`, { from: me, number, text: text(me, number) })) await once(bus, 'drain')
  if (death && number % NOTED === 0) {
    noted[0] = number + 1
    writeSync(notes, noted, 0, 8, 0)
  }
  if (number === death?.when) say('in the middle')
  if (number % AT_ONCE === 0) await new Promise(setImmediate)
}
// Who is to be killed waits for it, should it come late.
if (death) await new Promise(() => setInterval(() => {}, 1000))

told.last.then(() => bus.publish('t0', 'last'))
await say('published')
await lastRead
await say('account', { counts, sequences, digest, position })
await told.leave
await bus.close()
process.exit(0)

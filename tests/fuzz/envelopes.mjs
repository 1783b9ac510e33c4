// Hostile envelopes for those who ask and those who respond: js/requests and js/responding, on no bus but one that is made up here,
// hear whatever can be decoded. What must hold: nothing is thrown into the event loop, each request ends once and in time, by an
// answer or by the end of its time, with no more results than those who were asked may give.
//
//     node tests/fuzz/envelopes.mjs [--seconds 10] [--seed n]

import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { random } from './random.mjs'

const require = createRequire(import.meta.url)
const { decode, encode } = require('../../js/codec')
const { Requests } = require('../../js/requests')
const { Responding } = require('../../js/responding')
const { deliver, Subscription } = require('../../js/subscription')

/** In ms: a turn that takes this long hangs. */
const SLOW = 2000
const MEMBERS = [1, 2, 3]
/** Of a group: small, so that numbers of envelopes hit it. */
const ROW = 2
const HANDLE = { check() {} }
const FACTS = { member: 1, maxMessage: 1 << 16, topics: 16 }
/** What one member can announce: see docs/format.md. */
const COUNT_MAX = 0xffff

/** Anything that a body can hold. */
function anyValue(r, depth = 0) {
  const kinds = [
    () => r.pick([0, 1, 2, 3, -1, 0.5, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.NaN, Number.POSITIVE_INFINITY, -0]),
    () => r.below(8),
    () => r.pick([null, undefined, true, false, '', 'x'.repeat(300), '__proto__', 2n ** 70n, new Date(Number.NaN)]),
    () => r.pick([new Map([[1, 2]]), new Set([1]), /x/g, new Error('e'), Buffer.alloc(3), new Float64Array(2)]),
    () => Array.from({ length: r.below(5) }, () => anyValue(r, depth + 1)),
    () => {
      const keys = ['name', 'message', 'code', 'stack', 'toString', 'valueOf', 'then', 'length', 'constructor']
      return Object.fromEntries(Array.from({ length: r.below(5) }, () => [r.pick(keys), anyValue(r, depth + 1)]))
    },
  ]
  return depth > 3 ? r.below(5) : r.pick(kinds)()
}

/** What a handler's error travels as, more or less. */
function anyError(r) {
  const part = () => r.pick([undefined, 'text', anyValue(r), { toString: 1 }, { toString: 'x', valueOf: [] }])
  return { name: part(), message: part(), code: part(), stack: part() }
}

/** An envelope, more or less. */
function anyEnvelope(r) {
  if (r.below(8) === 0) return anyValue(r)
  const part = () => (r.below(4) === 0 ? anyValue(r) : r.below(6))
  const three = [part(), part(), r.below(3) === 0 ? anyError(r) : anyValue(r)]
  if (r.below(10) === 0) three.push(1)
  return r.below(10) === 0 ? three.slice(1) : three
}

/** A membership that keeps what is sent. */
function made(r, sent) {
  const readings = []
  const groups = r.pick([[], [ROW], [ROW, ROW + 1]])
  const owner = {
    closed: false,
    outboxIsEmpty: true,
    check() {},
    read(subscription) {
      readings.push(subscription)
      return { row: ROW }
    },
    unread: (subscription) => readings.splice(readings.indexOf(subscription), 1),
    beginning: () => ({ from: 0, before: 0 }),
    setNamed() {},
    position: () => 0,
    asked: () => ({ members: MEMBERS, groups }),
    publishedTo: () => 2,
    readersOf: () => MEMBERS.filter(() => r.below(2) === 0),
    gone: (members) => members.filter(() => r.below(2) === 0),
    lostInGroups: (_to, all) => [...all.keys()].filter(() => r.below(2) === 0),
    isLive: () => true,
    keepTaken() {},
    whenRead: (act) => act(),
    publishInside(_handle, { name }, bytes, sending) {
      sending?.before?.()
      sent.push({ name, value: decode(bytes) })
      sending?.after?.()
      return true
    },
  }
  return { owner, readings }
}

async function one(r) {
  const sent = []
  const { owner, readings } = made(r, sent)
  const requests = new Requests(FACTS, owner)
  const responding = new Responding(FACTS, owner)
  const options = { echo: true, once: false, raw: false }
  const handlers = r.below(3)
  const nobody = { ended() {}, referenceChanged() {} }
  const answers = [
    () => 'answer',
    () => Promise.reject(new Error('no')),
    () => new Promise(() => {}),
    (message) => message,
  ]
  for (let at = 0; at < handlers; at++) responding.add(HANDLE, new Subscription('t', r.pick(answers), options, nobody))
  const asked = []
  for (let count = 1 + r.below(3); count > 0; count--) {
    const all = r.below(2) === 0
    const answer = requests.ask(HANDLE, 't', 1, { timeout: 1 + r.below(3), signal: undefined, all })
    asked.push({ all, ended: Promise.allSettled([answer]) })
  }
  const before = performance.now()
  for (let count = r.below(30); count > 0; count--) {
    // As it comes: through the codec.
    const envelope = decode(encode(anyEnvelope(r)))
    const meta = {
      topic: 'x',
      sequence: 1,
      position: 1,
      publisher: { member: r.pick([1, 2, 3, 9]), pid: 1 },
      timestamp: 0,
    }
    for (const reading of [...readings]) reading[deliver](envelope, meta)
  }
  // Mostly nobody waits for the end of their time: they are told that the bus is gone.
  const isLost = r.below(8) > 0
  if (isLost) requests.close(new Error('lost'))
  for (const { all, ended } of asked) {
    const [result] = await ended
    if (!all || (isLost && result.status === 'rejected')) continue
    if (result.status !== 'fulfilled') throw new Error(`all were asked for, and it is ${result.reason}`)
    const most = MEMBERS.length * COUNT_MAX + 30
    if (result.value.length > most) throw new Error(`${result.value.length} results`)
  }
  const taken = performance.now() - before
  if (taken > SLOW) throw new Error(`it took ${taken.toFixed(0)} ms`)
  for (const { name } of sent)
    if (!/^\$slabcast\/(ask\/t|reply\/\d{1,10})$/.test(String(name))) throw new Error(`sent to ${name}`)
  owner.closed = true
  requests.close(new Error('over'))
}

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '10' }, seed: { type: 'string' } } })
const { seed } = random(values.seed)
console.log(`envelopes: --seed ${seed}`)
const end = performance.now() + values.seconds * 1000
let count = 0
/** Each input from a seed of its own, so that it replays alone. */
let current = seed
process.on('uncaughtException', (error) => {
  console.error(`envelopes: --seed ${current} --seconds 0: ${error.stack}`)
  process.exit(1)
})
// Those of requests keep nothing alive.
const alive = setInterval(() => {}, 1000)
do {
  current = seed + count++
  await one(random(current))
  // What was thrown into the event loop comes out.
  await new Promise(setImmediate)
} while (performance.now() < end)
clearInterval(alive)
console.log(`envelopes: ${count} inputs`)

'use strict'

// Question: what stands in the way of one publisher and one subscriber of small objects? Each half alone, then both.
// Prints nanoseconds and CPU nanoseconds per message, the fastest of some passes in each round: of encoding alone, of
// publishing while nobody is subscribed, and while the subscriber is held; of draining what has gathered, while nobody publishes; and of both at once. What both at once take more than the slower half,
// is what two cores pay for sharing lines (or one for two processes).
// Run: node benches/node/floors.js [--quick] [--rounds 5] [--json FILE]

const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const { open } = require('../..')
const { Encoder } = require('../../js/codec')
const { small } = require('../rivals/messages')
const bench = require('../report')

const ROLE = process.env.SLABCAST_BENCH_ROLE
const TOPIC = 'room:100'
/** Of 128 bytes each, half of the slab: there is room, and who is held is in nobody's way. */
const GATHERED = 65_536
const BURST = 256
/** Passes of which the fastest counts: what is compiled and touched first, or met other work of the machine, is not what is asked for. */
const PASSES = 8

const turn = () => new Promise((resolve) => setImmediate(resolve))
const ns = () => Number(process.hrtime.bigint())
const cpu = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) * 1000
}

/** Time and CPU of `count` publishes, per message. */
async function publish(bus, count, gives) {
  const [start, used] = [ns(), cpu()]
  for (let n = 1; n <= count; n++) {
    if (!bus.publish(TOPIC, small.make(0, n))) await once(bus, 'drain')
    if (gives && n % BURST === 0) await turn()
  }
  return { start, ns: (ns() - start) / count, cpu: (cpu() - used) / count }
}

/** The same without a bus. */
function encode(count) {
  const encoder = new Encoder()
  const [start, used] = [ns(), cpu()]
  for (let n = 1; n <= count; n++) encoder.encode(small.make(0, n))
  return { ns: (ns() - start) / count, cpu: (cpu() - used) / count }
}

/** The fastest of some passes. */
async function fastest(pass) {
  let best
  for (let at = 0; at < PASSES; at++) {
    const found = await pass()
    if (best === undefined || found.ns < best.ns) best = found
  }
  return best
}

async function round(quick) {
  const name = `bench-floors-${process.pid}`
  const count = quick ? GATHERED / 8 : GATHERED
  const bus = open({ name })
  const found = {}
  found['make and encode'] = await fastest(async () => encode(count))
  found['publish, nobody subscribed'] = await fastest(() => publish(bus, count, false))
  const child = fork(__filename, [name], {
    env: { ...process.env, SLABCAST_BENCH_ROLE: 'subscriber' },
    stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
  })
  const hears = async () => (await once(child, 'message'))[0]
  await hears()
  const ask = (word) => {
    child.send(word)
    return hears()
  }
  const drains = []
  found['publish, the subscriber is held'] = await fastest(async () => {
    await ask({ hold: true, count })
    const published = await publish(bus, count, false)
    const drained = hears()
    child.stdin.write('.')
    drains.push(await drained)
    return published
  })
  found['drain, nobody publishes'] = drains.sort((a, b) => a.ns - b.ns)[0]
  const many = count * 4
  found['both at once'] = await fastest(async () => {
    await ask({ hold: false, count: many })
    const drained = hears()
    const published = await publish(bus, many, true)
    const { end, cpu } = await drained
    return { ns: (end - published.start) / many, cpu: published.cpu + cpu }
  })
  child.send('end')
  await once(child, 'exit')
  await bus.close()
  return found
}

async function main() {
  const { values } = bench.given('rounds')
  const report = new bench.Report('floors', 'what stands in the way of one publisher and one subscriber?')
  const rounds = []
  for (let at = 0; at < Number(values.rounds ?? (values.quick ? 1 : 5)); at++) rounds.push(await round(values.quick))
  const lines = Object.keys(rounds[0]).map((row) => [
    row,
    report.add(
      row,
      'slabcast',
      'time',
      'ns per message',
      rounds.map((found) => found[row].ns),
    ),
    report.add(
      row,
      'slabcast',
      'cpu',
      'ns per message',
      rounds.map((found) => found[row].cpu),
    ),
  ])
  const slower = ({ ns }, other) => Math.max(ns, other.ns)
  const more = rounds.map(
    (found) =>
      found['both at once'].ns / slower(found['publish, the subscriber is held'], found['drain, nobody publishes']),
  )
  lines.push(['both at once, of the slower half', report.add('both at once', 'the slower half', 'time', 'x', more), ''])
  bench.table(['', 'ns per message', 'CPU ns per message'], lines)
  report.save(values.json)
}

/** Drains what it is told to, and tells what that took. */
function subscriber(name) {
  const bus = open({ name })
  let [left, count, first, used] = [0, 0, 0, 0]
  bus.subscribe(TOPIC, (message) => {
    if (!small.isWhole(message)) throw new Error(`message ${message.n} is not what was published`)
    // From the second one on: what comes before is the wake-up.
    if (left === count - 1) [first, used] = [ns(), cpu()]
    if (--left > 0) return
    const end = ns()
    process.send({ end, ns: (end - first) / count, cpu: (cpu() - used) / count })
  })
  process.on('message', (word) => {
    if (word === 'end') {
      bus.close().then(() => process.disconnect())
      return
    }
    left = count = word.count
    // Until a byte comes it does nothing at all; said before, for nothing is said meanwhile.
    process.send('held', () => word.hold && fs.readSync(0, Buffer.alloc(1)))
  })
  process.send('ready')
}

if (ROLE === 'subscriber') subscriber(process.argv[2])
else main()

'use strict'

// Question: what do the others notice when 1 of 8 readers is stopped (SIGSTOP) for 30 s under full load, and is what it is
// told afterwards exact?
// Prints messages per second before, during and after, the longest time a publisher waited (false to 'drain'), when the
// reader was cut off, the gaps it was told, the most memory of each process, and the processors used.
// Run: npm run bench:stall -- [--seconds 30] [--around 10] [--readers 8] [--publishers 2] [--stall-timeout 2000]

const { execFileSync, fork } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const { parseArgs } = require('node:util')

const ROLE = process.env.SLABCAST_BENCH_ROLE

const chat = (n) => ({
  ...{ cat: 1, biz: 2, cmd: 1000 + (n % 50), id: n, groupId: `room${n % 20}`, cst: 1682302513688 + n },
  ...{
    pos: { x: n % 100, y: 12, z: 200 },
    rot: { x: 0, y: (n * 7) % 360, z: 0 },
    uuid: `u-${(n * 2654435761) % 2 ** 32}`,
  },
})

/** Counts per second of the clock all processes share. */
class Seconds {
  counts = {}
  add(count = 1) {
    const second = Math.floor(Date.now() / 1000)
    this.counts[second] = (this.counts[second] ?? 0) + count
  }
}

const told = () => new Promise((resolve) => process.once('message', resolve))

async function publisher({ bus: name, topic, stallTimeout }) {
  const bus = require('../..').open({ name, stallTimeout })
  const seconds = new Seconds()
  const waits = []
  const cuts = []
  const looking = setInterval(() => {
    const { cutOffs } = bus.stats()
    while (cuts.length < cutOffs) cuts.push(Date.now())
  }, 10)
  process.send('ready')
  await told()
  let sent = 0
  let isEnding = false
  told().then(() => {
    isEnding = true
  })
  while (!isEnding) {
    for (let burst = 0; burst < 64; burst++) {
      const isIn = bus.publish(topic, chat(++sent))
      seconds.add()
      if (isIn) continue
      const at = Date.now()
      const started = performance.now()
      await new Promise((resolve) => bus.once('drain', resolve))
      waits.push([performance.now() - started, at])
    }
    await new Promise(setImmediate)
  }
  clearInterval(looking)
  process.send({ sent, waits, cuts, seconds: seconds.counts, stats: bus.stats() })
  await told()
  await bus.close()
}

async function reader({ bus: name, topics }) {
  const bus = require('../..').open({ name })
  const seconds = new Seconds()
  const state = Object.fromEntries(topics.map((topic) => [topic, { next: 1, delivered: 0, lost: 0, faults: 0 }]))
  const gaps = []
  bus.on('gap', (gap) => {
    const at = state[gap.topic]
    if (gap.from !== at.next || gap.to - gap.from + 1 !== gap.lost) at.faults++
    at.next = gap.to + 1
    at.lost += gap.lost
    gaps.push({ ...gap, at: Date.now() })
  })
  for (const topic of topics) {
    const at = state[topic]
    bus.subscribe(topic, (message, meta) => {
      if (meta.sequence !== at.next || message.id !== at.next) at.faults++
      at.next = meta.sequence + 1
      at.delivered++
      seconds.add()
    })
  }
  process.send('ready')
  const totals = await told()
  while (topics.some((topic) => state[topic].next <= totals[topic]))
    await new Promise((resolve) => setTimeout(resolve, 10))
  process.send({ state, gaps, seconds: seconds.counts })
  await told()
  await bus.close()
}

class Child {
  #messages = []
  #wanted
  constructor(role, given) {
    this.role = role
    this.process = fork(__filename, { env: { ...process.env, SLABCAST_BENCH_ROLE: role } })
    this.process.on('message', (message) => {
      this.#messages.push(message)
      this.#wanted?.()
    })
    this.process.send(given)
    this.memory = 0
  }
  say(what) {
    this.process.send(what)
  }
  async hear() {
    while (this.#messages.length === 0) await new Promise((resolve) => (this.#wanted = resolve))
    return this.#messages.shift()
  }
  look() {
    const status = fs.readFileSync(`/proc/${this.process.pid}/status`, 'utf8')
    this.memory = Math.max(this.memory, Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024)
  }
  /** Seconds of processor used so far. */
  get cpu() {
    const fields = fs.readFileSync(`/proc/${this.process.pid}/stat`, 'utf8').split(') ')[1].split(' ')
    return (Number(fields[11]) + Number(fields[12])) / 100
  }
}

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const thousands = (each) => `${(each / 1000).toFixed(1)} k`

/** Mean and spread of the whole seconds from `from` to `to` (ms). */
function perSecond(counts, from, to) {
  const values = []
  for (let second = Math.ceil(from / 1000); second < Math.floor(to / 1000); second++) values.push(counts[second] ?? 0)
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length
  return `${thousands(mean)} (${thousands(Math.min(...values))} to ${thousands(Math.max(...values))})`
}

function summed(all) {
  const sum = {}
  for (const counts of all)
    for (const [second, count] of Object.entries(counts)) sum[second] = (sum[second] ?? 0) + count
  return sum
}

async function main() {
  const option = (value) => ({ type: 'string', default: value })
  const { values } = parseArgs({
    options: {
      ...{ seconds: option('30'), around: option('10'), readers: option('8'), publishers: option('2') },
      ...{ 'stall-timeout': option('2000') },
    },
  })
  const [stopped, around] = [Number(values.seconds) * 1000, Number(values.around) * 1000]
  const stallTimeout = Number(values['stall-timeout'])
  const bus = `bench-stall-${process.pid}`
  const topics = Array.from({ length: Number(values.publishers) }, (_, n) => `t${n}`)
  const readers = Array.from({ length: Number(values.readers) }, () => new Child('reader', { bus, topics }))
  for (const reader of readers) await reader.hear()
  const publishers = topics.map((topic) => new Child('publisher', { bus, topic, stallTimeout }))
  for (const publisher of publishers) await publisher.hear()
  const all = [...publishers, ...readers]
  const [frozen, ...others] = readers
  const looking = setInterval(() => {
    for (const child of all) child.look()
  }, 100)
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: __dirname, encoding: 'utf8' }).trim()
  console.log(
    `${os.cpus().length} x ${os.cpus()[0].model.trim()}, Linux ${os.release()}, Node ${process.version}, commit ${commit}, ${new Date().toISOString().slice(0, 10)}, load ${os.loadavg()[0].toFixed(1)}`,
  )
  const cpus = () => all.map((child) => child.cpu)
  const mark = () => ({ at: Date.now(), cpus: cpus() })
  for (const publisher of publishers) publisher.say('go')
  await later(2000)
  const marks = [mark()]
  await later(around)
  marks.push(mark())
  process.kill(frozen.process.pid, 'SIGSTOP')
  await later(stopped)
  process.kill(frozen.process.pid, 'SIGCONT')
  marks.push(mark())
  await later(around)
  marks.push(mark())
  for (const publisher of publishers) publisher.say('end')
  const sent = []
  for (const publisher of publishers) sent.push(await publisher.hear())
  const totals = Object.fromEntries(topics.map((topic, at) => [topic, sent[at].sent]))
  for (const reader of readers) reader.say(totals)
  const read = new Map()
  for (const reader of readers) read.set(reader, await reader.hear())
  clearInterval(looking)

  const [, stop, goOn] = marks.map(({ at }) => at)
  const published = summed(sent.map(({ seconds }) => seconds))
  const phases = ['before', 'stopped', 'after']
  console.log(`\n| | ${phases.join(' | ')} |\n|---|---|---|---|`)
  const row = (name, of) => console.log(`| ${name} | ${phases.map((_, n) => of(marks[n], marks[n + 1])).join(' | ')} |`)
  row('published per second', (from, to) => perSecond(published, from.at, to.at))
  const each = summed(others.map((child) => read.get(child).seconds))
  for (const second of Object.keys(each)) each[second] /= others.length
  row(`delivered per second to each of the ${others.length} others`, (from, to) => perSecond(each, from.at, to.at))
  row('delivered per second to the stopped one', (from, to) => perSecond(read.get(frozen).seconds, from.at, to.at))
  const waits = sent.flatMap(({ waits }) => waits)
  const longest = (from, to) => {
    const within = waits.filter(([, at]) => at >= from.at && at < to.at).map(([waited]) => waited)
    return within.length === 0 ? 'none' : `${Math.max(...within).toFixed(0)} ms (of ${within.length})`
  }
  row("longest wait of a publisher, false to 'drain'", longest)
  row('processors used, all together', (from, to) => {
    const used = to.cpus.reduce((sum, cpu, at) => sum + cpu - from.cpus[at], 0)
    return (used / ((to.at - from.at) / 1000)).toFixed(2)
  })
  const cuts = sent.flatMap(({ cuts }) => cuts).sort((a, b) => a - b)
  console.log(`\ncut off: ${cuts.map((at) => `${((at - stop) / 1000).toFixed(2)} s`).join(', ')} after the stop`)
  for (const { topic, from, to, lost, at } of read.get(frozen).gaps)
    console.log(`told ${at - goOn} ms after it went on: ${topic} ${from} to ${to}, ${lost} lost`)
  let isExact = true
  for (const child of readers) {
    const { state } = read.get(child)
    for (const topic of topics) {
      const { delivered, lost, faults } = state[topic]
      const isRight = faults === 0 && delivered + lost === totals[topic] && (child === frozen || lost === 0)
      isExact &&= isRight
      if (child === frozen || !isRight)
        console.log(
          `${topic}: published ${totals[topic]} = delivered ${delivered} + lost ${lost}: ${isRight ? 'exact' : `WRONG, ${faults} faults`}`,
        )
    }
  }
  console.log(
    `all ${readers.length} readers ${isExact ? 'exact: each message once, in order, or told as lost' : 'NOT EXACT'}`,
  )
  const memory = (children) => children.map((child) => child.memory.toFixed(0)).join(', ')
  console.log(
    `most resident memory, MiB (the slab of 16 in each): publishers ${memory(publishers)}; readers ${memory(readers)}`,
  )
  for (const child of all) child.say('bye')
  if (!isExact) process.exitCode = 1
}

if (ROLE) {
  process.on('disconnect', () => process.exit(1))
  process.once('message', (given) => {
    ;(ROLE === 'publisher' ? publisher(given) : reader(given)).then(() => process.disconnect())
  })
} else main()

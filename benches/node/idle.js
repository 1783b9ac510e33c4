'use strict'

// Question: what does a process with 1,000 subscriptions cost while nothing is published?
// Prints CPU milliseconds and wake-ups (voluntary context switches of all its threads) of each second, median and spread, beside a
// ZeroMQ subscriber of as many topics and a process that only listens on a socket; all at the same time.
// Run: node benches/node/idle.js [--quick] [--json FILE]     ZeroMQ needs benches/rivals/setup.mjs

const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const bench = require('../report')

const TOPICS = 1000
/** Before the first look: what starting up leaves behind is over. */
const SETTLING_MS = 8000

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const topics = Array.from({ length: TOPICS }, (_, at) => `room:${String(at).padStart(4, '0')}`)

/** What each idle process does first. */
const IDLE = {
  slabcast() {
    const bus = require('../..').open({ name: `bench-idle-${process.ppid}` })
    for (const topic of topics) bus.subscribe(topic, () => {})
  },
  zeromq() {
    const { Subscriber } = require('../rivals/node_modules/zeromq')
    const socket = new Subscriber()
    socket.connect(`ipc://${path.join(os.tmpdir(), `bench-idle-${process.ppid}.zmq`)}`)
    for (const topic of topics) socket.subscribe(topic)
    socket.receive().catch(() => {})
  },
  'a socket server': () => {
    net.createServer().listen(0, '127.0.0.1')
  },
}

/** Processor milliseconds and voluntary switches so far, of all threads. */
function look(pid) {
  const at = { cpu: 0, switches: 0 }
  for (const task of fs.readdirSync(`/proc/${pid}/task`)) {
    const read = (file) => fs.readFileSync(`/proc/${pid}/task/${task}/${file}`, 'utf8')
    at.cpu += Number(read('schedstat').split(' ')[0]) / 1e6
    at.switches += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(read('status'))[1])
  }
  return at
}

async function main() {
  const { values } = bench.given()
  const seconds = values.quick ? 3 : 20
  const report = new bench.Report(
    'idle',
    `what do ${TOPICS.toLocaleString('en')} subscriptions cost while nothing comes?`,
  )
  const children = []
  for (const who of Object.keys(IDLE)) {
    if (who === 'zeromq' && !fs.existsSync(path.join(__dirname, '../rivals/node_modules/zeromq'))) {
      console.log('  zeromq is skipped: node benches/rivals/setup.mjs installs it')
      continue
    }
    const child = fork(__filename, [who], { env: { ...process.env, SLABCAST_BENCH_ROLE: 'idle' } })
    await once(child, 'message')
    children.push({ who, child })
  }
  await later(SETTLING_MS)
  // Second by second: V8 collects, once in many seconds, what starting up has left, whoever idles.
  const seen = children.map(({ child }) => [look(child.pid)])
  for (let second = 1; second <= seconds; second++) {
    await later(1000)
    children.forEach(({ child }, at) => void seen[at].push(look(child.pid)))
  }
  const lines = children.map(({ who }, at) => {
    const each = (of) => seen[at].slice(1).map((after, second) => after[of] - seen[at][second][of])
    const add = (measure, unit, of) => report.add(`${TOPICS} subscriptions`, who, measure, unit, each(of))
    return [who, add('cpu', 'ms/s', 'cpu'), add('wake-ups', 'per second', 'switches')]
  })
  for (const { child } of children) child.kill('SIGKILL')
  fs.rmSync(path.join(os.tmpdir(), `bench-idle-${process.pid}.zmq`), { force: true })
  bench.table([`each of ${seconds} s`, 'CPU ms/s', 'wake-ups/s'], lines)
  report.save(values.json)
}

if (process.env.SLABCAST_BENCH_ROLE === 'idle') {
  IDLE[process.argv[2]]()
  // The channel would be one more thing that wakes it.
  process.send('ready', () => process.disconnect())
} else main()

'use strict'

// Question: how long does it take to open a bus, and how much memory does an idle one take in each process?
// Prints milliseconds to create a bus and to attach to one that is there, the first time in a process (the addon is loaded
// already) and later; and the resident KiB of a process that is attached and idle beyond those of one that has loaded the addon
// and left, by kind: its own memory (heap, stacks), shared memory (pages of the segment it has touched, which all its processes
// share), and files (code, mapped by all who run it). The floor of creating is what the kernel takes to give and clear as many
// pages: a file of that size, written into /dev/shm.
// Run: node benches/node/open.js [--quick] [--json FILE]

const { fork } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const path = require('node:path')
const bench = require('../report')

/** Longer than a bus takes to touch, behind one's back, what it touches ahead of use. */
const SETTLING_MS = 3000
const TIMES = 10
/** The slab and the tables of a bus with the default options. */
const SEGMENT_BYTES = 19_505_152

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** KiB, after a collection: garbage of opening is nobody's idle memory. */
function resident() {
  for (let times = 0; times < 3; times++) global.gc()
  const status = fs.readFileSync('/proc/self/status', 'utf8')
  const of = (what) => Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(status)[1])
  return { own: of('RssAnon'), shared: of('RssShmem'), files: of('RssFile') }
}

/** A process that opens buses of these names, stays for so long, and says what that took. */
async function opener({ names, ms }) {
  const { open } = require('../..')
  // The addon is loaded with the first use of a bus: of another one.
  const other = open({ name: `bench-open-${process.pid}-other` })
  await other.close()
  const took = []
  const buses = names.map((name) => {
    const start = performance.now()
    const bus = open({ name })
    took.push(performance.now() - start)
    return bus
  })
  buses[0]?.subscribe('room:100', () => {})
  await later(ms)
  const memory = resident()
  await Promise.all(buses.map((bus) => bus.close()))
  process.send({ took, memory })
  process.disconnect()
}

async function ask(names, ms = 0) {
  const env = { ...process.env, SLABCAST_BENCH_ROLE: JSON.stringify({ names, ms }) }
  const [said] = await once(fork(__filename, { execArgv: ['--expose-gc'], env }), 'message')
  return said
}

const zeros = Buffer.alloc(SEGMENT_BYTES)

/** Milliseconds. */
function floor() {
  const file = path.join('/dev/shm', `bench-open-${process.pid}`)
  const start = performance.now()
  fs.writeFileSync(file, zeros)
  const took = performance.now() - start
  fs.rmSync(file)
  return took
}

async function main() {
  const { open } = require('../..')
  const { values } = bench.given()
  const report = new bench.Report('open', 'how long does it take to open a bus, and what memory does it take?')
  const processes = values.quick ? 3 : 15
  const named = (what) => Array.from({ length: TIMES }, (_, at) => `bench-open-${process.pid}-${what}-${at}`)

  const there = named('there').map((name) => open({ name }))
  const found = { create: [], attach: [] }
  const floors = []
  for (let at = 0; at < processes; at++) {
    found.create.push((await ask(named('new'))).took)
    found.attach.push((await ask(named('there'))).took)
    floors.push(floor())
  }
  const lines = Object.entries(found).map(([what, all]) => {
    const add = (row, numbers) => report.add(row, 'slabcast', what, 'ms', numbers)
    return [
      what,
      add(
        'first open of a process',
        all.map(([first]) => first),
      ),
      add(
        'later open',
        all.flatMap(([, ...later]) => later),
      ),
    ]
  })
  lines.push(['floor of creating', '', report.add('floor', 'write to /dev/shm', 'create', 'ms', floors)])
  bench.table(['open', 'first of a process, ms', 'later, ms'], lines)

  const kinds = { own: 'its own memory', shared: 'shared memory', files: 'files' }
  const idle = []
  for (let at = 0; at < (values.quick ? 2 : 9); at++) {
    const [without, attached] = await Promise.all([ask([], SETTLING_MS), ask(named('there').slice(0, 1), SETTLING_MS)])
    const added = (kind) => attached.memory[kind] - without.memory[kind]
    idle.push(Object.fromEntries(Object.keys(kinds).map((kind) => [kind, added(kind)])))
  }
  const added = Object.entries(kinds).map(([kind, what]) => [
    what,
    report.add(
      'an attached, idle bus adds',
      'slabcast',
      kind,
      'KiB',
      idle.map((one) => one[kind]),
    ),
  ])
  const all = idle.map(({ own, shared, files }) => own + shared + files)
  added.push(['together', report.add('an attached, idle bus adds', 'slabcast', 'together', 'KiB', all)])
  bench.table(['an attached, idle bus adds', 'KiB'], added)
  for (const bus of there) await bus.close()
  report.save(values.json)
}

if (process.env.SLABCAST_BENCH_ROLE === undefined) main()
else opener(JSON.parse(process.env.SLABCAST_BENCH_ROLE))

// npm run bench:rivals -- [--quick] [--seconds 1] [--rounds 5] [--rows part] [--systems name,name] [--json FILE]
//
// Question: how many times as fast as what one would use instead is slabcast, from end to end, and at what cost in CPU?
// Prints, by row: messages per second or microseconds of a round trip, CPU seconds per million deliveries or round trips, the
// most memory of a process, and the ratio to slabcast within the same round, as medians with the smallest and largest.

import { createRequire } from 'node:module'
import bench from '../report.js'
import { trial } from './trial.mjs'

const require = createRequire(import.meta.url)

const INSTALLED = ['redis', 'nats', 'zeromq', 'node-ipc']
const SYSTEMS = ['slabcast', 'mesh', 'relay', 'process-send', ...INSTALLED, 'broadcast-channel']
const ROWS = [
  { name: 'small object, 1 to 1', message: 'small', publishers: 1, subscribers: 1 },
  { name: 'small object, 1 to 2', message: 'small', publishers: 1, subscribers: 2 },
  { name: 'small object, 1 to 4', message: 'small', publishers: 1, subscribers: 4 },
  { name: 'small object, 4 to 1', message: 'small', publishers: 4, subscribers: 1 },
  { name: '1,000 topics, 1 to a quarter of 4', message: 'small', publishers: 1, subscribers: 4, topics: 1000 },
  { name: '1 KiB string, 1 to 1', message: '1 KiB', publishers: 1, subscribers: 1 },
  { name: '64 KiB string, 1 to 1', message: '64 KiB', publishers: 1, subscribers: 1 },
  { name: 'round trip, small object', message: 'small', roundTrip: true },
  { name: 'round trip, 64 KiB string', message: '64 KiB', roundTrip: true },
  { name: 'request, small object', message: 'small', roundTrip: true, request: true },
]
const MiB = 2 ** 20

const { values } = bench.given('seconds', 'rounds', 'rows', 'systems')
const seconds = Number(values.seconds ?? (values.quick ? 0.3 : 1))
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
if (!(seconds > 0) || !(rounds >= 1)) throw new Error('--seconds and --rounds are to be positive numbers')
const rows = ROWS.filter(({ name }) => name.includes(values.rows ?? ''))
if (rows.length === 0) throw new Error(`no row of that name: ${ROWS.map(({ name }) => name).join('; ')}`)
const systems = ['slabcast', ...(values.systems?.split(',') ?? SYSTEMS).filter((name) => name !== 'slabcast')]
for (const name of systems)
  if (!SYSTEMS.includes(name)) throw new Error(`no such system: ${name} (${SYSTEMS.join(', ')})`)

/** Those that can do a row. */
function able(row) {
  // Who has no requests of its own is not asked to invent them.
  if (row.request) return systems.filter((name) => require(`./systems/${name}.js`).hasRequests)
  if (row.roundTrip) return refused === undefined ? ['slabcast', 'slabcast-spin', ...systems.slice(1)] : systems
  // One parent has one process.
  return row.publishers === 1 ? systems : systems.filter((name) => !require(`./systems/${name}.js`).primary)
}

/** By system, what it did in each round. */
async function measure(row) {
  const those = able(row)
  const found = new Map(those.map((system) => [system, []]))
  for (let round = 0; round < rounds; round++) {
    // Each goes first in turn: what a run leaves warm or busy is not always the same one's gain.
    for (let at = 0; at < those.length; at++) {
      const system = those[(at + round) % those.length]
      found.get(system).push(await trial(system, row, seconds))
    }
  }
  return found
}

const report = new bench.Report('rivals', 'how many times as fast as what one would use instead, and at what cost?')
const refused = await require('./systems/slabcast-spin.js').refused()
console.log(`${rounds} rounds of ${seconds} s each; most: largest memory of a process\n`)

for (const row of rows) {
  const found = await measure(row)
  const own = found.get('slabcast')
  const lines = []
  for (const [system, trials] of found) {
    const add = (measure, unit, of) => report.add(row.name, system, measure, unit, trials.map(of))
    const ratio = (name, of) => (system === 'slabcast' ? '' : add(name, 'x', (one, round) => of(own[round], one)))
    const cost = () => [
      add('cpu', row.roundTrip ? 's per million round trips' : 's per million deliveries', ({ cpu }) => cpu),
      ratio('cpu of slabcast', (ours, { cpu }) => ours.cpu / cpu),
      add('memory', 'MiB', ({ memory }) => memory / MiB),
    ]
    if (row.roundTrip) {
      const times = ['p50', 'p90', 'p99'].map((name) => add(name, 'us', (one) => one[name]))
      const part = (name) => ratio(`${name} of slabcast`, (ours, one) => ours[name] / one[name])
      lines.push([system, ...times, part('p50'), part('p99'), ...cost()])
    } else {
      const rate = add('rate', 'k messages/s', (one) => one.rate / 1000)
      lines.push([system, rate, ratio('rate of slabcast', (ours, one) => ours.rate / one.rate), ...cost()])
    }
  }
  console.log(row.name)
  if (row.roundTrip) {
    if (!row.request && refused !== undefined && values.systems === undefined)
      console.log(`  slabcast with spin is skipped: ${refused}`)
    const ours = ["slabcast's p50 is", "slabcast's p99 is"]
    bench.table(['system', 'p50 us', 'p90', 'p99', ...ours, 'CPU s/M trips', "slabcast's is", 'most MiB'], lines)
  } else {
    const cost = ['CPU s/M deliveries', "slabcast's is", 'most MiB']
    bench.table(['system', 'k messages/s', "slabcast's rate is", ...cost], lines)
  }
}
report.save(values.json)

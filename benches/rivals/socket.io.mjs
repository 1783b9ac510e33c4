// npm run bench:socket.io -- [--quick] [--seconds 2] [--rounds 5] [--rows part] [--json FILE]
//
// Question: how many times as fast are broadcasts of a Socket.IO server to the sockets of all workers with slabcast/socket.io as with
// @socket.io/cluster-adapter and with the Redis adapter, and at what cost in CPU?
//
// The sockets are those of a namespace without an engine: 1,000 connections would take the two processors for themselves, and
// what an adapter costs would not be seen for what WebSockets do. All that a server does before it writes to a connection is done.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import bench from '../report.js'

const PRIMARY = fileURLToPath(new URL('socket.io/primary.js', import.meta.url))
const SYSTEMS = ['slabcast', 'cluster-adapter', 'redis-adapter']
const ROWS = [
  { name: '1,000 sockets, 4 workers', sockets: 1000, workers: 4 },
  { name: '1,000 sockets, 4 workers, one broadcast at a time', sockets: 1000, workers: 4, alone: true },
  { name: '4 sockets, 4 workers', sockets: 4, workers: 4 },
]
const MiB = 2 ** 20

const { values } = bench.given('seconds', 'rounds', 'rows')
const seconds = Number(values.seconds ?? (values.quick ? 0.3 : 2))
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
if (!(seconds > 0) || !(rounds >= 1)) throw new Error('--seconds and --rounds are to be positive numbers')
const rows = ROWS.filter(({ name }) => name.includes(values.rows ?? ''))
if (rows.length === 0) throw new Error(`no row of that name: ${ROWS.map(({ name }) => name).join('; ')}`)

/** In a primary of its own: no adapter finds it warmed, or swollen, by another. */
async function trial(system, row) {
  const primary = fork(PRIMARY)
  const ended = once(primary, 'exit')
  primary.send({ system, row, seconds })
  const [said] = await Promise.race([once(primary, 'message'), ended.then(() => [])])
  await ended
  if (said?.found === undefined) throw new Error(`${system} on "${row.name}" failed: ${said?.failed ?? ''}`)
  return said.found
}

const report = new bench.Report('socket.io', 'how fast are broadcasts to the sockets of all workers, and at what cost?')
console.log(`${rounds} rounds of ${seconds} s each; most: largest memory of a process\n`)

for (const row of rows) {
  const found = new Map(SYSTEMS.map((system) => [system, []]))
  for (let round = 0; round < rounds; round++) {
    // Each goes first in turn: what a run leaves warm or busy is not always the same one's gain.
    for (let at = 0; at < SYSTEMS.length; at++) {
      const system = SYSTEMS[(at + round) % SYSTEMS.length]
      found.get(system).push(await trial(system, row))
    }
  }
  const own = found.get('slabcast')
  const lines = []
  for (const [system, trials] of found) {
    const add = (measure, unit, of) => report.add(row.name, system, measure, unit, trials.map(of))
    const ratio = (name, of) => (system === 'slabcast' ? '' : add(name, 'x', (one, round) => of(own[round], one)))
    const speed = row.alone
      ? [add('p50', 'us', ({ p50 }) => p50), ratio('p50 of slabcast', (ours, { p50 }) => ours.p50 / p50)]
      : [
          add('rate', 'broadcasts/s', ({ rate }) => rate),
          ratio('rate of slabcast', (ours, { rate }) => ours.rate / rate),
        ]
    const cost = () => [
      add('cpu', 's per million broadcasts', ({ cpu }) => cpu),
      ratio('cpu of slabcast', (ours, { cpu }) => ours.cpu / cpu),
      add('memory', 'MiB', ({ memory }) => memory / MiB),
    ]
    // One at a time, what the workers are told and say of each would be most of the cost.
    lines.push([system, ...speed, ...(row.alone ? [] : cost())])
  }
  console.log(row.name)
  if (row.alone) bench.table(['adapter', 'p50 us', "slabcast's is"], lines)
  else {
    const cost = ['CPU s/M broadcasts', "slabcast's is", 'most MiB']
    bench.table(['adapter', 'broadcasts/s', "slabcast's rate is", ...cost], lines)
  }
}
report.save(values.json)

// npm run bench:rivals -- [--seconds 2] [--rounds 5] [--rows part] [--systems name,name]
//
// Question: how many times as fast as what one would use instead is slabcast, from end to end, and at what cost in CPU?
// Prints, by row: delivered/s per subscriber, CPU seconds per million deliveries, the most memory of a process, and the ratio to
// slabcast within the same round, as medians with the smallest and largest.

import os from 'node:os'
import { parseArgs } from 'node:util'
import { trial } from './trial.mjs'

const SYSTEMS = ['slabcast', 'mesh', 'relay', 'redis', 'nats', 'zeromq', 'node-ipc', 'broadcast-channel']
const ROWS = [
  { name: 'small object, 1 to 1', message: 'small', publishers: 1, subscribers: 1 },
  { name: 'small object, 1 to 2', message: 'small', publishers: 1, subscribers: 2 },
  { name: 'small object, 1 to 4', message: 'small', publishers: 1, subscribers: 4 },
  { name: 'small object, 4 to 1', message: 'small', publishers: 4, subscribers: 1 },
  { name: '1 KiB string, 1 to 1', message: '1 KiB', publishers: 1, subscribers: 1 },
  { name: '64 KiB string, 1 to 1', message: '64 KiB', publishers: 1, subscribers: 1 },
]

const text = { type: 'string' }
const { values: given } = parseArgs({ options: { seconds: text, rounds: text, rows: text, systems: text } })
const seconds = Number(given.seconds ?? 2)
const rounds = Number(given.rounds ?? 5)
if (!(seconds > 0) || !(rounds >= 1)) throw new Error('--seconds and --rounds are to be positive numbers')
const rows = ROWS.filter(({ name }) => name.includes(given.rows ?? ''))
const systems = ['slabcast', ...(given.systems?.split(',') ?? SYSTEMS).filter((name) => name !== 'slabcast')]
if (rows.length === 0) throw new Error(`no row of that name: ${ROWS.map(({ name }) => name).join('; ')}`)
for (const name of systems)
  if (!SYSTEMS.includes(name)) throw new Error(`no such system: ${name} (${SYSTEMS.join(', ')})`)

/** Median, smallest and largest. */
function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return { median: sorted[sorted.length >> 1], least: sorted[0], most: sorted.at(-1) }
}

const told = ({ median, least, most }, digits) =>
  `${median.toFixed(digits)} (${least.toFixed(digits)} to ${most.toFixed(digits)})`

console.log(
  `${os.cpus().length} x ${os.cpus()[0].model}, Node ${process.versions.node}, ${rounds} rounds of ${seconds} s, load ${os.loadavg()[0].toFixed(1)}\n`,
)
for (const row of rows) {
  const found = new Map(systems.map((system) => [system, []]))
  for (let round = 0; round < rounds; round++) {
    // Each goes first in turn: what a run leaves warm or busy is not always the same one's gain.
    for (let at = 0; at < systems.length; at++) {
      const system = systems[(at + round) % systems.length]
      found.get(system).push(await trial(system, row, seconds))
    }
  }
  console.log(`${row.name}`)
  const own = found.get('slabcast')
  for (const [system, trials] of found) {
    const rate = spread(trials.map((one) => one.rate / 1000))
    const cpu = spread(trials.map((one) => one.cpu))
    const memory = spread(trials.map((one) => one.memory / 2 ** 20))
    const times = spread(trials.map((one, round) => own[round].rate / one.rate))
    const cost = spread(trials.map((one, round) => own[round].cpu / one.cpu))
    console.log(
      `  ${system.padEnd(17)} ${told(rate, 0).padStart(22)} k/s  ${told(cpu, 2).padStart(22)} CPU s/M  ${memory.most.toFixed(0).padStart(4)} MiB` +
        (system === 'slabcast' ? '' : `   slabcast: ${told(times, 2)} times the rate, ${told(cost, 2)} of the CPU`),
    )
  }
}

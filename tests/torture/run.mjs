// npm run torture -- --seconds N [--seed S] [--round R] [--processes P] [--notes FOLDER]
//
// Rounds of random deaths, stops and storms, each judged from outside by what its processes noted. A seed replays what is
// chosen, not how the machine schedules it. On a violation: what it is, the seed, the round, the notes; exit code 1.

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import isolation from '../crash/isolation.js'
import { judge } from './oracle.mjs'
import { planRound } from './plan.mjs'
import { killAll, Round } from './round.mjs'

const SHOWN = 20
/** What a process may take: Node's own, its threads', the outbox and the slab. A leak goes on. */
const MOST_MEMORY = 1 << 30

const text = { type: 'string' }
const { values: given } = parseArgs({
  options: { seconds: text, seed: text, round: text, processes: text, notes: text },
})
const numberOf = (name, otherwise) => {
  const value = given[name] === undefined ? otherwise : Number(given[name])
  if (!(value >= 0)) throw new Error(`--${name} is to be a number, not ${given[name]}`)
  return value
}
// Made before this runs anew with a temp folder of its own, and kept if there is something to see in it.
process.env.SLABCAST_TORTURE_NOTES ??= given.notes ?? fs.mkdtempSync(path.join(os.tmpdir(), 'slabcast-torture-'))
process.env.SLABCAST_SEED ??= given.seed ?? String(Math.floor(Math.random() * 2 ** 32))
const notes = process.env.SLABCAST_TORTURE_NOTES
const seed = Number(process.env.SLABCAST_SEED) >>> 0
const notAlone = isolation.isolate('2g')

process.on('exit', killAll)
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130))

const seconds = numberOf('seconds', 60)
const processes = given.processes === undefined ? undefined : numberOf('processes')
console.log(`# torture: ${seconds} s, --seed ${seed}${notAlone ? `; ${notAlone}` : ''}`)

const total = { rounds: 0, crowds: 0 }
const waits = {}
let memory = 0
let failed = false
const end = performance.now() + seconds * 1000
for (let number = numberOf('round', 0); performance.now() < end && !failed; number++) {
  const plan = planRound(seed, number, processes)
  plan.bus.name = `torture-${process.pid}-${number}`
  const folder = path.join(notes, `round-${number}`)
  // Notes are appended to.
  fs.rmSync(folder, { recursive: true, force: true })
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(path.join(folder, 'plan.json'), JSON.stringify(plan, undefined, 1))
  const round = new Round(plan, folder, !notAlone)
  await round.run()
  const { faults, counts, waits: longest } = judge(plan, round, folder)
  memory = Math.max(memory, round.largest)
  if (round.largest > MOST_MEMORY) faults.push(`a process takes ${mebibytes(round.largest)} MiB`)
  total.rounds++
  total.crowds += plan.crowd
  for (const [name, count] of Object.entries({ ...round.counts, ...counts })) total[name] = (total[name] ?? 0) + count
  for (const [name, wait] of Object.entries(longest)) waits[name] = Math.max(waits[name] ?? 0, Math.round(wait))
  if (faults.length > 0) {
    failed = true
    console.log(`\nVIOLATION: --seed ${seed} --round ${number}; the notes are in ${folder}`)
    for (const fault of faults.slice(0, SHOWN)) console.log(`- ${fault}`)
    if (faults.length > SHOWN) console.log(`... and ${faults.length - SHOWN} more`)
  } else fs.rmSync(folder, { recursive: true })
}
if (!failed && given.notes === undefined) fs.rmSync(notes, { recursive: true })
console.log(`# ${inWords(total)}`)
console.log(`# longest waits in ms: ${inWords(waits)}; largest process ${mebibytes(memory)} MiB; --seed ${seed}`)
process.exitCode = failed ? 1 : 0

function mebibytes(bytes) {
  return Math.round(bytes / (1 << 20))
}

function inWords(numbers) {
  return Object.entries(numbers)
    .map(([name, number]) => `${name} ${number}`)
    .join(', ')
}

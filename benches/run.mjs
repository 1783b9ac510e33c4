// npm run bench -- [--quick] [--rounds 5] [--only publish,scale] [--aeron] [--draw]
//
// Every bench, one after the other, each in a process of its own. Prints their tables and the goals; writes results.json,
// results.svg and the tables of README.md and benches/README.md. With `--quick` or `--only` it checks the benches, not the product:
// what it writes goes to build/bench/. `--aeron`: beside Aeron, too, for which
// rivals/rust/README.md says what is needed. `--draw`: what is written is made anew from results.json, nothing is measured.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { goalsTable, ratiosTable, verdicts } from './goals.mjs'
import { plot } from './plot.mjs'
import { machine, place, table } from './report.js'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = path.join(here, '..')

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    draw: { type: 'boolean' },
    only: { type: 'string' },
    rounds: { type: 'string' },
    aeron: { type: 'boolean' },
  },
})
const quick = values.quick ? ['--quick'] : []
const rounds = values.rounds ? ['--rounds', values.rounds] : []

const node =
  (file, ...more) =>
  (json) =>
    run(process.execPath, [path.join(here, file), ...quick, ...more, '--json', json])
const BENCHES = {
  codec: node('node/codec.js'),
  publish: node('node/publish.js'),
  scale: node('node/scale.js'),
  open: node('node/open.js'),
  idle: node('node/idle.js'),
  reading: node('node/reading.js', ...rounds),
  floors: node('node/floors.js', ...rounds),
  rivals: node('rivals/run.mjs', ...rounds),
  'socket.io': node('rivals/socket.io.mjs', ...rounds),
  rust,
}

/** In ms: no bench takes nearly as long, and one that waits for ever ends the run. */
const WATCHDOG = 30 * 60_000

/** True: it ended well. */
function run(command, words, cwd = root) {
  const { error, status } = spawnSync(command, words, { cwd, stdio: 'inherit', timeout: WATCHDOG })
  if (error !== undefined && error.code !== 'ENOENT') throw error
  return status === 0
}

/** The Rust core beside its own rivals; Aeron's client is built from C++, and may not build everywhere. */
function rust(json) {
  const cwd = path.join(here, 'rivals/rust')
  if (!fs.existsSync(path.join(cwd, 'Cargo.toml'))) {
    console.log('rust is skipped: benches/rivals/rust is not there\n')
    return true
  }
  const words = [...(values.quick ? ['--seconds', '0.2', '--rounds', '1'] : rounds), '--json', json]
  const cargo = (...features) => run('cargo', ['run', '--release', '--quiet', ...features, '--', ...words], cwd)
  return values.aeron ? cargo('--features', 'aeron') : cargo()
}

/** What the Rust bench writes, as rows like the others'. */
function rustRows(found) {
  const rows = []
  for (const one of found.rows ?? found) {
    const add = (measure, unit, numbers) => {
      if (numbers !== undefined) rows.push({ bench: 'rust', row: one.row, of: one.system, measure, unit, ...numbers })
    }
    const alone = (median) => (median === undefined ? undefined : { median, least: median, most: median })
    add('rate', 'messages/s', one.rate_per_s)
    add('cpu', 's per million', alone(one.cpu_s_per_million))
    add('p50', 'ns', alone(one.round_trip_ns?.p50))
    add('p99', 'ns', alone(one.round_trip_ns?.p99))
    add('ratio', 'x', one.ratio)
    add('ratio of owned', 'x', one.owned_ratio)
  }
  return rows
}

function measure() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-'))
  const results = { machine: machine(), quick: values.quick === true, rows: [], failed: [] }
  const names = values.only?.split(',') ?? Object.keys(BENCHES)
  for (const name of names) {
    if (BENCHES[name] === undefined) throw new Error(`no such bench: ${name} (${Object.keys(BENCHES).join(', ')})`)
    const json = path.join(folder, `${name}.json`)
    if (!BENCHES[name](json)) results.failed.push(name)
    if (!fs.existsSync(json)) continue
    const found = JSON.parse(fs.readFileSync(json, 'utf8'))
    results.rows.push(...(name === 'rust' ? rustRows(found) : found))
  }
  fs.rmSync(folder, { recursive: true })
  return results
}

/** Puts a table between its two marks. */
function fill(file, mark, content) {
  const whole = fs.readFileSync(file, 'utf8')
  const [start, end] = [`<!-- ${mark} -->\n`, `<!-- /${mark} -->`]
  const [from, to] = [whole.indexOf(start) + start.length, whole.indexOf(end)]
  if (from < start.length || to < from) throw new Error(`${file} has no place for ${mark}`)
  fs.writeFileSync(file, `${whole.slice(0, from)}${content}\n${whole.slice(to)}`)
}

const isWhole = !values.quick && values.only === undefined
const target = isWhole ? here : path.join(root, 'build/bench')
const file = path.join(target, 'results.json')
fs.mkdirSync(target, { recursive: true })

const results = values.draw ? JSON.parse(fs.readFileSync(file, 'utf8')) : measure()
if (!values.draw) {
  // A row a line: what a run changes is seen in a diff.
  const rows = results.rows.map((row) => `\n  ${JSON.stringify(row)}`).join()
  fs.writeFileSync(
    file,
    `${JSON.stringify({ ...results, rows: undefined }, null, 1).slice(0, -2)},\n "rows": [${rows}\n ]\n}\n`,
  )
}
fs.writeFileSync(path.join(target, 'results.svg'), plot(results))
if (isWhole) {
  const from = `${place(results.machine)}.`
  fill(path.join(root, 'README.md'), 'bench', `${ratiosTable(results.rows)}\n\n${from}`)
  fill(path.join(here, 'README.md'), 'bench', `${from}\n\n${goalsTable(results.rows)}`)
}

console.log(`goals (${place(results.machine)})\n`)
table(
  ['row', 'measure', 'goal', 'measured', ''],
  verdicts(results.rows).map(({ row, measure, goal, measured, holds }) => [
    row,
    measure,
    goal,
    measured,
    holds === undefined ? 'not measured' : holds ? 'holds' : 'MISSED',
  ]),
)
console.log(`written: ${path.relative(process.cwd(), target) || '.'}/results.json and results.svg`)
if (results.failed.length > 0) {
  console.error(`failed: ${results.failed.join(', ')}`)
  process.exitCode = 1
}

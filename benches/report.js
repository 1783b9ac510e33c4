'use strict'

// What every bench does alike: reads `--quick` and `--json FILE`, says where it ran, prints tables, keeps its numbers as rows
// `{ bench, row, of, measure, unit, median, least, most }`.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const { parseArgs } = require('node:util')

/** Options as given; `more` are further ones with a value. */
function given(...more) {
  const text = { type: 'string' }
  const options = { quick: { type: 'boolean', default: false }, json: text }
  for (const name of more) options[name] = text
  return parseArgs({ options, allowPositionals: true })
}

/** Median, smallest and largest. */
function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, least: sorted[0], most: sorted.at(-1) }
}

/** The fastest quarter of many short rounds: what other work of the machine does to a round only adds to it. */
function calm(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted.slice(0, Math.ceil(sorted.length / 4))
}

/** The digits a reader needs. */
function shown(number) {
  const size = Math.abs(number)
  if (size >= 100) return Math.round(number).toLocaleString('en')
  return number.toFixed(size >= 10 ? 1 : size >= 0.095 ? 2 : size === 0 ? 0 : 3)
}

const told = ({ median, least, most }) =>
  least === most ? shown(median) : `${shown(median)} (${shown(least)} to ${shown(most)})`

/** Where numbers come from. */
function machine() {
  const git = (...words) => {
    try {
      return execFileSync('git', words, {
        cwd: __dirname,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      }).trim()
    } catch {
      return ''
    }
  }
  return {
    cpu: `${os.cpus().length} x ${os.cpus()[0].model.trim()}`,
    system: `${os.type()} ${os.release()}`,
    node: process.versions.node,
    commit: git('rev-parse', '--short', 'HEAD') || 'unknown',
    changed: git('status', '--porcelain', '--', '../src', '../js') !== '',
    date: new Date().toISOString().slice(0, 10),
    load: Number(os.loadavg()[0].toFixed(1)),
  }
}

const place = ({ cpu, system, node, commit, changed, date, load }) =>
  `${cpu}, ${system}, Node ${node}, commit ${commit}${changed ? ' with changes' : ''}, ${date}, load ${load}`

/** First column to the left, numbers to the right. */
function table(head, lines) {
  const widths = head.map((_, at) => Math.max(...[head, ...lines].map((line) => line[at].length)))
  for (const line of [head, ...lines])
    console.log(
      `  ${line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join('   ')}`,
    )
  console.log()
}

/** The numbers of one bench. */
class Report {
  rows = []

  constructor(bench, question) {
    this.bench = bench
    console.log(`${bench}: ${question}`)
    console.log(`${place(machine())}\n`)
  }

  /** Keeps the spread of `numbers` to four digits, and returns it as it is shown. */
  add(row, of, measure, unit, numbers) {
    const found = spread(numbers)
    const kept = Object.fromEntries(
      Object.entries(found).map(([which, number]) => [which, Number(number.toPrecision(4))]),
    )
    this.rows.push({ bench: this.bench, row, of, measure, unit, ...kept })
    return told(found)
  }

  save(file) {
    if (file !== undefined) fs.writeFileSync(file, `${JSON.stringify(this.rows, null, 1)}\n`)
  }
}

module.exports = { calm, given, machine, place, Report, shown, spread, table, told }

// The numbers of a run as a picture: results.svg for README. By hand, so that it needs nothing; its colours are read on white and
// on black.

import { place } from './report.js'

const WIDTH = 1000
const ROW = 26
const TOP = 72
const OURS = '#e8590c'
const REST = '#5c7cad'
const INK = '#737b85'
const FAINT = '#8b94a033'

const text = (x, y, what, more = '') => `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped(what)}</text>`
const line = (x1, y1, x2, y2, more) =>
  `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" ${more}/>`
const round = (number) => Math.round(number * 10) / 10
const escaped = (what) => String(what).replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`)
const short = (number) =>
  number >= 1e6 ? `${number / 1e6} M` : number >= 1000 ? `${number / 1000} k` : String(Math.round(number))

/** From a number to its place between `from` and `to`, by powers of ten. */
function scale([least, most], [from, to]) {
  const [low, high] = [Math.log10(least), Math.log10(most)]
  const at = (number) => from + ((Math.log10(number) - low) / (high - low)) * (to - from)
  const powers = []
  for (let power = Math.ceil(low - 1e-9); power <= high + 1e-9; power++) powers.push(10 ** power)
  return { at, powers }
}

/** About the numbers, with a little air. */
function range(numbers) {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)]
  return [least / 1.5, most * 1.5]
}

const heading = (x, title, subtitle) => text(x, 24, title, 'class="title"') + text(x, 43, subtitle, `fill="${INK}"`)

/** A row for each system, on it a dot for each of its numbers, from the boldest to the faintest. */
function dots(rows, [left, right], title, subtitle, marks) {
  const numbers = rows.flatMap((row) => row.numbers.filter((number) => number !== undefined))
  if (numbers.length === 0) return ''
  const { at, powers } = scale(range(numbers), [left, right])
  const bottom = TOP + rows.length * ROW
  let out = heading(left, title, subtitle)
  for (const power of powers)
    out +=
      line(at(power), TOP - 8, at(power), bottom, `stroke="${FAINT}"`) +
      text(at(power), bottom + 16, short(power), `fill="${INK}" text-anchor="middle"`)
  const opacity = [1, 0.6, 0.3]
  for (const [index, { isOurs, numbers }] of rows.entries()) {
    const y = TOP + index * ROW + ROW / 2
    const there = numbers.filter((number) => number !== undefined)
    if (there.length === 0) {
      out += text(left, y + 4, '–', `fill="${INK}"`)
      continue
    }
    const color = isOurs ? OURS : REST
    out += line(
      at(Math.min(...there)),
      y,
      at(Math.max(...there)),
      y,
      `stroke="${color}" stroke-opacity="0.35" stroke-width="2"`,
    )
    for (const [which, number] of [...numbers.entries()].reverse())
      if (number !== undefined)
        out += `<circle cx="${round(at(number))}" cy="${y}" r="5" fill="${color}" fill-opacity="${opacity[which]}"/>`
  }
  return (
    out +
    legend(
      left,
      bottom + 34,
      marks.map((name, which) => ({ name, opacity: opacity[which] })),
    )
  )
}

/** Lines over a count, both by powers of ten. */
function lines(series, [left, right], bottom, title, subtitle) {
  const points = series.flatMap((one) => one.points)
  if (points.length === 0) return ''
  const x = scale([1, Math.max(...points.map(([count]) => count))], [left, right])
  const [least, most] = range(points.map(([, number]) => number))
  const y = scale([10 ** Math.floor(Math.log10(least)), Math.max(most, 1000)], [bottom, TOP - 8])
  let out = heading(left, title, subtitle)
  for (const power of y.powers)
    out +=
      line(left, y.at(power), right, y.at(power), `stroke="${FAINT}"`) +
      text(left - 6, y.at(power) + 4, short(power), `fill="${INK}" text-anchor="end"`)
  for (const power of x.powers)
    out += text(x.at(power), bottom + 16, short(power), `fill="${INK}" text-anchor="middle"`)
  for (const { color, dash, points } of series) {
    const places = points.map(([count, number]) => [round(x.at(count)), round(y.at(number))])
    out += `<polyline points="${places.map((place) => place.join()).join(' ')}" fill="none" stroke="${color}" stroke-width="2.5" stroke-linejoin="round" ${dash ? 'stroke-dasharray="2 4" stroke-linecap="round"' : ''}/>`
    for (const [cx, cy] of places) out += `<circle cx="${cx}" cy="${cy}" r="3.5" fill="${color}"/>`
  }
  return out + legend(left, bottom + 34, series)
}

/** Below an axis: what the marks stand for. */
function legend(left, y, marks) {
  let out = ''
  let x = left
  for (const { name, color = INK, opacity = 1 } of marks) {
    out +=
      `<circle cx="${round(x + 4)}" cy="${y - 4}" r="4" fill="${color}" fill-opacity="${opacity}"/>` +
      text(x + 12, y, name, `fill="${INK}"`)
    x += 24 + name.length * 6.4
  }
  return out
}

/** @param {{ machine: object, rows: object[] }} results */
export function plot({ machine, rows }) {
  const find = (bench, row, of, measure) =>
    rows.find((one) => one.bench === bench && one.row === row && one.of === of && one.measure === measure)?.median
  const subscribers = [1, 2, 4].map((count) => `small object, 1 to ${count}`)
  const trip = 'round trip, small object'
  const shown = { 'slabcast-spin': 'slabcast, spin', mesh: 'unix-socket mesh', relay: 'cluster relay' }
  Object.assign(shown, { 'process-send': 'process.send', redis: 'Redis', nats: 'NATS', zeromq: 'ZeroMQ' })
  shown['broadcast-channel'] = 'BroadcastChannel*'
  const of = (system) => ({
    system,
    isOurs: system.startsWith('slabcast'),
    rates: subscribers.map((row) => find('rivals', row, system, 'rate')).map((rate) => rate && rate * 1000),
    times: ['p50', 'p90', 'p99'].map((part) => find('rivals', trip, system, part)),
  })
  const rank = ({ isOurs, rates }) => (isOurs ? 1e12 : 0) + (rates[0] ?? 0)
  const names = new Set(rows.filter(({ bench }) => bench === 'rivals').map((row) => row.of))
  const systems = [...names].map(of).sort((a, b) => rank(b) - rank(a))
  const bottom = TOP + systems.length * ROW
  const numbered = (part) => systems.map((system) => ({ ...system, numbers: system[part] }))

  let out = ''
  for (const [index, { system, isOurs }] of systems.entries()) {
    const y = TOP + index * ROW + ROW / 2 + 4
    out += text(
      122,
      y,
      shown[system] ?? system,
      `text-anchor="end" fill="${isOurs ? OURS : INK}" class="${isOurs ? 'ours' : ''}"`,
    )
  }
  const each = 'messages/s to each, one publisher'
  out += dots(numbered('rates'), [136, 384], 'Throughput, small object', each, ['1', '2', '4 subscribers'])
  const asleep = 'microseconds, asleep in between'
  out += dots(numbered('times'), [420, 648], 'Round trip, small object', asleep, ['p50', 'p90', 'p99'])

  const topics = [1, 10, 100, 1000, 10_000, 100_000]
  const readers = [1, 4, 16, 64]
  const scaled = (counts, row, measure) =>
    counts
      .map((count) => [count, find('scale', row(count), 'slabcast', measure)])
      .filter(([, number]) => number !== undefined)
  const ofTopics = (count) => `publish, ${count.toLocaleString('en')} topics`
  const series = [
    { name: 'n topics in turn', color: REST, points: scaled(topics, ofTopics, 'to all in turn') },
    { name: 'one of n', color: OURS, points: scaled(topics, ofTopics, 'to one of them') },
    {
      ...{ name: 'n readers', color: INK, dash: true },
      points: scaled(readers, (count) => `publish, ${count} readers of other topics`, 'publish'),
    },
  ].filter(({ points }) => points.length > 0)
  out += lines(series, [708, 972], bottom, 'Cost of a publish', 'nanoseconds, by number of topics and readers')

  const height = bottom + 78
  out += text(16, height - 14, place(machine), `fill="${INK}" class="small"`)
  out += text(984, height - 14, '* threads of one process only', `fill="${INK}" class="small" text-anchor="end"`)
  const style =
    "text{font:12px system-ui,'Segoe UI',Helvetica,Arial,sans-serif}.title{font-size:15px;font-weight:600;fill:#8a929c}.ours{font-weight:600}.small{font-size:10.5px}"
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Throughput, round trip and cost of a publish"><style>${style}</style>\n${out.replaceAll('><', '>\n<')}\n</svg>\n`
}

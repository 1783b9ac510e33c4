'use strict'

// Question: what do encode and decode of one value cost beside msgpackr (without records) and JSON?
// Prints nanoseconds per operation, the best of many short rounds, and how many times faster the codec is.
// Run: node benches/node/codec.js [filter] [--quick] [--json FILE]     Trust the ratios: the rounds of all rivals alternate.

const { Packr } = require('msgpackr')
const { Encoder, decode } = require('../../js/codec')
const bench = require('../report')

const OPERATIONS = 1000
const MIN_ROUNDS = 60

const chat = (i) => ({
  cat: 1,
  biz: 2,
  cmd: 1000 + (i % 50),
  id: 70000 + i,
  groupId: `room${i % 20}`,
  cst: 1682302513688 + i,
  pos: { x: i % 100, y: 12, z: 200 },
  rot: { x: 0, y: (i * 7) % 360, z: 0 },
  uuid: `u-${(i * 2654435761) % 4294967296}`,
})

/** 24 shapes of 5 to 8 keys, the first three the same in all. */
const mixed = (i) => {
  const shape = i % 24
  const message = { type: `kind${shape}`, id: i, room: 'room100' }
  for (let k = 0; k < 2 + (shape % 4); k++)
    message[`field${String.fromCharCode(97 + shape)}${k}`] = k % 2 ? 'value' : k + i
  return message
}

const many = (make, count) => Array.from({ length: count }, (_, i) => make(i))

const cases = {
  'chat message': many(chat, 512),
  '24 mixed shapes': many(mixed, 480),
  '1 KiB string': many((i) => ({ id: i, text: String.fromCharCode(97 + (i % 26)).repeat(1024) }), 16),
  '64 KiB string': many((i) => ({ id: i, text: String.fromCharCode(97 + (i % 26)).repeat(65536) }), 8),
  '1 KiB two-byte': many((i) => ({ id: i, text: '漢字かな'.repeat(256) }), 16),
  'array of 20 objects': many((i) => many((k) => ({ id: i + k, name: `user${k}`, online: true }), 20), 32),
  dictionary: many((i) => Object.fromEntries(many((k) => [`user-${i * 7 + k}`, k], 20)), 64),
  'class, Map, Date': many(
    (i) => ({
      at: new Date(1e12 + i),
      map: new Map([['a', i]]),
      who: new (class User {
        id = i
        name = 'ann'
      })(),
    }),
    32,
  ),
}

function rivals(values) {
  const packr = new Packr({ useRecords: false, mapsAsObjects: true })
  const encoder = new Encoder()
  const ours = values.map((value) => {
    const length = encoder.encode(value)
    return Buffer.from(encoder.bytes.subarray(0, length))
  })
  // A frame lies in a drain buffer that is used again and again, as in the product.
  const drain = Buffer.allocUnsafeSlow(ours.reduce((sum, bytes) => sum + bytes.length, 0))
  let at = 0
  const places = ours.map((bytes) => {
    const start = at
    drain.set(bytes, at)
    at += bytes.length
    return [start, at]
  })
  const packed = values.map((value) => Buffer.from(packr.pack(value)))
  const json = values.map((value) => Buffer.from(JSON.stringify(value)))
  const scratch = Buffer.allocUnsafeSlow(4 << 20)
  return {
    size: Math.round(ours.reduce((sum, bytes) => sum + bytes.length, 0) / ours.length),
    encode: {
      slabcast: (i) => encoder.encode(values[i]),
      msgpackr: (i) => packr.pack(values[i]),
      JSON: (i) => scratch.write(JSON.stringify(values[i])),
    },
    decode: {
      slabcast: (i) => decode(drain, places[i][0], places[i][1]),
      msgpackr: (i) => packr.unpack(packed[i]),
      JSON: (i) => JSON.parse(json[i].toString()),
    },
  }
}

/** Each round is short enough to fit between two interruptions; the best is what the work itself takes. */
function round(run, count) {
  const times = Math.ceil(OPERATIONS / count)
  const start = process.hrtime.bigint()
  for (let i = 0; i < times; i++) for (let k = 0; k < count; k++) run(k)
  return Number(process.hrtime.bigint() - start) / (times * count)
}

function measure(runs, count, caseMs) {
  const best = {}
  const since = Date.now()
  // As many rounds as fit: the first ones warm up.
  for (let i = 0; i < MIN_ROUNDS || Date.now() - since < caseMs; i++) {
    for (const [name, run] of Object.entries(runs)) best[name] = Math.min(best[name] ?? Infinity, round(run, count))
  }
  return best
}

const { values: options, positionals } = bench.given()
const report = new bench.Report('codec', 'what do encode and decode of one value cost?')
const lines = []
for (const [name, values] of Object.entries(cases)) {
  if (!name.includes(positionals[0] ?? '')) continue
  const { size, ...directions } = rivals(values)
  for (const [direction, runs] of Object.entries(directions)) {
    const best = measure(runs, values.length, options.quick ? 150 : 1500)
    const ns = Object.entries(best).map(([who, ns]) => report.add(name, who, direction, 'ns', [ns]))
    const times = ['msgpackr', 'JSON'].map((who) =>
      report.add(name, who, `${direction} of slabcast`, 'x', [best[who] / best.slabcast]),
    )
    lines.push([`${name} (${size} bytes), ${direction}`, ...ns, ...times])
  }
}
bench.table(['ns', 'slabcast', 'msgpackr', 'JSON', 'x msgpackr', 'x JSON'], lines)
report.save(options.json)

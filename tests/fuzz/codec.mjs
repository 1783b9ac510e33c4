// Hostile MessagePack for the decoder of js/codec: mutations of a kept corpus, aware of where headers stand. What must hold:
// a value or a SlabcastError ERR_CORRUPT, soon and in memory in proportion; and a value encodes again and comes back the same.
//
//     node tests/fuzz/codec.mjs [--seconds 10] [--seed n] [file to run alone]

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { random } from './random.mjs'

const require = createRequire(import.meta.url)
const { decode, encode } = require('../../js/codec')
const { reset } = require('../../js/codec/decoder')
const { SlabcastError } = require('../../js/errors')

/** More than any input here needs; a decode that takes it hangs. */
const SLOW_MS = 2000
/** What a decode may take of memory: so much, and so much for each byte of its input. */
const MEMORY = 16 << 20
const MEMORY_PER_BYTE = 512

const corpus = new URL('corpus/codec/', import.meta.url)

/** Runs one input; throws where it does what it must not. */
export function check(bytes) {
  const before = process.memoryUsage()
  const start = performance.now()
  const value = attempt(bytes)
  const taken = performance.now() - start
  if (taken > SLOW_MS) throw new Error(`it took ${taken.toFixed(0)} ms`)
  const after = process.memoryUsage()
  const grown = after.external + after.heapUsed - before.external - before.heapUsed
  if (grown > MEMORY + MEMORY_PER_BYTE * bytes.length) throw new Error(`it took ${grown} bytes of memory`)
  if (value === undefined) return false
  const again = encode(value.decoded)
  // What other writers write otherwise is written our way now, and from then on stays the same.
  if (!encode(decode(again)).equals(again)) throw new Error('what it gave does not come back the same')
  return true
}

function attempt(bytes) {
  try {
    return { decoded: decode(bytes) }
  } catch (error) {
    if (error instanceof SlabcastError && error.code === 'ERR_CORRUPT') return undefined
    throw error
  }
}

const HEADERS = [
  ...[0xc0, 0xc1, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3],
  ...[0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0],
  ...[0xbf, 0xe0, 0xff, 0x00, 0x7f],
]
const TYPES = [0x00, 0x42, 0x44, 0x45, 0x4d, 0x53, 0x58, 0x74, 0xff, 0x7f]

/** One change of the bytes. */
function mutate(bytes, { below, pick }, pool) {
  const at = below(bytes.length + 1)
  const insert = (...middle) => Buffer.concat([bytes.subarray(0, at), Buffer.from(middle), bytes.subarray(at)])
  const set = (value) => {
    const copy = Buffer.from(bytes)
    if (copy.length > 0) copy[below(copy.length)] = value
    return copy
  }
  switch (below(11)) {
    case 0:
      return set(pick(HEADERS))
    case 1:
      return set(below(256))
    case 2:
      return set((bytes[at] ?? 0) + below(3) - 1)
    case 3:
      return insert(pick(HEADERS))
    case 4:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(4))])
    case 5: {
      // A length: small, just wrong, or all there is.
      const size = pick([1, 2, 4])
      const length = Buffer.alloc(4)
      length.writeUInt32BE(pick([0, 1, below(64), bytes.length, 0xff, 0xffff, 0x7fffffff, 0xffffffff]))
      return insert(pick(HEADERS), ...length.subarray(4 - size))
    }
    case 6:
      return insert(pick([0xd4, 0xd5, 0xd6, 0xd7, 0xd8]), pick(TYPES), below(256), below(256))
    case 7: {
      const other = pick(pool)
      return insert(...other.subarray(below(other.length), below(other.length) + 40))
    }
    case 8: {
      // Deeper: the same container, many times.
      const header = pick([[0x91], [0x81, 0xa1, 0x61], [0x81], [0xc9, 0, 0, 255, 255, 0x53, 0x91], [0x81, 0x91]])
      const times = pick([1, 2, 31, 33, 200, 998, 1001, 3000])
      return Buffer.concat([...new Array(times).fill(Buffer.from(header)), bytes])
    }
    case 9: {
      const payload = Buffer.concat([bytes.subarray(0, at), pick(pool).subarray(0, 60)])
      const head = Buffer.from([0xc9, 0, 0, 0, 0, pick(TYPES)])
      head.writeUInt32BE(payload.length, 1)
      return Buffer.concat([head, payload])
    }
  }
  return Buffer.concat([bytes, pick(pool).subarray(0, 40)])
}

function main() {
  const { values, positionals } = parseArgs({
    options: { seconds: { type: 'string', default: '10' }, seed: { type: 'string' } },
    allowPositionals: true,
  })
  if (positionals.length > 0) {
    for (const file of positionals) check(readFileSync(file))
    return
  }
  const r = random(values.seed)
  console.log(`codec: --seed ${r.seed}`)
  const pool = readdirSync(corpus).map((name) => readFileSync(new URL(name, corpus)))
  for (const bytes of pool) run(bytes)
  const end = performance.now() + values.seconds * 1000
  let count = 0
  let understood = 0
  while (performance.now() < end) {
    // Compiled decoders are part of it, and so is what is there before they are.
    if (count++ % 5000 === 0) reset()
    let bytes = r.pick(pool)
    for (let n = 1 + r.below(5); n > 0; n--) bytes = mutate(bytes, r, pool)
    if (run(bytes)) understood++
    // What is a value is a good beginning for the next; the kept ones stay in front.
    if (count % 50 === 0 && bytes.length < 200) pool[pool.length < 2000 ? pool.length : r.below(2000)] = bytes
  }
  console.log(`codec: ${count} inputs, ${understood} of them values`)
}

function run(bytes) {
  try {
    return check(bytes)
  } catch (error) {
    mkdirSync('target/fuzz', { recursive: true })
    const file = 'target/fuzz/codec-input'
    writeFileSync(file, bytes)
    console.error(`codec: ${bytes.length} bytes, kept in ${file}: ${bytes.subarray(0, 100).toString('hex')}`)
    throw error
  }
}

main()

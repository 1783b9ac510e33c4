'use strict'

// Random values and random damage. The seed is printed; SEED=n runs it again.

const test = require('node:test')
const assert = require('node:assert')
const { encode, decode } = require('../../js/codec')
const compile = require('../../js/codec/compile')
const { shapes } = require('../../js/codec/write')
const { samples, assertSame } = require('./codec-samples')

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))

/** mulberry32 */
function random(seed) {
  let state = seed
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (n) => Math.floor(next() * n)
  return { next, below, pick: (list) => list[below(list.length)] }
}

const leaves = samples().filter((value) => {
  if (value instanceof Error) return false
  return !(typeof value === 'string' && value.length > 2000) && encode(value).length < 3000
})

const names = [
  'id',
  'type',
  'room',
  'user',
  'x',
  'y',
  'text',
  'a b',
  '__proto__',
  'constructor',
  '0',
  'é',
  'longer_name_here',
]

function text({ below }) {
  const letters = ['a', 'B', ' ', 'é', '漢', '\ud83d\ude00', '\u0000', '\ufffd']
  const few = below(2) === 0 ? 2 : letters.length
  return Array.from({ length: below(60) }, () => letters[below(few)]).join('')
}

function generate(r, depth) {
  const choice = r.below(depth > 4 ? 4 : 10)
  if (choice === 0) return r.pick(leaves)
  if (choice === 1) return text(r)
  if (choice === 2) return r.below(2) ? r.below(300) - 150 : Math.floor((r.next() - 0.5) * 2 ** r.below(60))
  if (choice === 3) return r.next()
  const size = r.below(6)
  if (choice === 4) return Array.from({ length: size }, () => generate(r, depth + 1))
  if (choice === 5) return new Map(Array.from({ length: size }, () => [generate(r, depth + 2), generate(r, depth + 1)]))
  if (choice === 6) return new Set(Array.from({ length: size }, () => generate(r, depth + 1)))
  const object = {}
  const start = r.below(3)
  for (let i = 0; i < size; i++) {
    const key = choice === 7 ? r.pick(names) : names[start + i]
    Object.defineProperty(object, key, {
      value: generate(r, depth + 1),
      enumerable: true,
      writable: true,
      configurable: true,
    })
  }
  return object
}

test('random values come back, and the bytes are the same without compiled code', (t) => {
  t.diagnostic(`SEED=${SEED}`)
  const r = random(SEED)
  for (let i = 0; i < 4000; i++) {
    const value = generate(r, 0)
    const bytes = encode(value)
    assertSame(decode(bytes), value)
    if (i % 50 > 0) continue
    compile.mode.generating = false
    try {
      shapes.clear()
      assert.ok(encode(value).equals(bytes))
      assertSame(decode(bytes), value)
    } finally {
      compile.mode.generating = true
    }
  }
})

/** Bytes that are no value of ours give a value or ERR_CORRUPT; whatever else is a failure. */
function survives(bytes) {
  try {
    decode(bytes)
  } catch (error) {
    assert.strictEqual(error.code, 'ERR_CORRUPT', error.stack)
    assert.match(error.message, /byte \d+/)
  }
}

const frames = () => {
  const shape = { id: 1, type: 'text', user: { name: 'ann', pos: { x: 1, y: 2.5 } }, list: [1, 'a', { x: 1, y: 2 }] }
  for (let i = 0; i < 30; i++) decode(encode(shape))
  return [...samples(), shape].map((value) => encode(value)).filter((bytes) => bytes.length < 3000)
}

test('every truncation is corrupt', () => {
  for (const bytes of frames()) {
    for (let length = 0; length < bytes.length; length += length < 200 ? 1 : 97) {
      assert.throws(() => decode(bytes.subarray(0, length)), { code: 'ERR_CORRUPT' })
      // Also where more bytes lie behind the end.
      assert.throws(() => decode(bytes, 0, length), { code: 'ERR_CORRUPT' })
    }
    assert.throws(() => decode(Buffer.concat([bytes, Buffer.from([0])])), { code: 'ERR_CORRUPT' })
  }
})

test('mutations and noise give a value or ERR_CORRUPT', (t) => {
  t.diagnostic(`SEED=${SEED}`)
  const r = random(SEED)
  const valid = frames()
  const headers = [0xc1, 0xc4, 0xc7, 0xc9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0x8f, 0x9f, 0xd4, 0x4d, 0x53, 0x45, 0x74, 0x42]
  for (let i = 0; i < 40000; i++) {
    const bytes = Buffer.from(r.pick(valid))
    for (let n = 1 + r.below(3); n > 0; n--) bytes[r.below(bytes.length)] = r.below(2) ? r.below(256) : r.pick(headers)
    survives(bytes)
    survives(Buffer.from(Array.from({ length: 1 + r.below(40) }, () => (r.below(3) ? r.below(256) : r.pick(headers)))))
  }
})

test('headers that promise more than there is cost nothing', () => {
  const promise = {
    array: 'ddffffffff',
    map: 'dfffffffff',
    text: 'dbffffffff',
    bin: 'c6ffffffff',
    extension: 'c9ffffffff53',
  }
  for (const hex of Object.values(promise)) {
    for (const times of [1, 2, 500]) survives(Buffer.from(hex.repeat(times), 'hex'))
    assert.throws(() => decode(Buffer.from(hex, 'hex')), { code: 'ERR_CORRUPT' })
  }
  // Each level promises as much as is left: together far more than there is.
  const levels = 900
  const size = 60000
  const greedy = Buffer.alloc(size, 0x01)
  for (let i = 0; i < levels; i++) greedy.set([0xdc, (size - 3 * i - 3) >> 8, (size - 3 * i - 3) & 0xff], i * 3)
  const before = process.memoryUsage().heapUsed
  assert.throws(() => decode(greedy), { code: 'ERR_CORRUPT' })
  assert.ok(process.memoryUsage().heapUsed - before < 64 << 20)
})

test('a header is told where it stands, before its elements are read', () => {
  for (let i = 0; i < 30; i++) decode(encode({ a: [i], b: 1 }))
  const at = (hex, offset) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    // In a drain buffer there is always more to read.
    const drain = Buffer.concat([bytes, Buffer.alloc(1000, 0x01)])
    assert.throws(() => decode(bytes), { code: 'ERR_CORRUPT', offset }, hex)
    assert.throws(() => decode(drain, 0, bytes.length), { code: 'ERR_CORRUPT', offset }, hex)
  }
  at('92 dd ffffffff 01 01', 6)
  at('92 dc 0010 01 01', 4)
  at('92 93 01 01 01', 2) // one of these three is the outer array's
  at('82 a1 61 93 01 01 01 a1', 4) // as many bytes as elements, but a key and a value are to come
  at('82 a1 63 93 01 01 01 a1', 4)
  at('92 81 01 01', 2)
  at('81 a1 61 c4 09 01', 5)
  at(`${'91'.repeat(50)} 92 dc 0010 01 01`, 54)
  at('c7 07 53 dd ffffffff 01 01', 8)
})

test('payloads that are not what their extension says are corrupt', () => {
  const bad = [
    'd4 53 01', // a Set that is no array
    'd5 53 91 c1',
    'd6 53 91 01 01 01', // bytes behind the array
    '92 d5 53 90 01', // a byte behind it that would do for the next element
    'd4 4d 90', // a Map that is an array
    'd4 58 a0', // a RegExp without flags
    'c7 05 58 92 a1 28 a0 00',
    'c7 04 58 92 a1 28 a0', // no valid pattern
    'd4 45 90', // an Error without parts
    'c7 06 45 93 a3 466f6f 80', // a class that is none
    'd4 74 63', // a typed array of no kind
    'd5 74 08 00', // half a float
    'd7 ff ffffffff 00000000', // 1.07 s in nanoseconds
    'c7 0c ff 00000000 7fffffff ffffffff', // beyond what a Date holds
    'd5 ff 0000',
    'c7 00 42', // a BigInt of no bytes
    'a2 c3 28', // no UTF-8
    '81 a2 c3 28 01',
    `d9 20 ${'ff'.repeat(32)}`,
    'a3 ed a0 80', // a lone surrogate
    'c1',
  ]
  for (const hex of bad) {
    assert.throws(() => decode(Buffer.from(hex.replaceAll(' ', ''), 'hex')), { code: 'ERR_CORRUPT' }, hex)
  }
})

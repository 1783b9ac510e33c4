'use strict'

// The bytes are MessagePack as others write and read it: both ways with two other implementations, and byte by byte
// where docs/format.md gives an example.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const theirs = require('@msgpack/msgpack')
const { Packr } = require('msgpackr')
const { encode, decode } = require('../../js/codec')
const { samples, assertSame } = require('./codec-samples')

const common = [
  null,
  true,
  false,
  0,
  1,
  127,
  128,
  255,
  256,
  65535,
  65536,
  2 ** 32 - 1,
  -1,
  -32,
  -33,
  -128,
  -129,
  -32768,
  -32769,
  -(2 ** 31),
  0.5,
  1682302513688.5,
  '',
  'text',
  'é漢\ud83d\ude00',
  'x'.repeat(40),
  'x'.repeat(300),
  'x'.repeat(70000),
  [],
  [1, [2, ['three']]],
  Array.from({ length: 20 }, (_, i) => i),
  new Array(70000).fill('a'),
  {},
  { a: 1, b: { c: [null] } },
  Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key ${i}`, i])),
  Object.fromEntries(Array.from({ length: 70000 }, (_, i) => [`key${i}`, i])),
]

test('@msgpack/msgpack reads what is written here, and the other way', () => {
  for (const sample of common) {
    for (let i = 0; i < 20; i++) {
      if (i > 0 && JSON.stringify(sample).length > 1000) break
      for (const value of [sample, { a: sample, b: 'x' }, [sample]]) {
        assert.deepStrictEqual(theirs.decode(encode(value)), value)
        assert.deepStrictEqual(decode(Buffer.from(theirs.encode(value))), value)
        // Where it has a choice it chooses the same bytes.
        assert.ok(encode(value).equals(Buffer.from(theirs.encode(value))))
      }
    }
  }
  assert.deepStrictEqual(Buffer.from(theirs.decode(encode(Buffer.from('bin')))), Buffer.from('bin'))
  assert.deepStrictEqual(decode(Buffer.from(theirs.encode(new Uint8Array([1, 2])))), Buffer.from([1, 2]))
  for (const date of [new Date(0), new Date(1e12 + 5), new Date(-1), new Date(2 ** 34 * 1000), new Date(8.64e15)]) {
    assert.deepStrictEqual(theirs.decode(encode(date)), date)
    assert.deepStrictEqual(decode(Buffer.from(theirs.encode(date))), date)
  }
  assert.strictEqual(theirs.decode(encode(2n ** 63n), { useBigInt64: true }), 2n ** 63n)
  assert.strictEqual(theirs.decode(encode(-(2n ** 63n)), { useBigInt64: true }), -(2n ** 63n))
  assert.deepStrictEqual(theirs.decode(encode(new Map([[1, 'one']]))), { 1: 'one' })
})

test('all that is written here is well-formed to @msgpack/msgpack, extensions included', () => {
  for (const value of samples()) {
    // It refuses these keys itself.
    if (Object.hasOwn(Object(value), '__proto__')) continue
    if (value instanceof Map && ![...value.keys()].every((key) => ['string', 'number'].includes(typeof key))) continue
    theirs.decode(encode(value))
    theirs.decode(encode({ value }))
  }
})

test('msgpackr reads what it has a type for', () => {
  const packr = new Packr({ useRecords: false })
  const values = [undefined, 2n ** 90n, -(2n ** 90n), new Float64Array([1.5]), new ArrayBuffer(3)]
  for (const value of values) assertSame(packr.unpack(encode([value]))[0], value)
  const rich = new Packr({ moreTypes: true, useRecords: false, useBigIntExtension: true })
  for (const value of values) assertSame(decode(Buffer.from(rich.pack([value])))[0], value)
})

const read = (hex) => decode(Buffer.from(hex.replaceAll(' ', ''), 'hex'))

test('what only others write is read', () => {
  assert.strictEqual(read('cf 00000000 00000005'), 5)
  assert.strictEqual(read('cf 001fffff ffffffff'), Number.MAX_SAFE_INTEGER)
  assert.strictEqual(read('cf 00200000 00000000'), 2n ** 53n)
  assert.strictEqual(read('cf 00200000 00000001'), 2n ** 53n + 1n)
  assert.strictEqual(read('d3 ffffffff ffffffff'), -1)
  assert.strictEqual(read('d3 ffe00000 00000001'), Number.MIN_SAFE_INTEGER)
  assert.strictEqual(read('d3 ffe00000 00000000'), -(2n ** 53n))
  assert.strictEqual(read('d3 00000000 00000007'), 7)
  assert.strictEqual(read('ca 3fc00000'), 1.5)
  assert.strictEqual(read('d9 01 61'), 'a')
  assert.strictEqual(read('db 00000001 61'), 'a')
  assert.deepStrictEqual(read('dd 00000001 01'), [1])
  assert.deepStrictEqual(read('df 00000001 d9 01 61 01'), { a: 1 })
  assert.deepStrictEqual(read('c4 02 0102'), Buffer.from([1, 2]))
  assert.deepStrictEqual(read('82 01 02 a1 61 03'), new Map([[1, 2]]).set('a', 3))
  assert.deepStrictEqual(read('82 a1 61 03 01 02'), new Map([['a', 3]]).set(1, 2))
  assert.deepStrictEqual(read('81 90 01').size, 1)
  assert.deepStrictEqual(read('82 a1 61 01 a1 61 02'), { a: 2 })
  assert.deepStrictEqual(read('d7 ff 00000004 00000001'), new Date(1000))
})

test('an extension type of others is kept, and written as it came', () => {
  for (const hex of ['d4 05 aa', 'c7 03 b0 010203', 'd4 00 01', 'd4 44 07', 'c7 00 20']) {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    const extension = decode(bytes)
    assert.strictEqual(typeof extension.type, 'number')
    assert.ok(Buffer.isBuffer(extension.data))
    assert.ok(encode(extension).equals(bytes))
  }
})

test('the examples of docs/format.md are what is written and read', () => {
  const text = fs.readFileSync(path.join(__dirname, '../../docs/format.md'), 'utf8')
  const examples = [...text.matchAll(/^\| `(.+?)` \|.*\| `([0-9a-f ]+)` \|$/gm)]
  assert.ok(examples.length > 30, `${examples.length} examples`)
  for (const [, expression, hex] of examples) {
    const value = new Function(`return (${expression})`)()
    if (value instanceof Error) delete value.stack
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    assert.strictEqual(encode(value).toString('hex'), bytes.toString('hex'), expression)
    if (!(value instanceof Error)) assertSame(decode(bytes), value)
  }
})

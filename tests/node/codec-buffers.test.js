'use strict'

// The encoder's bytes: they grow where they must, shrink again, keep to the limit, and survive an encode in an encode.

const test = require('node:test')
const assert = require('node:assert')
const { Encoder, encode, decode } = require('../../js/codec')
const { samples, assertSame } = require('./codec-samples')

/** What comes back through an encoder's bytes: to be looked at only after the call, which may replace them. */
function through(encoder, value) {
  const length = encoder.encode(value)
  return decode(encoder.bytes, 0, length)
}

const INITIAL = new Encoder().bytes.length

test('a value that straddles the end of the scratch bytes is whole', () => {
  const tails = [
    1.5,
    'short',
    'é'.repeat(20),
    'x'.repeat(300),
    Buffer.alloc(300, 5),
    { a: 1, b: { c: 'd' } },
    [1, [2.5]],
  ]
  const more = [2n ** 64n, 2n ** 60n, new Map([['a', 1]]), new Set([1]), new Date(1), /a/g, undefined, null, true]
  for (const tail of [...tails, ...more]) {
    for (let i = 0; i < 20; i++) encode({ head: 'x', tail, end: 1 })
    for (let short = 0; short < 90; short++) {
      const encoder = new Encoder()
      const value = { head: 'x'.repeat(INITIAL - short), tail, end: 1 }
      const length = encoder.encode(value)
      assertSame(decode(encoder.bytes, 0, length), value)
      // As above, but nothing reserved room before.
      const flat = [Buffer.alloc(INITIAL - short), tail, tail]
      assertSame(decode(encode(flat)), flat)
    }
  }
})

test('a limit is exact: what fits is taken, one byte less is not', () => {
  for (let i = 0; i < 20; i++) encode({ k: i })
  for (const sample of samples()) {
    if (sample instanceof Error) continue
    for (const value of [sample, { k: sample }, [sample], new Map([['k', sample]])]) {
      const bytes = encode(value)
      assert.ok(encode(value, bytes.length).equals(bytes))
      assert.throws(
        () => encode(value, bytes.length - 1),
        (error) => {
          assert.strictEqual(error.code, 'ERR_MESSAGE_TOO_LARGE')
          assert.strictEqual(error.available, bytes.length - 1)
          assert.ok(
            error.needed > error.available && error.needed <= bytes.length,
            `${error.needed} of ${bytes.length}`,
          )
          return true
        },
      )
    }
  }
})

test('what is too large is refused before it is built', () => {
  const encoder = new Encoder({ maxBytes: 1000 })
  let read = 0
  const item = {
    get text() {
      read++
      return 'x'.repeat(100)
    },
  }
  const tooLarge = { code: 'ERR_MESSAGE_TOO_LARGE', available: 1000 }
  assert.throws(() => encoder.encode(new Array(900).fill(item)), tooLarge)
  assert.ok(read < 20, `${read} read`)
  assert.throws(() => encoder.encode(['x'.repeat(1 << 28)]), tooLarge)
  assert.throws(() => encoder.encode({ a: Buffer.alloc(1 << 26) }), tooLarge)
  assert.throws(() => encoder.encode(new Float64Array(1 << 20)), tooLarge)
  assert.throws(() => encoder.encode(new Array(4294967295)), tooLarge)
  assert.throws(() => encoder.encode([[new Array(4294967295)]]), tooLarge)
  assert.throws(() => encoder.encode(/x/.source.repeat(1001)), tooLarge)
  assert.strictEqual(encoder.bytes.length, INITIAL)
})

test('the bytes grow by being replaced, and shrink when large messages stop', () => {
  const encoder = new Encoder()
  const first = encoder.bytes
  encoder.encode('small')
  assert.strictEqual(encoder.bytes, first)
  const length = encoder.encode('x'.repeat(8 << 20))
  assert.notStrictEqual(encoder.bytes, first)
  assert.strictEqual(encoder.bytes[length - 1], 0x78)
  for (let i = 0; i < 1000; i++) assert.strictEqual(through(encoder, i), i)
  assert.strictEqual(encoder.bytes.length, INITIAL)
  // Steady large messages keep what they need.
  const steady = 'y'.repeat(300000)
  encoder.encode(steady)
  const { bytes } = encoder
  for (let i = 0; i < 1000; i++) encoder.encode(i % 50 ? 1 : steady)
  assert.strictEqual(encoder.bytes, bytes)
})

test('user code inside an encode may encode: through encode, or another Encoder', () => {
  const encoder = new Encoder()
  const other = new Encoder()
  const text = 'z'.repeat(INITIAL)
  const inner = { a: 1, text }
  let busy
  const value = () => ({
    before: 'b',
    get now() {
      busy = encoder.busy
      assert.throws(() => encoder.encode(1), /busy/)
      assert.deepStrictEqual(decode(encode(inner)), inner)
      assert.deepStrictEqual(through(other, inner), inner)
      assert.throws(() => other.encode(() => 1), { code: 'ERR_NOT_SERIALIZABLE' })
      assert.throws(() => encode(inner, 10), { code: 'ERR_MESSAGE_TOO_LARGE' })
      return decode(encode({ nested: [inner] }))
    },
    after: [1, 2, text],
  })
  for (let i = 0; i < 30; i++) {
    const length = encoder.encode(value())
    assert.strictEqual(busy, true)
    assert.strictEqual(encoder.busy, false)
    assert.deepStrictEqual(decode(encoder.bytes, 0, length), {
      before: 'b',
      now: { nested: [inner] },
      after: [1, 2, text],
    })
  }
})

test('an encode in an encode in an encode works', () => {
  const make = (levels) => ({
    get down() {
      return levels === 0 ? 'end' : encode(make(levels - 1))
    },
  })
  let bytes = encode(make(10))
  for (let i = 0; i < 10; i++) bytes = decode(bytes).down
  assert.deepStrictEqual(decode(bytes), { down: 'end' })
})

test('encode gives bytes of its own', () => {
  const one = encode({ a: 'one' })
  encode({ a: 'two' })
  assert.deepStrictEqual(decode(one), { a: 'one' })
})

'use strict'

// What a message may hold comes back as it was, wherever it stands, and in every way there is to encode it.

const test = require('node:test')
const assert = require('node:assert')
const vm = require('node:vm')
const { createHash } = require('node:crypto')
const { execFileSync } = require('node:child_process')
const { encode, decode } = require('../../js/codec')
const compile = require('../../js/codec/compile')
const { shapes } = require('../../js/codec/write')
const { reset } = require('../../js/codec/decoder')
const { User, samples, places, assertSame, roundTrip } = require('./codec-samples')

function coldAnd(generating, run) {
  const before = compile.mode.generating
  shapes.clear()
  reset()
  compile.mode.generating = generating
  try {
    return run()
  } finally {
    compile.mode.generating = before
    shapes.clear()
    reset()
  }
}

for (const [where, place] of Object.entries(places)) {
  test(`every kind of value comes back as it was: ${where}`, () => {
    for (const generating of [true, false]) {
      coldAnd(generating, () => {
        // Often enough that the objects around the values have functions of their own.
        for (const value of [...Array(30).keys(), ...samples()].map(place)) assertSame(roundTrip(value), value)
      })
    }
  })
}

test('the same bytes come from compiled and from generic code', () => {
  const values = samples().filter((value) => !(value instanceof Error))
  const objects = values.flatMap((value) => [{ a: value, b: [value] }, { value }, { x: { y: value } }])
  const generic = coldAnd(false, () => objects.map((value) => encode(value)))
  coldAnd(true, () => {
    for (let i = 0; i < 30; i++) for (const object of [{ a: i, b: [i] }, { value: i }, { x: { y: i } }]) encode(object)
    for (const [i, object] of objects.entries()) {
      assert.notStrictEqual(shapes.of(object), null, 'compiled')
      assert.ok(encode(object).equals(generic[i]))
    }
  })
})

test('a process that forbids generating code encodes the same bytes', () => {
  let all = ''
  for (const value of samples())
    if (!(value instanceof Error)) all += encode({ a: value, b: [value] }).toString('base64')
  const script = require.resolve('./codec-samples')
  const printed = execFileSync(process.execPath, ['--disallow-code-generation-from-strings', script]).toString()
  assert.strictEqual(printed, createHash('sha256').update(all).digest('hex'))
})

test('a class instance travels as its own enumerable properties, a null-prototype object as a plain one', () => {
  for (let i = 0; i < 30; i++) {
    assertSame(roundTrip([new User('ann')]), [{ name: 'ann', seen: [1, 2] }])
    assertSame(roundTrip(Object.assign(Object.create(null), { a: i })), { a: i })
    const old = Object.assign(Object.create({ inherited: 'enumerable' }), { mine: i })
    assertSame(roundTrip(old), { mine: i })
    assertSame(roundTrip({ mine: i, inherited: 1 }), { mine: i, inherited: 1 })
    const hidden = Object.defineProperty({ a: 1, [Symbol('s')]: 2 }, 'b', { value: 2, enumerable: false })
    assertSame(roundTrip(hidden), { a: 1 })
  }
})

test('toJSON is honoured once, wherever it comes from; Date and bytes are themselves', () => {
  for (let i = 0; i < 30; i++) {
    assert.deepStrictEqual(roundTrip({ a: 1, b: { toJSON: () => 'instead' } }), { a: 1, b: 'instead' })
    assert.deepStrictEqual(
      roundTrip(
        new (class {
          toJSON() {
            return { a: i }
          }
        })(),
      ),
      { a: i },
    )
    assert.deepStrictEqual(roundTrip(new URL('http://example.com/')), 'http://example.com/')
    assert.deepStrictEqual(roundTrip(Object.assign([1], { toJSON: () => [2] })), [2])
    assert.deepStrictEqual(roundTrip({ toJSON: () => undefined }), undefined)
    assert.deepStrictEqual(roundTrip({ toJSON: () => ({ toJSON: 5, a: 1 }) }), { toJSON: 5, a: 1 })
    assert.deepStrictEqual(roundTrip(Object.assign(new Date(5), { toJSON: () => 1 })), new Date(5))
    const hidden = Object.defineProperty({ a: 1 }, 'toJSON', { value: () => 'hidden', enumerable: false })
    assert.deepStrictEqual(roundTrip({ a: 1 }), { a: 1 })
    assert.deepStrictEqual(roundTrip(hidden), 'hidden')
  }
})

test('boxed primitives unwrap, holes are undefined, arrays carry elements only', () => {
  assertSame(roundTrip([Object(1), Object('s'), Object(false), Object(5n)]), [1, 's', false, 5n])
  const holey = [1]
  holey[2] = 3
  assertSame(roundTrip(holey), [1, undefined, 3])
  assertSame(roundTrip(Object.assign([1], { extra: 2 })), [1])
  assertSame(roundTrip(new (class extends Array {})(1, 2, 3)), [1, 2, 3])
})

test('objects of another context are what they are', () => {
  const foreign = vm.runInNewContext(
    `({ date: new Date(7), map: new Map([['a', 1]]), set: new Set([1]), list: [1], plain: { a: 1 }, bytes: new Uint8Array([1]),
      regexp: /a/g, error: new TypeError('t'), buffer: new ArrayBuffer(2), boxed: Object(1), nothing: Object.create(null) })`,
  )
  const back = roundTrip(foreign)
  assertSame(back.date, new Date(7))
  assertSame(back.map, new Map([['a', 1]]))
  assertSame(back.set, new Set([1]))
  assertSame(back.list, [1])
  assertSame(back.plain, { a: 1 })
  assertSame(back.bytes, new Uint8Array([1]))
  assertSame(back.regexp, /a/g)
  assert.ok(back.error instanceof TypeError)
  assertSame(back.buffer, new ArrayBuffer(2))
  assert.strictEqual(back.boxed, 1)
  assertSame(back.nothing, {})
})

test('an error keeps class, name, message, code, stack, cause and properties', () => {
  class HttpError extends TypeError {
    get name() {
      return 'HttpError'
    }
    get code() {
      return 'ERR_HTTP'
    }
    status = 404
  }
  const back = roundTrip(new HttpError('gone', { cause: { a: 1 } }))
  assert.ok(back instanceof TypeError)
  assert.strictEqual(back.name, 'HttpError')
  assert.strictEqual(back.message, 'gone')
  assert.strictEqual(back.code, 'ERR_HTTP')
  assert.deepStrictEqual(back.cause, { a: 1 })
  assert.deepStrictEqual(Object.keys(back), ['status'])
  const error = new Error('x')
  assert.strictEqual(roundTrip(error).stack, error.stack)
})

test('__proto__ is data: an own property, never a prototype', () => {
  for (let i = 0; i < 40; i++) {
    const back = roundTrip(JSON.parse(`{"a":${i},"__proto__":{"admin":true}}`))
    assert.strictEqual(Object.getPrototypeOf(back), Object.prototype)
    assert.ok(Object.hasOwn(back, '__proto__'))
    assert.strictEqual(back.admin, undefined)
  }
})

test('what others did to Object.prototype changes neither bytes nor values', () => {
  shapes.clear()
  const message = () => ({ alpha: 1, beta: { alpha: 2 } })
  const bytes = encode(message())
  for (let i = 0; i < 30; i++) roundTrip({ alpha: i, polluted: 2 })
  assert.notStrictEqual(shapes.ofKeys(['alpha', 'polluted']), null)
  try {
    Object.prototype.polluted = 'enumerable'
    assert.ok(encode(message()).equals(bytes))
    assert.ok(encode({ alpha: 1 }).equals(Buffer.from('81a5616c70686101', 'hex')))
    Object.defineProperty(Object.prototype, 'fixed', { value: 1, writable: false, configurable: true })
    assert.strictEqual(decode(encode(new Map([['fixed', 2]]))).get('fixed'), 2)
    assert.ok(Object.hasOwn(decode(Buffer.from('81a5666978656402', 'hex')), 'fixed'))
  } finally {
    delete Object.prototype.polluted
    delete Object.prototype.fixed
  }
  try {
    Object.defineProperty(Object.prototype, 'toJSON', { value: () => 'said', configurable: true })
    assert.strictEqual(decode(encode(message())), 'said')
  } finally {
    delete Object.prototype.toJSON
  }
  assert.ok(encode(message()).equals(bytes))
})

test('an object that changes while it is encoded gives a whole value', () => {
  for (let i = 0; i < 30; i++) {
    const deleting = {
      get a() {
        delete this.b
        return 1
      },
      b: 2,
    }
    assert.deepStrictEqual(roundTrip(deleting), { a: 1, b: undefined })
    const adding = {
      get a() {
        this.c = 3
        return 1
      },
      b: 2,
    }
    assert.deepStrictEqual(roundTrip(adding), { a: 1, b: 2 })
    const shrinking = [0, 1, 2, 3]
    Object.defineProperty(shrinking, 1, {
      get() {
        shrinking.length = 2
        return 'x'
      },
      enumerable: true,
    })
    assert.deepStrictEqual(roundTrip(shrinking), [0, 'x', undefined, undefined])
    const proxy = new Proxy({ a: i, b: 2 }, { ownKeys: () => ['b', 'a'] })
    assert.deepStrictEqual(Object.keys(roundTrip(proxy)), ['b', 'a'])
  }
})

test('what is decoded owns its bytes', () => {
  const value = { a: Buffer.from('abc'), b: new Uint8Array([1, 2]), c: new ArrayBuffer(3), d: 'text', e: [2n ** 70n] }
  const bytes = encode(value)
  const back = decode(bytes)
  bytes.fill(0)
  assertSame(back, value)
})

test('a value is read from the middle of a larger buffer', () => {
  const body = encode({ id: 1, text: 'hello', list: [1.5] })
  for (let i = 0; i < 30; i++) {
    const frame = Buffer.concat([Buffer.alloc(i, 0xff), body, Buffer.alloc(5, 0x01)])
    assert.deepStrictEqual(decode(frame, i, i + body.length), { id: 1, text: 'hello', list: [1.5] })
    assert.throws(() => decode(frame, i, i + body.length + 1), { code: 'ERR_CORRUPT' })
    assert.throws(() => decode(frame, i, i + body.length - 1), { code: 'ERR_CORRUPT' })
  }
})

test('many shapes, dictionaries among them, come back right while functions come and go', () => {
  for (let i = 0; i < 3000; i++) {
    const value = { type: 'x' }
    value[`k${i % 400}`] = i
    value[`random${Math.random()}`] = 1
    const stable = { type: 'x', [`field${i % 300}`]: { [`inner${i % 7}`]: i } }
    assert.deepStrictEqual(roundTrip(value), value)
    for (let k = 0; k < 3; k++) assert.deepStrictEqual(roundTrip(stable), stable)
  }
})

'use strict'

// Values for the codec's tests: one of everything a message may hold, and how to compare what came back.
// Run as a program it is the test of a process where code cannot be generated (codec-values.test.js starts it).

const assert = require('node:assert')
const { encode, decode } = require('../../js/codec')

class User {
  constructor(name) {
    this.name = name
    this.seen = [1, 2]
  }
  get hidden() {
    return 'on the prototype'
  }
}

const typedArrays = () =>
  [
    new Int8Array([-1, 2]),
    new Uint8Array([1, 2, 3]),
    new Uint8ClampedArray([255]),
    new Int16Array([-300]),
    new Uint16Array([65535, 1]),
    new Int32Array([-70000]),
    new Uint32Array([4294967295]),
    new Float32Array([1.5, Number.NaN]),
    new Float64Array([0.1, -0]),
    new BigInt64Array([-1n]),
    new BigUint64Array([2n ** 64n - 1n]),
    globalThis.Float16Array && new globalThis.Float16Array([1.5]),
    new Uint8Array(0),
    new Uint8Array(300).fill(7).subarray(10, 290),
  ].filter((array) => array !== undefined)

const errors = () => [
  new Error('plain'),
  new Error(),
  new TypeError('wrong type', { cause: new RangeError('far') }),
  Object.assign(new SyntaxError('odd'), { code: 'ERR_ODD', details: { line: 3 } }),
  Object.assign(new Error('named'), { name: 'CustomError' }),
  new Error('no cause', { cause: undefined }),
  new AggregateError([new URIError('one'), 2], 'several'),
]

const numbers = [
  0,
  -0,
  1,
  31,
  32,
  127,
  128,
  255,
  256,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
]
const negative = [-1, -32, -33, -128, -129, -32768, -32769, -(2 ** 31), -(2 ** 31) - 1, -(2 ** 53)]
const odd = [0.5, -1.25, Math.PI, Number.NaN, Infinity, -Infinity, Number.MIN_VALUE, Number.MAX_VALUE, 1682302513688]
const big = [0n, 1n, -1n, 127n, 128n, -128n, -129n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n]
const moreBig = [-(2n ** 53n), -(2n ** 63n), -(2n ** 63n) - 1n, 2n ** 200n, -(2n ** 200n), 3n ** 5000n]
const lengths = [1, 3, 4, 8, 9, 16, 17, 24, 25, 31, 32, 48, 49, 255, 256, 1024, 4095, 4096, 65535, 65536]

/** name -> a value that must come back equal to itself. */
const samples = () =>
  [
    null,
    true,
    false,
    undefined,
    ...numbers,
    ...negative,
    ...odd,
    ...big,
    ...moreBig,
    '',
    'é',
    '\u0000',
    'a\ufffdb',
    '\ud83d\ude00 and text',
    ...lengths.flatMap((length) => [
      'a'.repeat(length),
      'é'.repeat(length),
      '漢'.repeat(length),
      `${'a'.repeat(length)}é`,
    ]),
    [],
    [1, 'two', [3, [null]]],
    Array.from({ length: 16 }, (_, i) => i),
    new Array(70000).fill(1),
    {},
    { a: 1, b: { c: [{ d: 'e' }] } },
    { a: undefined, b: 1 },
    { 'not an identifier': 1, '': 2, é: 3, 10: 4, 9: 5 },
    { constructor: 1, toString: 2, hasOwnProperty: 3, valueOf: 4 },
    JSON.parse('{"a":1,"__proto__":{"polluted":true}}'),
    { toJSON: 'no function', a: 1 },
    Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`key${i}`, i])),
    Object.fromEntries(Array.from({ length: 70000 }, (_, i) => [`key${i}`, i])),
    Buffer.from('bytes'),
    Buffer.alloc(0),
    Buffer.alloc(300, 1),
    Buffer.alloc(70000, 1),
    new ArrayBuffer(5),
    new DataView(new ArrayBuffer(6), 1, 3),
    ...typedArrays(),
    new Date(0),
    new Date(1682302513688),
    new Date(-1),
    new Date(8.64e15),
    new Date(-8.64e15),
    new Date(2 ** 34 * 1000),
    new Date(Number.NaN),
    new Map(),
    new Map([['only', 'strings']]),
    new Map([
      ['first', 1],
      [2, 'second'],
      [null, { a: 1 }],
    ]),
    new Map([[{ key: 1 }, new Map([[[], new Set()]])]]),
    new Map([[new Date(1), 1n]]),
    new Set(),
    new Set([1, 'a', { b: 1 }, new Set([undefined])]),
    /plain/,
    /sl\/ash [é]/giu,
    ...errors(),
  ].map((value) => value)

/** An invalid date is equal to itself here: assert thinks otherwise on some versions. */
function comparable(value) {
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'an invalid date' : value
  if (Array.isArray(value)) return value.map(comparable)
  if (value instanceof Map) return [...value].map(([key, item]) => ['entry', comparable(key), comparable(item)])
  if (value instanceof Set) return ['set', ...[...value].map(comparable)]
  if (value instanceof Error) return comparableError(value)
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype) return value
  return ['object', ...Object.keys(value).map((key) => [key, comparable(value[key])])]
}

const comparableError = (error) => ({
  prototype: Object.getPrototypeOf(error),
  name: error.name,
  message: error.message,
  stack: error.stack,
  hidden: ['message', 'cause', 'errors'].filter(
    (key) => Object.hasOwn(error, key) && !Object.keys(error).includes(key),
  ),
  cause: comparable(error.cause),
  errors: comparable(error.errors),
  own: Object.entries(error).map(([key, value]) => [key, comparable(value)]),
})

const kind = (value) => Object.prototype.toString.call(value)

function assertSame(actual, expected) {
  assert.strictEqual(kind(actual), kind(expected))
  assert.deepStrictEqual(comparable(actual), comparable(expected))
}

/** A value in the places that are encoded in ways of their own. */
const places = {
  'at the top': (value) => value,
  'in an array': (value) => [1, value, 'after'],
  'in an object': (value) => ({ before: 1, value, after: 'x' }),
  'deep in objects': (value) => ({ a: { b: [{ c: value }] } }),
  'under a key that is no identifier': (value) => ({ 'a-b': value, c: 1 }),
  'in a Map': (value) => new Map([['k', value]]),
  'as a Map key': (value) => new Map([[value, 'under it']]),
  'in a Set': (value) => new Set([value]),
  'deeper than the stack is used': (value) => {
    let deep = value
    for (let i = 0; i < 40; i++) deep = i % 2 ? [deep, i] : { deep, i }
    return deep
  },
  'as a cause': (value) => new Error('outer', { cause: value }),
}

const roundTrip = (value) => decode(encode(value))

module.exports = { User, samples, places, assertSame, roundTrip }

if (require.main === module) {
  assert.throws(() => new Function('return 1'), EvalError)
  let all = ''
  for (let round = 0; round < 20; round++) {
    for (const value of Object.values(places).map((place) => place({ id: round }))) assertSame(roundTrip(value), value)
  }
  for (const value of samples()) {
    const bytes = encode({ a: value, b: [value] })
    assertSame(decode(bytes), { a: value, b: [value] })
    if (!(value instanceof Error)) all += bytes.toString('base64')
  }
  process.stdout.write(require('node:crypto').createHash('sha256').update(all).digest('hex'))
}

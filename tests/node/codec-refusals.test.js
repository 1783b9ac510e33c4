'use strict'

// What cannot travel is refused with the path to it, never emptied; what user code throws comes out unchanged; and the
// encoder is as it was.

const test = require('node:test')
const assert = require('node:assert')
const { execFileSync } = require('node:child_process')
const { Encoder, encode, decode } = require('../../js/codec')

const refused = (value, path, words) =>
  assert.throws(
    () => encode(value),
    (error) => {
      assert.strictEqual(error.code, 'ERR_NOT_SERIALIZABLE')
      assert.strictEqual(error.path, path)
      if (path.length < 100) assert.ok(error.message.startsWith(`${path} `), error.message)
      if (words) assert.match(error.message, words)
      return true
    },
  )

const cannot = {
  'a function': () => () => 1,
  'a symbol': () => Symbol('s'),
  'a boxed symbol': () => Object(Symbol('s')),
  'a promise': () => Promise.resolve(1),
  'a WeakMap': () => new WeakMap(),
  'a WeakSet': () => new WeakSet(),
  'a WeakRef': () => new WeakRef({}),
  'a SharedArrayBuffer': () => new SharedArrayBuffer(4),
  'a view on one': () => new Uint8Array(new SharedArrayBuffer(4)),
  'a Buffer on one': () => Buffer.from(new SharedArrayBuffer(4)),
  'a DataView on one': () => new DataView(new SharedArrayBuffer(4)),
  'a lone surrogate': () => 'a\ud800b',
  'a lone surrogate at the end of a long string': () => `${'a'.repeat(5000)}\udc00`,
  'a lone surrogate among others': () => '\ud83d\ude00\ude00',
  'a lone surrogate in a middling string': () => `${'é'.repeat(30)}\ud800`,
  'a generator': () => (function* () {})(),
  'toJSON giving a function': () => ({ toJSON: () => () => 1 }),
  'detached bytes': () => {
    const view = new Uint8Array(8)
    structuredClone(view, { transfer: [view.buffer] })
    return view
  },
}

for (const [name, make] of Object.entries(cannot)) {
  test(`${name} is refused, and the path says where`, () => {
    for (let i = 0; i < 30; i++) {
      refused(make(), 'message')
      refused({ user: { name: 'ann', avatar: make() } }, 'message.user.avatar')
      refused({ list: [1, 2, { x: 1 }, make()] }, 'message.list[3]')
      refused({ 'a b': { x: make() } }, 'message["a b"].x')
      refused({ map: new Map([[1, 2]]), m: new Map([['key', make()]]) }, 'message.m<key>')
      refused(new Map([[5, { deep: make() }]]), 'message<5>.deep')
      refused(new Map([[1, 2]]).set(make(), 1), 'message.keys()[1]')
      refused(new Set([1, make()]), 'message[1]')
      refused({ e: new Error('x', { cause: make() }) }, 'message.e.cause')
      refused({ e: Object.assign(new Error('x'), { extra: [make()] }) }, 'message.e.extra[0]')
      // The same shapes with something that can travel: they are compiled on the way.
      encode({ user: { name: 'ann', avatar: i } })
      encode({ list: [1, 2, { x: 1 }, i] })
    }
  })
}

test('a lone surrogate in a key is refused', () => {
  refused({ ok: { 'a\ud800': 1 } }, 'message.ok["a\\ud800"]')
})

test('a cycle is told as one, where it closes', () => {
  const self = { a: 1 }
  self.me = { again: self }
  refused(self, 'message.me.again', /cycle/)
  const list = [1]
  list.push({ in: list })
  refused({ list }, 'message.list[1].in', /cycle/)
  const map = new Map()
  map.set('m', new Set([map]))
  refused(map, 'message<m>[0]', /cycle/)
  const error = new Error('own')
  error.cause = error
  refused({ error }, 'message.error.cause', /cycle/)
  const wide = { text: 'x'.repeat(100000), parent: null }
  wide.parent = { wide }
  assert.throws(() => encode(wide, 1 << 20), { code: 'ERR_NOT_SERIALIZABLE', path: 'message.parent.wide' })
  const shared = { a: 1 }
  assert.deepStrictEqual(decode(encode([shared, shared])), [{ a: 1 }, { a: 1 }])
})

const kinds = {
  arrays: (inner) => [inner],
  objects: (inner) => ({ inner }),
  'objects of odd keys': (inner) => ({ 'a-b': inner }),
  maps: (inner) => new Map([['k', inner]]),
  'maps with keys': (inner) => new Map([[1, inner]]),
  sets: (inner) => new Set([inner]),
  causes: (inner) => {
    const error = new Error('e', { cause: inner })
    delete error.stack
    return error
  },
  'class instances': (inner) =>
    new (class Box {
      inner = inner
    })(),
}

const nest = (wrap, levels) => {
  let value = 'core'
  for (let i = 0; i < levels; i++) value = wrap(value)
  return value
}

const unwrap = (value) => {
  let levels = 0
  for (; value !== 'core'; levels++) {
    if (value instanceof Map) [value] = value.values()
    else if (value instanceof Set) [value] = value
    else value = value instanceof Error ? value.cause : Object.values(value)[0]
  }
  return levels
}

/** Calls `run` with no more than some dozens of kilobytes of stack left. */
function lowOnStack(run) {
  const frames = () => {
    let depth = 0
    const dive = () => {
      depth++
      dive()
    }
    try {
      dive()
    } catch {}
    return depth
  }
  const dive = (left) => (left > 0 ? dive(left - 1) : run())
  return dive(Math.floor(frames() * 0.7))
}

for (const [name, wrap] of Object.entries(kinds)) {
  test(`1,000 levels of ${name} travel, one more is refused, however deep the caller stands`, () => {
    // Warm, so that objects are compiled.
    for (let i = 0; i < 30; i++) encode(nest(wrap, 3))
    const value = nest(wrap, 1000)
    assert.strictEqual(unwrap(decode(encode(value))), 1000)
    assert.strictEqual(unwrap(lowOnStack(() => decode(encode(value)))), 1000)
    const refusal = { code: 'ERR_NOT_SERIALIZABLE', message: /1,000 levels/ }
    assert.throws(() => encode(wrap(value)), refusal)
    assert.throws(() => encode(nest(wrap, 20000)), refusal)
  })
}

test('a toJSON that never ends is refused as too deep', () => {
  const make = () => ({ toJSON: () => ({ next: make() }) })
  assert.throws(() => encode(make()), { code: 'ERR_NOT_SERIALIZABLE', message: /1,000 levels/ })
})

test('what has no parts stands inside as many levels as a number', () => {
  const extension = decode(Buffer.from('d47f05', 'hex'))
  for (const leaf of [1, /a/g, new Date(1), Buffer.from('b'), new Float64Array(1), 5n, undefined, extension]) {
    let value = leaf
    for (let i = 0; i < 1000; i++) value = [value]
    let back = decode(encode(value))
    for (let i = 0; i < 1000; i++) [back] = back
    assert.deepStrictEqual(back, leaf)
  }
})

test('more levels than allowed are corrupt when read', () => {
  const nested = (levels) => Buffer.concat([Buffer.alloc(levels, 0x91), Buffer.from([1])])
  let value = decode(nested(1000))
  for (let i = 0; i < 1000; i++) [value] = value
  assert.strictEqual(value, 1)
  for (const levels of [1001, 5000, 1000000]) assert.throws(() => decode(nested(levels)), { code: 'ERR_CORRUPT' })
})

test('what a getter or toJSON throws comes out unchanged, also a RangeError, and the encoder goes on', () => {
  const encoder = new Encoder({ maxBytes: 1000 })
  for (const thrown of [new Error('mine'), new RangeError('mine'), 'a string', undefined, null]) {
    const fail = () => {
      throw thrown
    }
    const failing = {
      get a() {
        return fail()
      },
    }
    for (const value of [
      failing,
      { b: [failing] },
      { toJSON: fail },
      new Map([['k', failing]]),
      [new Set([failing])],
    ]) {
      for (let i = 0; i < 20; i++) {
        let caught = 'nothing'
        try {
          encoder.encode(value)
        } catch (error) {
          caught = error
        }
        assert.strictEqual(caught, thrown)
        assert.strictEqual(encoder.busy, false)
      }
      assert.strictEqual(encoder.encode({ a: 1 }), 4)
    }
  }
})

test("a refusal inside an encode that a getter started is that one's own", () => {
  const value = {
    get inner() {
      return encode({ deep: () => 1 })
    },
  }
  assert.throws(() => encode({ outer: value }), { code: 'ERR_NOT_SERIALIZABLE', path: 'message.deep' })
})

test('refusals are the same where code cannot be generated', () => {
  const script = `
    const assert = require('node:assert')
    const { encode } = require(${JSON.stringify(require.resolve('../../js/codec'))})
    for (let i = 0; i < 30; i++) {
      assert.throws(() => encode({ user: { list: [1, () => 1] } }), { path: 'message.user.list[1]' })
      assert.throws(() => encode({ user: 'x'.repeat(100) }, 50), { code: 'ERR_MESSAGE_TOO_LARGE' })
    }`
  execFileSync(process.execPath, ['--disallow-code-generation-from-strings', '-e', script])
})

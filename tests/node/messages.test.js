'use strict'

// Bodies of every size and kind between processes: raw and encoded, shared and owned, nested publishes.

const test = require('node:test')
const assert = require('node:assert')
const { openBus, uniqueName } = require('./support/bus')
const { run } = require('./support/process')
const { until } = require('./support/wait')
const { decode, encode } = require('slabcast')

/** In a child: sends each message of 'there' back on 'back', as it came. */
async function mirror({ say }, name, raw) {
  const bus = require('slabcast').open({ name })
  bus.subscribe(
    'there',
    (message) => {
      bus.publish('back', message, { raw })
    },
    { raw },
  )
  await say('listening')
}

async function mirrored(t, options, raw = false) {
  const name = uniqueName()
  const bus = openBus(t, { name, ...options })
  const child = run(t, mirror, name, raw)
  await child.hear()
  const back = []
  bus.subscribe('back', (message) => back.push(message), { raw })
  return async (message) => {
    bus.publish('there', message, { raw })
    await until(() => back.length > 0)
    return back.pop()
  }
}

test('values come as they went, to another process and back', async (t) => {
  const there = await mirrored(t)
  const values = [
    null,
    true,
    0,
    -0,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    2 ** 53,
    -1.5,
    123456789012345678901234567890n,
    '',
    'ünï 💬',
    [],
    [1, [2, [3]]],
    {},
    { a: { b: { c: [1, 2, { d: 'e' }] } } },
    new Date(1682302513688),
    new Map([
      [1, 'a'],
      [{ k: 1 }, new Set([1, 2])],
    ]),
    /x+/giu,
    new Uint16Array([1, 2, 65535]),
    Buffer.from('bytes'),
    { missing: undefined, present: 1 },
  ]
  for (const value of values) assert.deepStrictEqual(await there(value), value)
  assert.strictEqual(await there(undefined), undefined)
  const error = await there(new RangeError('sent'))
  assert.ok(error instanceof Error)
  assert.deepStrictEqual([error.name, error.message], ['RangeError', 'sent'])
})

test('raw and plain, publisher and listener, in all four combinations', async (t) => {
  const bus = openBus(t)
  const seen = { plain: [], raw: [] }
  bus.subscribe('t', (message) => seen.plain.push(message))
  bus.subscribe('t', (message) => seen.raw.push(message), { raw: true })
  bus.publish('t', { a: 1 })
  bus.publish('t', encode({ b: 2 }), { raw: true })
  await until(() => seen.plain.length === 2 && seen.raw.length === 2)
  assert.deepStrictEqual(seen.plain[0], { a: 1 })
  // A raw body is bytes to a plain listener, whatever they might mean.
  assert.ok(Buffer.isBuffer(seen.plain[1]))
  assert.deepStrictEqual(decode(seen.plain[1]), { b: 2 })
  assert.ok(seen.raw.every(Buffer.isBuffer))
  assert.deepStrictEqual(seen.raw.map(decode), [{ a: 1 }, { b: 2 }])
})

test('raw takes every kind of bytes, each as the bytes it shows, and nothing is changed', async (t) => {
  const there = await mirrored(t, {}, true)
  const memory = Uint8Array.from({ length: 64 }, (_, at) => at).buffer
  const kinds = [
    Buffer.from('buffer'),
    Buffer.from(memory, 3, 5),
    new Uint8Array(memory, 8, 8),
    new Float64Array(memory, 16, 2),
    new DataView(memory, 1, 3),
    memory,
    new Uint8ClampedArray([1, 2, 3]),
    new BigInt64Array([1n, -1n]),
    Buffer.alloc(0),
    new ArrayBuffer(0),
    new Uint8Array(memory, 64),
  ]
  for (const bytes of kinds) {
    const expected = ArrayBuffer.isView(bytes)
      ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : Buffer.from(bytes)
    const back = await there(bytes)
    assert.ok(Buffer.isBuffer(back))
    assert.deepStrictEqual(back, Buffer.from(expected))
  }
})

for (const raw of [true, false]) {
  test(`${raw ? 'raw' : 'encoded'} bytes of every size come intact: around the batch buffer, and as many as the bus takes`, async (t) => {
    const there = await mirrored(t, { size: '4mb' }, raw)
    const random = Buffer.alloc(2 ** 21)
    for (let at = 0, x = 1; at < random.length; at++) {
      x = (Math.imul(x, 1103515245) + 12345) | 0
      random[at] = x >>> 16
    }
    const batch = 256 * 1024
    const most = 2 ** 21 - (raw ? 0 : 5)
    const sizes = [0, 1, 31, 32, 33, 63, 64, 65, 4096, batch - 1, batch, batch + 1, batch * 3, most]
    for (const size of sizes) {
      const sent = random.subarray(random.length - size)
      const back = await there(sent)
      assert.ok(sent.equals(back), `${size} bytes came back as ${back.length}`)
    }
  })
}

test('large and small messages in one flow stay in order', async (t) => {
  const bus = openBus(t, { size: '4mb' })
  const seen = []
  bus.subscribe('t', (message, { sequence }) => seen.push([message.length, sequence]))
  const sizes = [1, 300_000, 2, 3, 700_000, 700_000, 4, 262_144, 5]
  for (const size of sizes) bus.publish('t', Buffer.alloc(size), { raw: true })
  await until(() => seen.length === sizes.length)
  assert.deepStrictEqual(
    seen,
    sizes.map((size, at) => [size, at + 1]),
  )
})

test('bytes of a message are its receiver’s for good: later messages do not change them, nor do they each other', async (t) => {
  const bus = openBus(t, { size: '64kb' })
  const [raws, plains, views] = [[], [], []]
  bus.subscribe('raw', (message) => raws.push(message), { raw: true })
  bus.subscribe('raw', (message) => plains.push(message))
  bus.subscribe('encoded', ({ view }) => views.push(view))
  for (let number = 0; number < 2000; number++) {
    const bytes = Buffer.alloc(100, number % 251)
    const accepted = [bus.publish('raw', bytes, { raw: true }), bus.publish('encoded', { view: bytes })]
    // It may be changed at once: the message is as it was at the call.
    bytes.fill(255)
    if (accepted.includes(false)) await new Promise((resolve) => bus.once('drain', resolve))
  }
  await until(() => views.length === 2000)
  for (const [at, bytes] of raws.entries()) assert.ok(bytes.equals(Buffer.alloc(100, at % 251)))
  for (const [at, bytes] of views.entries()) assert.ok(Buffer.from(bytes).equals(Buffer.alloc(100, at % 251)))
  assert.strictEqual(plains.length, 2000)
  raws[0].fill(1)
  assert.ok(raws[1].equals(Buffer.alloc(100, 1)))
  assert.ok(raws[2].equals(Buffer.alloc(100, 2)))
})

test('a message as it was at the call: what happens to the object afterwards is not seen', async (t) => {
  const bus = openBus(t)
  const seen = []
  bus.subscribe('t', (message) => seen.push(message))
  const message = { list: [1], nested: { text: 'before' } }
  bus.publish('t', message)
  message.list.push(2)
  message.nested.text = 'after'
  await until(() => seen.length === 1)
  assert.deepStrictEqual(seen, [{ list: [1], nested: { text: 'before' } }])
  assert.notStrictEqual(seen[0], message)
})

test('listeners of one thread share the decoded message and its meta; threads and processes do not', async (t) => {
  const name = uniqueName()
  const [bus, handle] = [openBus(t, { name }), openBus(t, { name })]
  const seen = []
  for (const at of [bus, bus, handle]) at.subscribe('t', (message, meta) => seen.push({ message, meta }))
  bus.publish('t', { a: 1 })
  bus.publish('t', { a: 1 })
  await until(() => seen.length === 6)
  assert.strictEqual(seen[0].message, seen[1].message)
  assert.strictEqual(seen[0].message, seen[2].message)
  assert.strictEqual(seen[0].meta, seen[2].meta)
  assert.notStrictEqual(seen[0].message, seen[3].message)
  assert.notStrictEqual(seen[0].meta, seen[3].meta)
})

test('raw listeners of one thread share the bytes', async (t) => {
  const bus = openBus(t)
  const seen = []
  for (let n = 0; n < 2; n++) bus.subscribe('t', (bytes) => seen.push(bytes), { raw: true })
  bus.publish('t', 'text')
  await until(() => seen.length === 2)
  assert.strictEqual(seen[0], seen[1])
  assert.strictEqual(decode(seen[0]), 'text')
})

test('a message published from a getter or toJSON of another stands before it, whole both of them', async (t) => {
  const bus = openBus(t)
  const seen = []
  bus.subscribe('t', (message, { sequence }) => seen.push([sequence, message]))
  const inner = (depth) => ({
    depth,
    text: 'x'.repeat(1000 * depth),
    get nested() {
      if (depth < 4) bus.publish('t', inner(depth + 1))
      bus.publish('t', Buffer.from(`raw ${depth}`), { raw: true })
      return depth
    },
    when: { toJSON: () => bus.publish('t', `toJSON ${depth}`) },
    after: 'y'.repeat(100_000),
  })
  bus.publish('t', inner(1))
  await until(() => seen.length === 12)
  const whole = (depth) => ({
    depth,
    text: 'x'.repeat(1000 * depth),
    nested: depth,
    when: true,
    after: 'y'.repeat(100_000),
  })
  assert.deepStrictEqual(
    seen.map(([, message]) => (Buffer.isBuffer(message) ? message.toString() : message)),
    [
      ...['raw 4', 'toJSON 4', whole(4), 'raw 3', 'toJSON 3', whole(3)],
      ...['raw 2', 'toJSON 2', whole(2), 'raw 1', 'toJSON 1', whole(1)],
    ],
  )
  assert.deepStrictEqual(
    seen.map(([sequence]) => sequence),
    Array.from({ length: 12 }, (_, at) => at + 1),
  )
})

test('a getter may subscribe, unsubscribe and publish to another bus while a message is read', async (t) => {
  const [bus, other] = [openBus(t), openBus(t)]
  const [seen, late, others] = [[], [], []]
  const subscription = bus.subscribe('gone', () => seen.push('gone'))
  bus.subscribe('t', (message) => seen.push(message))
  other.subscribe('t', (message) => others.push(message))
  const message = {
    get a() {
      subscription.unsubscribe()
      bus.subscribe('t', (message) => late.push(message))
      other.publish('t', { elsewhere: true })
      return encode('in between').length
    },
    b: 2,
  }
  bus.publish('t', message)
  bus.publish('gone', 1)
  await until(() => late.length === 1 && others.length === 1)
  assert.deepStrictEqual(seen, [{ a: 11, b: 2 }])
  assert.deepStrictEqual(late, seen)
  assert.deepStrictEqual(others, [{ elsewhere: true }])
})

test('publish without a subscriber is true, and costs the next subscriber nothing', async (t) => {
  const bus = openBus(t, { size: '64kb' })
  for (let number = 0; number < 10_000; number++) assert.strictEqual(bus.publish('nobody', number), true)
  const seen = []
  bus.subscribe('nobody', (message, { sequence }) => seen.push([message, sequence]))
  bus.publish('nobody', 'now')
  await until(() => seen.length === 1)
  assert.deepStrictEqual(seen, [['now', 10_001]])
})

test('encode and decode are the codec of encoded bodies', async (t) => {
  const bus = openBus(t)
  const bytes = bus.encode({ a: [1, 'b'] })
  assert.ok(Buffer.isBuffer(bytes))
  assert.deepStrictEqual(bytes, encode({ a: [1, 'b'] }))
  const expected = { a: [1, 'b'] }
  const memory = new Uint8Array(bytes)
  for (const form of [bytes, memory, memory.buffer, new DataView(memory.buffer)]) {
    assert.deepStrictEqual(decode(form), expected)
    assert.deepStrictEqual(bus.decode(form), expected)
  }
  const seen = []
  bus.subscribe('t', (message) => seen.push(message), { raw: true })
  bus.publish('t', expected)
  await until(() => seen.length === 1)
  assert.deepStrictEqual(seen[0], bytes)
})

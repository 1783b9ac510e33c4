'use strict'

// The table "Values" of API.md, through the bus to another process and back: a Node process, a Rust program with rmp-serde, a
// process that knows MessagePack by @msgpack/msgpack alone.

const test = require('node:test')
const assert = require('node:assert/strict')
const { decode, encode } = require('slabcast')
const { assertSame, places, samples } = require('./codec-samples')
const { openBus, uniqueName } = require('./support/bus')
const { application, run } = require('./support/process')
const { rustProgram } = require('./support/rust')
const { until } = require('./support/wait')

const MIB = 2 ** 20

/** Sends to whoever mirrors 'there' as 'back', and gives what came back. */
async function sending(bus, raw = false) {
  let came
  bus.subscribe('back', (message) => came(message), { raw })
  return (message) => {
    const back = new Promise((resolve) => {
      came = resolve
    })
    bus.publish('there', message, { raw })
    return back
  }
}

/** A Node process that decodes each message and encodes it anew; or passes its bytes on. */
async function toNode(t, options, raw) {
  const name = uniqueName()
  const bus = openBus(t, { name, ...options })
  const child = run(
    t,
    async ({ say }, name, raw) => {
      const bus = require('slabcast').open({ name })
      bus.subscribe('there', (message) => bus.publish('back', message, { raw }), { raw })
      await say('listening')
    },
    name,
    raw,
  )
  await child.hear()
  return sending(bus, raw)
}

/** A Rust program that decodes each message by rmp-serde and encodes it anew. */
async function toRust(t, options) {
  const name = uniqueName()
  const bus = openBus(t, { name, ...options })
  const rust = application(t, [name], { execPath: rustProgram('rust_mirror') })
  await until(
    () => rust.output.includes('ready'),
    () => `the Rust program listens: ${rust.errors}`,
  )
  return sending(bus)
}

/** What a Node process that has never heard of slabcast's codec makes of the bytes, and how it writes it. */
async function toOthers(t) {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '4mb' })
  const child = run(
    t,
    async ({ say }, name) => {
      const theirs = require('@msgpack/msgpack')
      const bus = require('slabcast').open({ name })
      const options = { useBigInt64: true }
      const mirror = (bytes) =>
        bus.publish('back', theirs.encode(theirs.decode(bytes, options), options), { raw: true })
      bus.subscribe('there', mirror, { raw: true })
      await say('listening')
    },
    name,
  )
  await child.hear()
  const there = await sending(bus, true)
  return async (value) => decode(await there(encode(value)))
}

test('every kind of value, in every place, comes as it went: to another process and back', async (t) => {
  const there = await toNode(t, { size: '4mb' })
  for (const place of Object.values(places))
    for (const value of samples().map(place)) {
      assertSame(await there(value), value)
    }
})

test('a Rust program reads and writes every kind of value by rmp-serde, extension types too', async (t) => {
  const there = await toRust(t, { size: '4mb' })
  for (const where of ['at the top', 'in an array', 'in an object', 'as a Map key'])
    for (const value of samples().map(places[where])) assertSame(await there(value), value)
})

test('a process with @msgpack/msgpack reads and writes every kind of value, extension types too', async (t) => {
  const there = await toOthers(t)
  // It makes objects of maps, and of their keys strings; it reads no __proto__, and writes -0 as 0.
  const beyond = (value) =>
    Object.is(value, -0) ||
    Object.hasOwn(Object(value), '__proto__') ||
    (value instanceof Map && ![...value.keys()].every((key) => typeof key === 'string'))
  const values = samples().filter((value) => !beyond(value))
  assert.ok(values.length > 150)
  for (const where of ['at the top', 'in an array', 'in an object'])
    for (const value of values.map(places[where])) assertSame(await there(value), value)
})

test('payloads of 1 byte, raw and encoded', async (t) => {
  const there = await toNode(t)
  for (const value of [5, 127, -1, -32, null, true, false, '', [], {}]) {
    assert.equal(encode(value).length, 1)
    assertSame(await there(value), value)
  }
  const raw = await toNode(t, {}, true)
  for (const byte of [0, 0xc1, 0xff]) assertSame(await raw(Buffer.from([byte])), Buffer.from([byte]))
})

test('payloads of 16 MiB, raw and encoded, of every kind that may be so large', async (t) => {
  const options = { size: 64 * MIB, outbox: 64 * MIB }
  const bytes = Buffer.alloc(16 * MIB)
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at)
  const raw = await toNode(t, options, true)
  assert.ok(bytes.equals(await raw(bytes)))

  const there = await toNode(t, options)
  assert.ok(bytes.equals(await there(bytes)))
  const floats = new Float64Array(bytes.buffer.slice(0, 16 * MIB)).map((_, at) => at / 3)
  const back = await there(floats)
  assert.ok(back instanceof Float64Array && Buffer.from(back.buffer).equals(Buffer.from(floats.buffer)))
  for (const text of ['x'.repeat(16 * MIB), 'é漢\ud83d\ude00 '.repeat((16 * MIB) / 10)])
    assert.ok((await there(text)) === text)
  const list = Array.from({ length: 300_000 }, (_, id) => ({
    id,
    text: `number ${id}`,
    price: id / 7,
    tags: ['a', null],
  }))
  const encoded = encode(list)
  assert.ok(encoded.length > 12 * MIB, `${encoded.length} bytes`)
  assert.ok(encode(await there(list)).equals(encoded))

  const rust = await toRust(t, options)
  assert.ok(bytes.equals(await rust(bytes)))
  assert.ok(encode(await rust(list)).equals(encoded))
})

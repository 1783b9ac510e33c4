'use strict'

// slabcast/mqemitter on a bus that is full, that refuses a message, or is closed.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const test = require('node:test')
const mqemitter = require('slabcast/mqemitter')
const { gate } = require('../node/support/gate')
const { run } = require('../node/support/process')
const { until } = require('../node/support/wait')
const { emitted, keep, openBusNamed } = require('./mqemitter/support')

/** In a child: listens to 't' and stops until the gate opens; then says what it heard up to 'end'. */
async function blockedListener({ say, until }, name, file) {
  const { blockUntilOpen } = require('./gate')
  const bus = require('slabcast').open({ name })
  const emitter = require('slabcast/mqemitter')({ bus })
  const heard = []
  emitter.on('t', ({ number }, done) => {
    heard.push(number)
    done()
  })
  await say('listening')
  blockUntilOpen(file)
  await until(() => heard.at(-1) === 'end')
  await say(heard)
  await new Promise((resolve) => emitter.close(resolve))
  await bus.close()
}

/** A small bus whose only reader stands still until `open()`. */
async function blocked(t, options) {
  const { file, open } = gate(t)
  const { name, bus } = openBusNamed(t, { size: '64kb', ...options })
  t.after(open)
  const reader = run(t, blockedListener, name, file)
  assert.equal(await reader.hear(), 'listening')
  return { bus, reader, open }
}

const TEXT = 'x'.repeat(1000)

/** Emits numbers until one has to wait in the outbox; that number. What is called back is kept in `told`. */
function emitUntilFull(bus, emitter, told) {
  for (let number = 0; ; number++) {
    emitter.emit({ topic: 't', number, TEXT }, (error) => told.push(error ? error.code : number))
    if (bus.stats().outbox.messages > 0) return number
  }
}

test('emit calls back when the message is in the slab, and not before', async (t) => {
  const { bus, reader, open } = await blocked(t)
  const emitter = mqemitter({ bus })
  const { heard } = keep(emitter, 't')
  const told = []
  const number = emitUntilFull(bus, emitter, told)
  assert.equal(heard.length, number + 1, 'the listeners here are called at once')
  assert.equal(told.length, number)
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  assert.equal(told.length, number)
  open()
  await until(() => told.length === number + 1)
  assert.equal(told.at(-1), number)
  await emitted(emitter, { topic: 't', number: 'end' })
  assert.deepEqual(await reader.hear(), [...told, 'end'])
})

test('a message the full bus refuses is told to the callback, later, and nobody gets it', async (t) => {
  const { bus, reader, open } = await blocked(t, { outbox: '4kb' })
  const emitter = mqemitter({ bus })
  const { heard } = keep(emitter, 't')
  const told = []
  const last = emitUntilFull(bus, emitter, told)
  let refused
  for (let number = last + 1; bus.stats().outbox.bytes < 3000; number++) emitter.emit({ topic: 't', number, TEXT })
  const accepted = heard.length
  emitter.emit({ topic: 't', number: 'refused', TEXT: TEXT.repeat(4) }, (error) => {
    refused = error
  })
  assert.equal(refused, undefined, 'not inside emit')
  await until(() => refused)
  assert.equal(refused.code, 'ERR_OUTBOX_FULL')
  assert.equal(heard.length, accepted)
  const warned = once(process, 'warning')
  emitter.emit({ topic: 't', number: 'refused', TEXT: TEXT.repeat(4) })
  const [warning] = await warned
  assert.equal(warning.code, 'SLABCAST_MQEMITTER')
  open()
  await once(bus, 'drain')
  await emitted(emitter, { topic: 't', number: 'end' })
  assert.deepEqual(
    await reader.hear(),
    heard.map(({ number }) => number),
  )
})

/** An emitter on a full bus with `concurrency`, closed at once: what has no room waits. */
async function waitsInOrder(t, outbox) {
  const MESSAGES = 500
  const { bus, reader, open } = await blocked(t, { outbox })
  const emitter = mqemitter({ bus, concurrency: 3 })
  const { heard } = keep(emitter, 't')
  const told = []
  const numbers = [...Array(MESSAGES).keys(), 'end']
  for (const number of numbers) emitter.emit({ topic: 't', number, TEXT }, (error) => told.push(error ?? number))
  assert.ok(bus.stats().outbox.messages <= 3)
  assert.ok(emitter.length > MESSAGES / 2)
  let isClosed = false
  emitter.close(() => {
    isClosed = true
  })
  let refused
  emitter.emit({ topic: 't' }, (error) => {
    refused = error
  })
  assert.match(refused.message, /closed/)
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  assert.equal(isClosed, false)
  open()
  await until(() => isClosed)
  assert.deepEqual(told, numbers)
  assert.deepEqual(
    heard.map(({ number }) => number),
    numbers,
  )
  assert.deepEqual(await reader.hear(), numbers)
}

test('with concurrency a full bus refuses nothing: what has no room waits, in order, also through close', (t) =>
  waitsInOrder(t, '8kb'))

test('nor does an outbox that takes fewer than concurrency', (t) => waitsInOrder(t, '2kb'))

test('what cannot be published is told to the callback, and no listener is called', async (t) => {
  const { bus } = openBusNamed(t, { size: '64kb' })
  const emitter = mqemitter({ bus })
  const { heard } = keep(emitter, '#')
  await assert.rejects(emitted(emitter, { topic: 'a', act() {} }), { code: 'ERR_NOT_SERIALIZABLE' })
  await assert.rejects(emitted(emitter, { topic: 'a', payload: Buffer.alloc(100_000) }), {
    code: 'ERR_MESSAGE_TOO_LARGE',
  })
  await bus.close()
  await assert.rejects(emitted(emitter, { topic: 'a' }), { code: 'ERR_CLOSED' })
  assert.deepEqual(heard, [])
  const [refused] = await new Promise((resolve) =>
    emitter.on(
      'a',
      () => {},
      (...told) => resolve(told),
    ),
  )
  assert.equal(refused.code, 'ERR_CLOSED')
  assert.throws(() => emitter.on('a', () => {}), { code: 'ERR_CLOSED' })
})

'use strict'

// Many messages at once: all accepted or none, in order, with one wake-up; into the slab together, or into the outbox.

const test = require('node:test')
const assert = require('node:assert/strict')
const { once } = require('node:events')
const { openBus, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run } = require('./support/process')
const { until } = require('./support/wait')

/** In a child: what it receives on 't' until 'end', told from then on; reads nothing before the gate opens, if there is one. */
async function reader({ say, until }, name, gateFile) {
  const bus = require('slabcast').open({ name })
  const seen = []
  bus.subscribe('t', (message, { sequence }) => seen.push([message, sequence]))
  await say('subscribed')
  if (gateFile) require('./gate').blockUntilOpen(gateFile)
  await until(() => seen.at(-1)?.[0] === 'end')
  await say({ seen, wakes: bus.stats().wakes })
  await bus.close()
}

const numbers = (count, from = 0) => Array.from({ length: count }, (_, n) => from + n)
const numbered = (messages) => messages.map((message, at) => [message, at + 1])

test('many arrive in order beside single ones, at another process and at this one', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const other = run(t, reader, name)
  assert.equal(await other.hear(), 'subscribed')
  const own = []
  bus.subscribe('t', (message, { sequence }) => own.push([message, sequence]))
  assert.equal(bus.publish('t', 'first'), true)
  assert.equal(bus.publishMany('t', new Set([{ a: 1 }, 'two', null])), true)
  assert.equal(bus.publishMany('t', numbers(1000)), true)
  assert.equal(
    bus.publishMany(
      't',
      (function* () {
        yield [1n]
        yield 'end'
      })(),
    ),
    true,
  )
  const expected = numbered(['first', { a: 1 }, 'two', null, ...numbers(1000), [1n], 'end'])
  const { seen } = await other.hear()
  assert.equal(seen.length, expected.length)
  assert.deepEqual(seen.slice(0, 1004), expected.slice(0, 1004))
  await until(() => own.length === expected.length)
  assert.deepEqual(own, expected)
})

test('a sleeping reader is posted to once for all of them', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const { file, open } = gate(t)
  t.after(open)
  const other = run(t, reader, name, file)
  assert.equal(await other.hear(), 'subscribed')
  const before = bus.stats().posts
  assert.equal(bus.publishMany('t', numbers(1000)), true)
  assert.equal(bus.stats().posts - before, 1)
  bus.publish('t', 'end')
  open()
  assert.equal((await other.hear()).seen.length, 1001)
})

test('none of them: there is nothing to do', (t) => {
  const bus = openBus(t)
  assert.equal(bus.publishMany('t', []), true)
  assert.deepEqual(bus.stats().published, { messages: 0, bytes: 0 })
})

test('one that cannot be encoded, or an iterable that throws: none is published', async (t) => {
  const bus = openBus(t)
  const seen = []
  bus.subscribe('t', (message) => seen.push(message))
  assert.throws(() => bus.publishMany('t', [1, 2, () => {}]), { code: 'ERR_NOT_SERIALIZABLE' })
  assert.throws(() => bus.publishMany('t', [1, Buffer.alloc(bus.stats().slab.size)]), { code: 'ERR_MESSAGE_TOO_LARGE' })
  const failing = (function* () {
    yield 1
    throw new Error('mine')
  })()
  assert.throws(() => bus.publishMany('t', failing), { message: 'mine' })
  for (const messages of ['text', 7, null, undefined, {}, { [Symbol.iterator]: 1 }])
    assert.throws(() => bus.publishMany('t', messages), {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
      message: /"messages"/,
    })
  assert.throws(() => bus.publishMany('', [1]), { code: 'ERR_INVALID_TOPIC' })
  bus.publish('t', 'end')
  await until(() => seen.length > 0)
  assert.deepEqual(seen, ['end'])
})

test('an iterable that closes the bus, or publishes itself', async (t) => {
  const bus = openBus(t)
  const seen = []
  bus.subscribe('t', (message) => seen.push(message))
  const publishing = (function* () {
    yield 1
    bus.publish('t', 'from inside')
    bus.publishMany('t', ['and', 'many'])
    yield 2
  })()
  assert.equal(bus.publishMany('t', publishing), true)
  await until(() => seen.length === 5)
  assert.deepEqual(seen, ['from inside', 'and', 'many', 1, 2])
  const closing = (function* () {
    yield 1
    bus.close()
    yield 2
  })()
  assert.throws(() => bus.publishMany('t', closing), { code: 'ERR_CLOSED' })
})

test('where the slab is full they wait in the outbox together, and come later, in order', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb', stallTimeout: Number.POSITIVE_INFINITY })
  const { file, open } = gate(t)
  t.after(open)
  const other = run(t, reader, name, file)
  assert.equal(await other.hear(), 'subscribed')
  // 128 bytes each: the first go in at once, of the next there is room for some and so for none.
  assert.equal(bus.publishMany('t', numbers(200)), true)
  assert.equal(bus.publishMany('t', numbers(200, 200)), true)
  const { position } = bus.stats()
  assert.equal(bus.publishMany('t', numbers(200, 400)), false)
  assert.equal(bus.stats().position, position, 'none of them went in')
  assert.equal(bus.stats().outbox.messages, 200)
  assert.equal(bus.publishMany('t', ['one more']), false)
  const drained = once(bus, 'drain')
  open()
  await drained
  bus.publish('t', 'end')
  assert.deepEqual((await other.hear()).seen, numbered([...numbers(600), 'one more', 'end']))
})

test('more than half the slab go through the outbox, more than that takes are refused whole', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb', outbox: '1mb' })
  // 128 bytes each: they would fit, into a slab nobody reads.
  assert.equal(bus.publishMany('nobody', numbers(400)), false)
  await once(bus, 'drain')
  const other = run(t, reader, name)
  assert.equal(await other.hear(), 'subscribed')
  assert.equal(bus.publishMany('t', numbers(2000)), false)
  await once(bus, 'drain')
  const endless = (function* () {
    for (;;) yield 'for ever and ever'
  })()
  assert.throws(() => bus.publishMany('t', endless), { code: 'ERR_OUTBOX_FULL', available: 1 << 20 })
  assert.throws(
    () => bus.publishMany('t', numbers(6000)),
    (error) => {
      assert.equal(error.code, 'ERR_OUTBOX_FULL')
      assert.ok(error.needed > 6000 && error.available < 6000, `${error.needed} of ${error.available}`)
      return true
    },
  )
  bus.publish('t', 'end')
  assert.deepEqual((await other.hear()).seen, numbered([...numbers(2000), 'end']))
})

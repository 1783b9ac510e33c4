'use strict'

// The outbox: what a publisher is told while the slab is full, and that nothing of what was accepted is lost, doubled or
// out of order. The event loop is never held.

const test = require('node:test')
const assert = require('node:assert')
const { once } = require('node:events')
const { openBus, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run, runWith } = require('./support/process')
const { until } = require('./support/wait')

const FOREVER = Number.POSITIVE_INFINITY

/**
 * In a child: reads `topics` of a bus and blocks its event loop until the gate opens; then tells [topic, message,
 * sequence] of everything, once 'end' has come to the first topic.
 */
async function blockedReader({ say, until }, name, topics, gateFile) {
  const { blockUntilOpen } = require('./gate')
  const bus = require('slabcast').open({ name })
  const seen = []
  let ended = false
  for (const topic of topics) {
    bus.subscribe(topic, (message, meta) => {
      if (message === 'end') ended = true
      else seen.push([topic, Buffer.isBuffer(message) ? message.toString() : message, meta.sequence])
    })
  }
  await say('subscribed')
  blockUntilOpen(gateFile)
  await until(() => ended)
  await say(seen)
  await bus.close()
}

/** A bus whose only reader is blocked: { bus, reader, open }. */
async function blocked(t, options, topics = ['t']) {
  const { file, open } = gate(t)
  const bus = openBus(t, { size: '64kb', stallTimeout: FOREVER, ...options })
  t.after(open)
  const name = options.name ?? assert.fail('a name, for the child')
  const reader = run(t, blockedReader, name, topics, file)
  assert.strictEqual(await reader.hear(), 'subscribed')
  return { bus, reader, open }
}

/** Publishes numbers from `first` on until `publish` says false; the last number. */
function publishUntilFalse(bus, topic, first = 0) {
  for (let number = first; ; number++) if (!bus.publish(topic, number)) return number
}

test('1,000,000 messages to itself and another process, pausing only at false until drain: all arrive, memory and event loop stay', async (t) => {
  const MESSAGES = 1_000_000
  const name = uniqueName()

  const reader = run(
    t,
    async ({ say, until }, name, messages) => {
      const bus = require('slabcast').open({ name })
      let next = 0
      const subscription = bus.subscribe('count', (number, { sequence }) => {
        if (number !== next++ || sequence !== next) throw new Error(`${number} (${sequence}) instead of ${next - 1}`)
      })
      await say('subscribed')
      await until(() => next === messages)
      subscription.unsubscribe()
      await say(next)
      await bus.close()
    },
    name,
    MESSAGES,
  )
  assert.strictEqual(await reader.hear(), 'subscribed')

  const publisher = runWith(
    t,
    { execArgv: ['--expose-gc'] },
    async ({ say, until }, name, messages) => {
      const { once } = require('node:events')
      const bus = require('slabcast').open({ name, size: '1mb', stallTimeout: Number.POSITIVE_INFINITY })
      let own = 0
      bus.subscribe('count', (number) => {
        if (number !== own++) throw new Error(`${number} instead of ${own - 1}`)
      })
      let beats = 0
      let beating = true
      const beat = () => {
        beats++
        if (beating) setImmediate(beat)
      }
      beat()
      const held = () => {
        global.gc()
        const { heapUsed, external } = process.memoryUsage()
        return heapUsed + external
      }
      const before = held()
      const found = { pauses: 0, most: 0, stood: 0 }
      for (let number = 0; number < messages; number++) {
        if (bus.publish('count', number)) continue
        found.pauses++
        if (found.pauses % 8 === 0) found.most = Math.max(found.most, held() - before)
        const beatsBefore = beats
        await once(bus, 'drain')
        if (beats === beatsBefore) found.stood++
      }
      await until(() => own === messages)
      beating = false
      await say(found)
      await bus.close()
    },
    name,
    MESSAGES,
  )
  const found = await publisher.hear()
  assert.ok(found.pauses > 10, `it never had to pause: ${found.pauses}`)
  assert.strictEqual(found.stood, 0, 'the event loop stood still between false and drain')
  // All messages held at once would be some 200 MB.
  assert.ok(found.most < 24 * 2 ** 20, `memory grew by ${found.most} bytes`)
  assert.strictEqual(await reader.hear(), MESSAGES)
  assert.deepStrictEqual(await publisher.end(), { code: 0, signal: null })
  assert.deepStrictEqual(await reader.end(), { code: 0, signal: null })
})

test('who ignores false gets ERR_OUTBOX_FULL; all that was accepted arrives in order, and drain comes', async (t) => {
  const name = uniqueName()
  const { bus, reader, open } = await blocked(t, { name, outbox: '64kb' })
  let drains = 0
  bus.on('drain', () => drains++)

  let accepted = 0
  let refused
  while (!refused) {
    try {
      bus.publish('t', accepted)
      accepted++
    } catch (error) {
      refused = error
    }
  }
  assert.strictEqual(refused.name, 'SlabcastError')
  assert.strictEqual(refused.code, 'ERR_OUTBOX_FULL')
  assert.match(refused.message, /drain/)
  assert.ok(refused.needed > refused.available && refused.available >= 0, `${refused.needed} > ${refused.available}`)
  // Again and again, and for larger ones too; nothing of them is ever seen.
  for (const message of [1, 'x'.repeat(5000)])
    assert.throws(() => bus.publish('t', message), { code: 'ERR_OUTBOX_FULL' })
  assert.throws(() => bus.publish('t', Buffer.alloc(1000), { raw: true }), { code: 'ERR_OUTBOX_FULL', needed: 1000 })

  // The event loop goes on though nothing moves.
  let beats = 0
  const beat = () => beats++ < 1000 && setImmediate(beat)
  beat()
  await until(() => beats > 1000)
  assert.strictEqual(drains, 0)

  open()
  await until(() => drains === 1, 'drain comes')
  const ended = bus.publish('t', 'end')
  const seen = await reader.hear()
  assert.deepStrictEqual(
    seen,
    Array.from({ length: accepted }, (_, number) => ['t', number, number + 1]),
  )
  if (ended) assert.strictEqual(drains, 1)
})

test('messages that were accepted into the outbox are as they were at the call', async (t) => {
  const name = uniqueName()
  const { bus, reader, open } = await blocked(t, { name })
  publishUntilFalse(bus, 'filler')
  const message = { text: 'before' }
  const bytes = Buffer.from('before')
  assert.strictEqual(bus.publish('t', message), false)
  assert.strictEqual(bus.publish('t', bytes, { raw: true }), false)
  message.text = 'after'
  bytes.fill('x')
  open()
  await once(bus, 'drain')
  bus.publish('t', 'end')
  assert.deepStrictEqual(await reader.hear(), [
    ['t', { text: 'before' }, 1],
    ['t', 'before', 2],
  ])
})

test('an empty outbox takes any one message, however small its bound', async (t) => {
  const name = uniqueName()
  const { bus, reader, open } = await blocked(t, { name, outbox: 0 })
  const accepted = publishUntilFalse(bus, 't') + 1
  assert.throws(() => bus.publish('t', accepted), { code: 'ERR_OUTBOX_FULL', available: 0 })
  open()
  await once(bus, 'drain')
  // Empty again: the largest message there can be.
  const { bus: other, open: openOther } = await blocked(t, { name: uniqueName(), outbox: 0, size: '1mb' })
  for (let room = true; room; ) room = other.publish('t', Buffer.alloc(300_000), { raw: true })
  assert.throws(() => other.publish('t', 1), { code: 'ERR_OUTBOX_FULL' })
  openOther()
  await once(other, 'drain')
  other.publish('t', 'end')

  bus.publish('t', 'end')
  assert.strictEqual((await reader.hear()).length, accepted)
})

test('the order is kept between outbox and slab, over topics, handles and raw messages', async (t) => {
  const name = uniqueName()
  const topics = ['a', 'b', 'c']
  const { bus, reader, open } = await blocked(t, { name }, topics)
  const handle = openBus(t, { name, stallTimeout: FOREVER })
  let number = 0
  const publish = (from) => {
    const text = String(number)
    const raw = number % 2 === 0
    return from.publish(topics[number++ % 3], raw ? Buffer.from(text) : text, { raw })
  }
  while (publish(number % 5 === 0 ? handle : bus));
  for (let more = 0; more < 1000; more++) assert.strictEqual(publish(more % 5 === 0 ? handle : bus), false)
  open()
  // Publishing goes on while the outbox empties, from every phase of the event loop.
  let drained = false
  bus.once('drain', () => {
    drained = true
  })
  while (!drained) {
    publish(bus)
    await new Promise((resolve) => setImmediate(resolve))
  }
  for (let more = 0; more < 10; more++) publish(bus)
  bus.publish('a', 'end')

  const sequences = { a: 0, b: 0, c: 0 }
  const expected = Array.from({ length: number }, (_, at) => {
    const topic = topics[at % 3]
    return [topic, String(at), ++sequences[topic]]
  })
  assert.deepStrictEqual(await reader.hear(), expected)
})

test('drain comes to the handles that were told false or refused, and to no other', async (t) => {
  const name = uniqueName()
  const { bus, reader, open } = await blocked(t, { name, outbox: '16kb' })
  const refused = openBus(t, { name, outbox: 0 })
  const silent = openBus(t, { name })
  const drains = []
  bus.on('drain', () => drains.push('told false'))
  refused.on('drain', () => drains.push('refused'))
  silent.on('drain', () => drains.push('silent'))
  publishUntilFalse(bus, 't')
  assert.throws(() => refused.publish('t', 1), { code: 'ERR_OUTBOX_FULL' })
  open()
  await until(() => drains.length >= 2, 'both get drain')
  bus.publish('t', 'end')
  await reader.hear()
  assert.deepStrictEqual(drains.sort(), ['refused', 'told false'])
})

test('the bytes that wait in an outbox stay within its bound', async (t) => {
  const name = uniqueName()
  const LIMIT = 16 * 2 ** 20
  const publisher = runWith(
    t,
    { execArgv: ['--expose-gc'] },
    async ({ say, hear }, name, limit) => {
      const bus = require('slabcast').open({
        name,
        size: '64kb',
        stallTimeout: Number.POSITIVE_INFINITY,
        outbox: limit,
      })
      await say('open')
      await hear()
      const held = () => {
        global.gc()
        const { heapUsed, external } = process.memoryUsage()
        return heapUsed + external
      }
      for (const message of ['', 'x'.repeat(20), 'x'.repeat(100), 'x'.repeat(10_000)]) {
        // What the slab takes comes first.
        while (bus.publish('t', message));
        const before = held()
        let code
        while (!code) {
          try {
            bus.publish('t', message)
          } catch (error) {
            code = error.code
          }
        }
        await say({ code, length: message.length, grown: held() - before })
        await hear()
        await new Promise((resolve) => bus.once('drain', resolve))
        await say('drained')
      }
      await bus.close()
    },
    name,
    LIMIT,
  )
  assert.strictEqual(await publisher.hear(), 'open')
  for (let at = 0; at < 4; at++) {
    const reader = run(t, blockedReader, name, ['t'], gate(t).file)
    assert.strictEqual(await reader.hear(), 'subscribed')
    publisher.say('publish')
    const { code, length, grown } = await publisher.hear()
    assert.strictEqual(code, 'ERR_OUTBOX_FULL')
    assert.ok(grown < LIMIT * 1.25, `messages of ${length} bytes: ${grown} bytes are held`)
    await reader.kill()
    publisher.say('drain')
    assert.strictEqual(await publisher.hear(), 'drained')
  }
})

test('close flushes the outbox first', async (t) => {
  const name = uniqueName()
  const { bus, reader, open } = await blocked(t, { name })
  const accepted = publishUntilFalse(bus, 't') + 1
  bus.publish('t', 'end')
  const closed = bus.close()
  assert.throws(() => bus.publish('t', 1), { code: 'ERR_CLOSED' })
  open()
  await closed
  assert.strictEqual((await reader.hear()).length, accepted)
})

test('what publish said true to outlives a process that calls process.exit at once', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const seen = []
  bus.subscribe('t', (message) => seen.push(message))
  const child = run(
    t,
    async (_, name) => {
      const bus = require('slabcast').open({ name })
      for (let number = 0; number < 100; number++) if (!bus.publish('t', number)) process.exit(2)
      process.exit(0)
    },
    name,
  )
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
  await until(() => seen.length === 100)
})

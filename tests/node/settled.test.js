'use strict'

// settled(): when everything that this thread has published is behind everybody.

const test = require('node:test')
const assert = require('node:assert')
const { openBus, uniqueName } = require('./support/bus')
const { blockUntilOpen, gate } = require('./support/gate')
const { run } = require('./support/process')
const { until } = require('./support/wait')

test('settled(): all that was published here was consumed by everybody who reads, or they are gone', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  await bus.settled()
  const gates = [gate(t), gate(t)]
  const reader = async ({ say, hear }, name, file) => {
    const { blockUntilOpen } = require('./gate')
    const bus = require('slabcast').open({ name })
    bus.subscribe('t', (message) => {
      if (message !== 'block') return
      process.send('blocked')
      blockUntilOpen(file)
    })
    await say('reading')
    await hear()
  }
  const children = gates.map(({ file }) => run(t, reader, name, file))
  for (const child of children) assert.strictEqual(await child.hear(), 'reading')
  const heard = []
  bus.subscribe('t', (message) => heard.push(message))
  bus.publish('t', 'block')
  for (const child of children) assert.strictEqual(await child.hear(), 'blocked')
  // More than the slab holds: the rest waits in the outbox.
  for (let number = 0; number < 100; number++) bus.publish('t', 'x'.repeat(1000))
  assert.ok(bus.stats().outbox.messages > 0)
  let isSettled = false
  const settled = bus.settled().then(() => {
    isSettled = true
  })
  await until(() => heard.length > 0, 'it reads itself')
  gates[0].open()
  // One listener has not returned: as long as that.
  const quiet = openBus(t, { name: uniqueName() })
  for (let round = 0; round < 20; round++) await quiet.settled()
  assert.strictEqual(isSettled, false)
  await children[1].kill()
  await settled
  assert.strictEqual(heard.length, 101)
})

test('settled(): also what waits in the outbox', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const { file, open } = gate(t)
  const child = run(
    t,
    async ({ say, hear }, name, file) => {
      const { blockUntilOpen } = require('./gate')
      const bus = require('slabcast').open({ name })
      let heard = 0
      bus.subscribe('t', () => heard++)
      await say('reading')
      await hear()
      await say('blocked')
      blockUntilOpen(file)
      await hear()
      await say(heard)
    },
    name,
    file,
  )
  assert.strictEqual(await child.hear(), 'reading')
  child.say('block')
  assert.strictEqual(await child.hear(), 'blocked')
  let sent = 0
  while (bus.publish('t', 'x'.repeat(1000))) sent++
  open()
  // Without a turn of this loop, in which the outbox would be tried: what is in the slab is consumed.
  const nothing = new Int32Array(new SharedArrayBuffer(4))
  while (bus.members().some(({ lag }) => lag > 0)) Atomics.wait(nothing, 0, 0, 2)
  assert.strictEqual(bus.stats().outbox.messages, 1)
  await bus.settled()
  child.say('how many?')
  assert.strictEqual(await child.hear(), sent + 1)
})

test('settled() keeps the process alive, sees what a listener is about, and rejects once the bus is closed', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const { file, open } = gate(t)
  let isBack = false
  bus.subscribe('t', () => {
    open()
    blockUntilOpen(file)
    isBack = true
  })
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      bus.publish('t', 1)
      await say('published')
      await bus.settled()
      await say('settled')
    },
    name,
  )
  assert.strictEqual(await child.hear(), 'published')
  assert.strictEqual(await child.hear(), 'settled')
  assert.ok(isBack)
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
  const handle = openBus(t, { name })
  handle.publish('t', 2)
  const settled = handle.settled()
  handle.close()
  await assert.rejects(settled, { code: 'ERR_CLOSED' })
  await assert.rejects(handle.settled(), { code: 'ERR_CLOSED' })
})

'use strict'

// stats(): where the bus stands, who holds its slab, and what this thread has done.

const test = require('node:test')
const assert = require('node:assert')
const { once } = require('node:events')
const { readFileSync } = require('node:fs')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { openBus, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run } = require('./support/process')
const { until } = require('./support/wait')

const FOREVER = Number.POSITIVE_INFINITY

/** In a child: reads `topics`, says who it is, does as it is told: 'stats', 'block' (until the gate opens), 'end'. */
async function reader({ say, hear }, name, topics, gateFile) {
  const bus = require('slabcast').open({ name })
  bus.on('gap', () => {})
  for (const topic of topics) bus.subscribe(topic, () => {})
  await say(bus.stats())
  for (;;) {
    const told = await hear()
    if (told === 'end') break
    if (told === 'stats') await say(bus.stats())
    if (told === 'block') {
      await say('blocked')
      require('./gate').blockUntilOpen(gateFile)
      await say('free')
    }
  }
  await bus.close()
}

/** Asks the child until its stats are so. */
async function statsOf(child, condition) {
  for (;;) {
    child.say('stats')
    const stats = await child.hear()
    if (condition(stats)) return stats
  }
}

test('stats() has the fields of the typings, in every depth', (t) => {
  const bus = openBus(t)
  const stats = bus.stats()
  assert.strictEqual(stats.held, null)
  bus.subscribe('t', () => {})
  bus.publish('t', 1)
  const typings = readFileSync(path.join(__dirname, '..', '..', 'typings', 'index.d.ts'), 'utf8')
  const fields = (text, depth) =>
    [...text.matchAll(new RegExp(`^ {${depth}}(\\w+): `, 'gm'))].map((match) => match[1]).sort()
  const typed = (name) => new RegExp(`interface ${name} {\\n([\\s\\S]*?)\\n {2}}`).exec(typings)[1]
  assert.deepStrictEqual(Object.keys(stats).sort(), fields(typed('Stats'), 4))
  assert.deepStrictEqual(Object.keys(bus.stats().held).sort(), fields(typed('Held'), 4))
  for (const name of ['published', 'delivered']) {
    assert.deepStrictEqual(Object.keys(stats[name]).sort(), fields(typed('Traffic'), 4))
  }
  for (const name of ['members', 'topics', 'slab', 'outbox']) {
    const [, inner] = new RegExp(`^ {4}${name}: {\\n([\\s\\S]*?)\\n {4}}`, 'm').exec(typed('Stats'))
    assert.deepStrictEqual(Object.keys(stats[name]).sort(), fields(inner, 6), name)
  }
  for (const value of Object.values(stats).flatMap((value) => (Object(value) === value ? Object.values(value) : value)))
    assert.ok(value === null || Number.isSafeInteger(value), `${value} is no whole number`)
})

test('stats() says who I am, who is attached and who reads', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '100kb', members: 8, topics: 100 })
  const child = run(t, reader, name, ['a', 'b'], '')
  const theirs = await child.hear()
  const idle = run(t, reader, name, [], '')
  const idles = await idle.hear()
  assert.deepStrictEqual([theirs.pid, theirs.thread, idles.pid], [child.pid, 0, idle.pid])
  bus.publish('c', 1)
  const stats = bus.stats()
  assert.deepStrictEqual([stats.pid, stats.thread], [process.pid, 0])
  assert.strictEqual(new Set([stats.member, theirs.member, idles.member]).size, 3)
  assert.deepStrictEqual(stats.members, { attached: 3, reading: 1, capacity: 8 })
  assert.deepStrictEqual(stats.topics, { made: 3, capacity: 100 })
  assert.deepStrictEqual([stats.position, stats.slab.size], [1, 128 * 1024])
  const [meta] = await new Promise((resolve) => {
    bus.subscribe('t', (_, meta) => resolve([meta]))
    bus.publish('t', 1)
  })
  assert.deepStrictEqual(meta.publisher, { member: stats.member, pid: process.pid })
  assert.strictEqual(bus.stats().members.reading, 2)
  idle.say('end')
  await idle.end()
  await child.kill()
  await until(() => bus.stats().members.attached === 1, 'the dead one is removed')
  assert.deepStrictEqual([bus.stats().reaped, bus.stats().members.reading], [1, 1])
})

test('stats() counts what this thread published and received, and who woke whom', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, reader, name, ['t'], '')
  await child.hear()
  const before = bus.stats()
  for (let n = 0; n < 100; n++) bus.publish('t', Buffer.alloc(n), { raw: true })
  bus.publish('nobody', Buffer.alloc(1000), { raw: true })
  const stats = bus.stats()
  assert.deepStrictEqual(before.published, { messages: 0, bytes: 0 })
  assert.deepStrictEqual(stats.published, { messages: 101, bytes: 4950 + 1000 })
  assert.deepStrictEqual(stats.delivered, { messages: 0, bytes: 0 })
  const theirs = await statsOf(child, ({ delivered }) => delivered.messages >= 100)
  assert.deepStrictEqual(theirs.delivered, { messages: 100, bytes: 4950 })
  assert.deepStrictEqual(theirs.published, { messages: 0, bytes: 0 })
  assert.ok(stats.posts >= 1 && stats.posts <= 101, `${stats.posts} posts`)
  assert.ok(theirs.wakes >= 1, `${theirs.wakes} wakes`)
  assert.strictEqual(stats.wakes, 0, 'it reads nothing')
})

test('held names the process that does not read, its thread, and since when; the outbox is counted', async (t) => {
  const name = uniqueName()
  const { file, open } = gate(t)
  const bus = openBus(t, { name, size: '64kb', stallTimeout: FOREVER })
  const child = run(t, reader, name, ['t'], file)
  const { member } = await child.hear()
  child.say('block')
  await child.hear()
  const started = Date.now()
  let sent = 0
  while (bus.publish('t', Buffer.alloc(100), { raw: true })) sent++
  bus.publish('t', Buffer.alloc(1000), { raw: true })
  const { held, slab, outbox, published, position } = bus.stats()
  assert.deepStrictEqual(
    { ...held, since: 0 },
    { member, pid: child.pid, thread: 0, by: 'reader', bytes: slab.used, since: 0 },
  )
  assert.ok(held.since >= started && held.since <= Date.now(), `since ${held.since - started} ms after it began`)
  assert.ok(slab.used > 64 * 1024 - 192 && slab.used <= 64 * 1024, `${slab.used} bytes are used`)
  assert.deepStrictEqual([published.messages, position], [sent, sent])
  assert.strictEqual(outbox.messages, 2)
  assert.ok(outbox.bytes > 1100 && outbox.bytes < 2100, `${outbox.bytes} bytes wait`)
  // It stands where it stood.
  await until(() => Date.now() > held.since + 50)
  assert.deepStrictEqual(bus.stats().held, held)
  open()
  await once(bus, 'drain')
  await until(() => bus.stats().held === null, 'it has read all')
  assert.deepStrictEqual(bus.stats().outbox, { messages: 0, bytes: 0 })
  assert.deepStrictEqual([bus.stats().slab.used, bus.stats().published.messages], [0, sent + 2])
})

test('the tick of every second notes who holds the slab, also when nobody asks', async (t) => {
  const name = uniqueName()
  const { file } = gate(t)
  const bus = openBus(t, { name, size: '64kb', stallTimeout: FOREVER })
  const child = run(t, reader, name, ['t'], file)
  await child.hear()
  child.say('block')
  await child.hear()
  while (bus.publish('t', 1));
  const started = Date.now()
  // As late as the second tick.
  await until(() => Date.now() > started + 2000)
  const asked = Date.now()
  assert.ok(bus.stats().held.since < asked, 'it was seen before it was asked for')
})

test('held names a worker_thread by its threadId', async (t) => {
  const name = uniqueName()
  const { file, open } = gate(t)
  const bus = openBus(t, { name, size: '64kb', stallTimeout: FOREVER })
  const work = async (name, file, support) => {
    const { parentPort } = require('node:worker_threads')
    const bus = require('slabcast').open({ name })
    bus.subscribe('t', () => {})
    parentPort.postMessage(bus.stats())
    parentPort.once('message', () => {
      parentPort.postMessage('blocked')
      require(support).blockUntilOpen(file)
      bus.close()
    })
  }
  const args = [name, file, path.join(__dirname, 'support', 'gate.js')].map((each) => JSON.stringify(each))
  const worker = new Worker(`(${work})(${args})`, { eval: true })
  const ended = once(worker, 'exit')
  const [{ member, pid, thread }] = await once(worker, 'message')
  worker.postMessage('block')
  await once(worker, 'message')
  assert.deepStrictEqual([pid, thread], [process.pid, worker.threadId])
  while (bus.publish('t', 1));
  const { held } = bus.stats()
  assert.deepStrictEqual([held.member, held.pid, held.thread, held.by], [member, pid, thread, 'reader'])
  open()
  await ended
})

test('a cut-off is counted by who cut, what was missed by who was cut', async (t) => {
  const name = uniqueName()
  const { file, open } = gate(t)
  const bus = openBus(t, { name, size: '64kb', stallTimeout: 0 })
  const child = run(t, reader, name, ['a', 'b', 'quiet'], file)
  await child.hear()
  child.say('block')
  await child.hear()
  for (let n = 0; n < 5000; n++) bus.publish(n % 2 ? 'a' : 'b', n)
  const stats = bus.stats()
  assert.deepStrictEqual([stats.cutOffs, stats.held, stats.members.reading], [1, null, 0])
  open()
  await child.hear()
  const theirs = await statsOf(child, ({ gaps }) => gaps > 0)
  assert.deepStrictEqual([theirs.gaps, theirs.lost, theirs.delivered.messages], [2, 5000, 0])
  assert.deepStrictEqual([theirs.cutOffs, theirs.members.reading], [0, 1])
})

test('stats() of a closed bus throws ERR_CLOSED', async (t) => {
  const bus = openBus(t)
  await bus.close()
  assert.throws(() => bus.stats(), { code: 'ERR_CLOSED' })
})

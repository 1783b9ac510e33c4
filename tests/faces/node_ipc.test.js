'use strict'

// What the calls of node_ipc carry, in processes that have nothing else in common than a bus.

const assert = require('node:assert/strict')
const test = require('node:test')
const { openBus, uniqueName } = require('../node/support/bus')
const { runWith } = require('../node/support/process')
const { Caller, join, workers } = require('./node_ipc/caller')

const CLEAN = { code: 0, signal: null }

test('what a worker writes every other one is given: each string as it is, in order, and never its own', async (t) => {
  const { all } = await workers(t, 3)
  for (const worker of all) await worker.call('listen')
  const ODD = [
    '{"from":"ann"}',
    '',
    ' ',
    '\0',
    'a\0b',
    ',',
    '],[',
    '"',
    '\ud800',
    'x\udc00y\ud800',
    '\ufffd',
    '🦀',
    'e\u0301',
    '[]',
    'null',
    'x'.repeat(1_000_000),
    'ü'.repeat(201),
    '',
  ]
  const SENT = [...ODD, ...Array.from({ length: 500 }, (_, n) => `${n}`)]
  const expected = `[${SENT.join(',')}]`
  for (const writer of all) {
    await writer.call('writeMany', SENT)
    for (const reader of all) if (reader !== writer) assert.equal(join(await reader.given(expected.length)), expected)
    assert.deepEqual(await writer.call('given'), [])
  }
  for (const worker of all) assert.deepEqual(await worker.call('given'), [])
})

test('a read gives all that has come since the last, and a JSON array if the messages are JSON', async (t) => {
  const {
    all: [one, other],
  } = await workers(t, 2)
  assert.equal(await other.call('testShmRead'), '[]')
  await one.call('writeMany', ['{"a":1}', '[2]', '"3"'])
  let read = ''
  while (!read.includes('"3"')) {
    await other.call('callNodeFunc')
    read = join([...(read ? [read] : []), await other.call('testShmRead')].filter((data) => data !== '[]'))
  }
  assert.deepEqual(JSON.parse(read), [{ a: 1 }, [2], '3'])
  assert.equal(await other.call('testShmRead'), '[]')
  assert.equal(await one.call('testShmRead'), '[]')
})

test('the primary writes to every worker and reads nothing; workers need not wait for it', async (t) => {
  const { bus, all } = await workers(t, 2)
  for (const worker of all) await worker.call('listen')
  await all[0].call('testShmWrite', '"before"')
  assert.deepEqual(await all[1].given('["before"]'.length), ['["before"]'])
  const primary = new Caller(t, bus)
  assert.equal(await primary.call('masterInit', 2), undefined)
  await primary.call('testShmWrite', '"all"')
  for (const worker of all) assert.deepEqual(await worker.given('["all"]'.length), ['["all"]'])
  await all[0].call('testShmWrite', '"after"')
  await all[1].given('["after"]'.length)
  assert.equal(await primary.call('testShmRead'), '[]')
})

test('what else is published to its topic is left out', async (t) => {
  const { bus: name, all } = await workers(t, 2)
  await all[1].call('listen')
  const bus = openBus(t, { name })
  for (const other of [null, 7, {}, ['text'], new Uint8Array(2)]) bus.publish('slabcast:node_ipc/messages', other)
  await bus.settled()
  await all[0].call('testShmWrite', '"ours"')
  assert.deepEqual(await all[1].given('["ours"]'.length), ['["ours"]'])
})

test('a worker that is killed is replaced by one of its index, which hears and is heard from then on', async (t) => {
  const { bus, all } = await workers(t, 3)
  const [ann, ben, cleo] = all
  for (const worker of [ann, cleo]) await worker.call('listen')
  await ben.child.kill()
  await ann.call('testShmWrite', '"nobody is 1"')
  assert.deepEqual(await cleo.given('["nobody is 1"]'.length), ['["nobody is 1"]'])
  const next = new Caller(t, bus)
  await next.call('workerInit', 3, 1)
  await next.call('listen')
  await next.call('testShmWrite', '"I am 1"')
  for (const worker of [ann, cleo]) assert.deepEqual(await worker.given('["I am 1"]'.length), ['["I am 1"]'])
  await cleo.call('testShmWrite', '"welcome"')
  for (const worker of [ann, next]) assert.deepEqual(await worker.given('["welcome"]'.length), ['["welcome"]'])
})

test('there may be any number of workers, and more than were said', async (t) => {
  const COUNT = 12
  const { bus, all } = await workers(t, COUNT)
  const more = new Caller(t, bus)
  await more.call('workerInit', 1, 0)
  for (const worker of [...all, more]) await worker.call('listen')
  await Promise.all(all.map((worker, index) => worker.call('testShmWrite', `${100 + index}`)))
  const indices = Array.from({ length: COUNT }, (_, index) => 100 + index)
  for (const [index, worker] of [...all, more].entries()) {
    const heard = indices.filter((number) => number !== 100 + index)
    const given = await worker.given(JSON.stringify(heard).length)
    assert.deepEqual(JSON.parse(join(given)).sort(), heard)
  }
})

test('a bus that it makes has places for all workers, and for others', async (t) => {
  const child = runWith(t, { env: { SLABCAST_BUS: uniqueName() } }, async ({ say }) => {
    const backend = require('slabcast/node_ipc')
    await backend.masterInit(1000)
    const ipc = require('slabcast')
    await say(ipc.stats().members.capacity)
    backend.processExit()
    await ipc.close()
  })
  assert.ok((await child.hear()) >= 1256)
  assert.deepEqual(await child.end(), CLEAN)
})

test('callNodeFunc gives 100: when there is something to read, or when a second is over', async (t) => {
  const bus = uniqueName()
  const waits = runWith(t, { env: { SLABCAST_BUS: bus } }, async ({ say }) => {
    const backend = require('slabcast/node_ipc')
    await backend.workerInit(2, 0)
    const alive = setInterval(() => {}, 1000)
    // No second is ever over but by a tick.
    const { mock } = require('node:test')
    mock.timers.enable({ apis: ['setTimeout'] })
    const called = backend.callNodeFunc()
    await say('waits')
    const first = await called
    // There is something already.
    await say([first, await backend.callNodeFunc(), backend.testShmRead()])
    let isOver = false
    const again = backend.callNodeFunc().then((number) => {
      isOver = true
      return number
    })
    mock.timers.tick(999)
    await new Promise(setImmediate)
    await say(isOver)
    mock.timers.tick(1)
    await say(await again)
    const last = backend.callNodeFunc()
    backend.processExit()
    await say(await last)
    clearInterval(alive)
  })
  assert.equal(await waits.hear(), 'waits')
  const writer = new Caller(t, bus)
  await writer.call('workerInit', 2, 1)
  await writer.call('testShmWrite', '1')
  assert.deepEqual(await waits.hear(), [100, 100, '[1]'])
  assert.equal(await waits.hear(), false)
  assert.equal(await waits.hear(), 100)
  assert.equal(await waits.hear(), 100, 'at its end nobody waits any more')
  assert.deepEqual(await waits.end(), CLEAN)
})

test('callbacks are called when something has come, with all of it, and never with nothing', async (t) => {
  const {
    bus,
    all: [writer],
  } = await workers(t, 1)
  const child = runWith(t, { env: { SLABCAST_BUS: bus } }, async ({ say, hear, until }) => {
    const backend = require('slabcast/node_ipc')
    const seen = { first: [], second: [], reads: [], uncaught: [] }
    process.on('uncaughtException', (error) => seen.uncaught.push(error.message))
    // Before there is anything to hear.
    backend.callSafeFunc((data) => {
      seen.first.push(data)
      if (data.includes('"bad"')) throw new Error(data)
    })
    await backend.workerInit(2, 1)
    // As the published demo does.
    backend.callSafeFunc(async () => {
      const data = [backend.testShmRead(), backend.testShmRead()]
      data.push(await backend.testShmRead())
      seen.reads.push(data)
    })
    backend.callSafeFunc((...args) => seen.second.push(args))
    await say('ready')
    await hear()
    await until(() => seen.first.some((data) => data.endsWith('"last"]')) && seen.reads.length === seen.first.length)
    await say({ ...seen, left: backend.testShmRead() })
    backend.processExit()
  })
  await child.hear()
  await writer.call('testShmWrite', '"one"')
  await writer.call('testShmWrite', '"bad"')
  await writer.call('writeMany', ['1', '2', '3', '"last"'])
  child.say('all is written')
  const { first, second, reads, uncaught, left } = await child.hear()
  assert.deepEqual(JSON.parse(join(first)), ['one', 'bad', 1, 2, 3, 'last'])
  assert.ok(first.length <= 6)
  assert.ok(!first.includes('[]'))
  assert.deepEqual(
    second,
    first.map((data) => [data]),
    'each is given the same',
  )
  assert.deepEqual(
    reads,
    first.map((data) => [data, '[]', '[]']),
    'what a callback is given it may read, once',
  )
  assert.deepEqual(
    uncaught,
    first.filter((data) => data.includes('"bad"')),
    'what one throws is told',
  )
  assert.equal(left, '[]')
  assert.deepEqual(await child.end(), CLEAN)
})

test('a callback that comes late is given what has come before', async (t) => {
  const {
    all: [one, other],
  } = await workers(t, 2)
  await one.call('testShmWrite', '"early"')
  await other.call('callNodeFunc')
  await other.call('listen')
  assert.deepEqual(await other.given('["early"]'.length), ['["early"]'])
})

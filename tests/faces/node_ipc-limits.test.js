'use strict'

// What the calls of node_ipc begin, hold and end, and what they refuse.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const test = require('node:test')
const { assertNothingLeft, folderOf, segmentOf, uniqueName } = require('../node/support/bus')
const { gate } = require('../node/support/gate')
const { run, runWith } = require('../node/support/process')
const { Caller } = require('./node_ipc/caller')

const CLEAN = { code: 0, signal: null }

test('the semaphore is free at first, is had by one at a time in order, and is posted once at most', async (t) => {
  const child = run(t, async ({ say }) => {
    const { testSemaRequire, testSemaRelease } = require('slabcast/node_ipc')
    const order = []
    const turn = () => new Promise(setImmediate)
    const require_ = (who) => testSemaRequire().then((value) => order.push([who, value]))
    await require_('first')
    const waiting = [require_('second'), require_('third')]
    await turn()
    await say([...order])
    const released = testSemaRelease()
    // It is the second one's: nobody else has it, least of all before the third.
    waiting.push(require_('fourth'))
    order.push(['released', await released])
    await waiting[0]
    await turn()
    await say([...order])
    for (const next of waiting.slice(1)) {
      await testSemaRelease()
      await next
    }
    for (let n = 0; n < 3; n++) await testSemaRelease()
    await require_('fifth')
    require_('sixth')
    await turn()
    await say(order)
  })
  const first = [['first', undefined]]
  const then = [...first, ['released', undefined], ['second', undefined]]
  assert.deepEqual(await child.hear(), first)
  assert.deepEqual(await child.hear(), then)
  assert.deepEqual(await child.hear(), [...then, ['third', undefined], ['fourth', undefined], ['fifth', undefined]])
  assert.deepEqual(await child.end(), CLEAN)
})

test('processExit: again, with nothing initialised, and in the middle; then all can begin anew', async (t) => {
  const bus = uniqueName()
  const one = new Caller(t, bus)
  const other = new Caller(t, bus)
  await one.call('processExit')
  await one.call('workerInit', 2, 0)
  await other.call('workerInit', 2, 1)
  await one.call('listen')
  await other.call('testShmWrite', '"heard"')
  await one.given('["heard"]'.length)
  await one.call('processExit')
  await one.call('processExit')
  await other.call('testShmWrite', '"not heard"')
  await assert.rejects(one.call('testShmWrite', '1'), { name: 'SlabcastError', code: 'ERR_CLOSED' })
  assert.equal(await one.call('testShmRead'), '[]')
  await one.call('workerInit', 2, 0)
  await one.call('listen')
  await other.call('testShmWrite', '"again"')
  assert.deepEqual(await one.given('["again"]'.length), ['["again"]'])
  const segment = segmentOf(bus)
  await one.call('testShmWrite', '"unread"')
  await other.call('callNodeFunc')
  await one.call('processExit')
  assert.ok(fs.existsSync(folderOf(bus)), 'the other is still there')
  await other.call('processExit')
  assert.equal(await other.call('testShmRead'), '[]')
  assertNothingLeft(bus, segment)
  for (const caller of [one, other]) assert.deepEqual(await caller.end(), CLEAN)
})

test('a callback keeps a worker alive, and nothing else does', async (t) => {
  const bus = uniqueName()
  const env = { SLABCAST_BUS: bus }
  const idle = runWith(t, { env }, async () => {
    const backend = require('slabcast/node_ipc')
    await backend.masterInit(2)
    await backend.workerInit(2, 0)
    await backend.testSemaRequire()
    backend.testSemaRequire()
  })
  assert.deepEqual(await idle.end(), CLEAN)
  const listeners = ['before', 'after'].map((when) =>
    runWith(
      t,
      { env },
      async ({ say }, when) => {
        const backend = require('slabcast/node_ipc')
        const listen = () => {
          backend.callSafeFunc((data) => {
            backend.processExit()
            say(data)
          })
          backend.callSafeFunc(() => say('called after processExit'))
        }
        if (when === 'before') listen()
        await backend.workerInit(2, 0)
        if (when === 'after') listen()
        await say('listens')
      },
      when,
    ),
  )
  for (const child of listeners) assert.equal(await child.hear(), 'listens')
  const writer = new Caller(t, bus)
  await writer.call('workerInit', 2, 1)
  await writer.call('testShmWrite', '"end"')
  for (const child of listeners) {
    assert.equal(await child.hear(), '["end"]')
    assert.deepEqual(await child.end(), CLEAN)
    assert.deepEqual(child.unheard, [])
  }
  assert.deepEqual(await writer.end(), CLEAN)
  assertNothingLeft(bus)
})

test('who writes too fast waits for room, and is told what is not accepted', async (t) => {
  const bus = uniqueName()
  const { file, open } = gate(t)
  const reader = run(
    t,
    async ({ say, until }, name, gateFile) => {
      const backend = require('slabcast/node_ipc')
      const bus = require('slabcast').open({ name, size: '64kb' })
      await backend.workerInit(2, 0, { bus })
      let count = 0
      backend.callSafeFunc((data) => {
        count += JSON.parse(data).length
      })
      await say('stuck')
      require('./gate').blockUntilOpen(gateFile)
      await until(
        () => count === 40,
        () => `40 have come: ${count}`,
      )
      await say(count)
      backend.processExit()
      // It is not the face's.
      bus.publish('still open', 1)
      await bus.close()
    },
    bus,
    file,
  )
  await reader.hear()
  const writer = run(
    t,
    async ({ say, hear }, name) => {
      const backend = require('slabcast/node_ipc')
      const bus = require('slabcast').open({ name, outbox: 40_000, stallTimeout: Number.POSITIVE_INFINITY })
      await backend.workerInit(2, 1, { bus })
      const text = JSON.stringify('x'.repeat(3000))
      let settled = 0
      const refused = []
      const writes = Array.from({ length: 60 }, () =>
        backend.testShmWrite(text).then(
          () => settled++,
          (error) => refused.push(error.code),
        ),
      )
      await new Promise(setImmediate)
      await say({ settled, refused: refused.length })
      await hear()
      await Promise.all(writes)
      await say({ settled, refused: [...new Set(refused)] })
      while (settled < 40) {
        await backend.testShmWrite(text)
        settled++
      }
      await backend.testShmWrite('x'.repeat(40_000)).catch(({ code }) => say(code))
      await bus.close()
    },
    bus,
  )
  const before = await writer.hear()
  assert.ok(before.settled > 0 && before.refused > 0 && before.settled + before.refused < 60, JSON.stringify(before))
  open()
  writer.say('the reader reads')
  const after = await writer.hear()
  assert.deepEqual(after, { settled: 60 - before.refused, refused: ['ERR_OUTBOX_FULL'] })
  assert.equal(await writer.hear(), 'ERR_MESSAGE_TOO_LARGE')
  assert.equal(await reader.hear(), 40)
  assert.deepEqual([await writer.end(), await reader.end()], [CLEAN, CLEAN])
})

test('who waits for room is told when it has left, and when the bus is lost', async (t) => {
  const bus = uniqueName()
  const { file, open } = gate(t)
  const reader = run(
    t,
    async ({ say, until }, name, gateFile) => {
      const bus = require('slabcast').open({ name, size: '64kb' })
      const backend = require('slabcast/node_ipc')
      await backend.workerInit(2, 0, { bus })
      let count = 0
      backend.callSafeFunc((data) => {
        count += JSON.parse(data).length
      })
      await say('stuck')
      require('./gate').blockUntilOpen(gateFile)
      await until(() => count === 60)
      await say(count)
      backend.processExit()
      await bus.close()
    },
    bus,
    file,
  )
  await reader.hear()
  const env = { SLABCAST_BUS: bus }
  const lost = runWith(t, { env }, async ({ say }) => {
    const backend = require('slabcast/node_ipc')
    const bus = require('slabcast').open({ stallTimeout: Number.POSITIVE_INFINITY })
    await backend.masterInit(2, { bus })
    const text = JSON.stringify('x'.repeat(3000))
    const writes = Array.from({ length: 30 }, () => backend.testShmWrite(text))
    bus.on('error', () => {})
    bus.emit('error', new Error('lost'))
    const results = await Promise.allSettled(writes)
    await say([...new Set(results.map(({ reason }) => reason?.message))])
    await bus.close()
  })
  assert.deepEqual(await lost.hear(), [undefined, 'lost'], 'what was in the bus was written, the others are rejected')
  const leaves = runWith(t, { env }, async ({ say }) => {
    const backend = require('slabcast/node_ipc')
    await backend.masterInit(2)
    const text = JSON.stringify('x'.repeat(3000))
    const writes = Array.from({ length: 30 }, () => backend.testShmWrite(text))
    backend.processExit()
    await say('left')
    await Promise.all(writes)
    await say('flushed')
  })
  assert.equal(await leaves.hear(), 'left')
  open()
  assert.equal(await leaves.hear(), 'flushed')
  assert.equal(await reader.hear(), 60)
  for (const child of [lost, leaves, reader]) assert.deepEqual(await child.end(), CLEAN)
})

test('what nobody reads is bounded: the oldest go, and the next read tells so', async (t) => {
  const bus = uniqueName()
  const reader = runWith(t, { env: { SLABCAST_BUS: bus } }, async ({ say, hear }) => {
    const backend = require('slabcast/node_ipc')
    const warnings = []
    process.on('warning', ({ name, code, message }) => warnings.push({ name, code, message }))
    await backend.workerInit(2, 0, { inbox: '64kb' })
    await say('ready')
    await hear()
    // By its own word it has come as far as that.
    const ipc = require('slabcast')
    const passed = new Promise((resolve) => ipc.subscribe('mark', resolve, { once: true }))
    ipc.publish('mark', 1)
    await passed
    const data = JSON.parse(backend.testShmRead())
    await new Promise(setImmediate)
    await say({ count: data.length, last: data.at(-1).slice(0, 3), first: data[0].slice(0, 3), warnings })
    backend.processExit()
    await ipc.close()
  })
  await reader.hear()
  const writer = new Caller(t, bus)
  await writer.call('workerInit', 2, 1)
  const COUNT = 200
  const texts = Array.from({ length: COUNT }, (_, n) => JSON.stringify(`${100 + n}${'x'.repeat(997)}`))
  await writer.call('writeMany', texts)
  reader.say('all is written')
  const { count, first, last, warnings } = await reader.hear()
  assert.ok(count > 10 && count < 66, `${count} are kept`)
  assert.equal(last, `${100 + COUNT - 1}`)
  assert.equal(first, `${100 + COUNT - count}`)
  assert.equal(warnings.length, 1)
  assert.equal(warnings[0].name, 'SlabcastWarning')
  assert.equal(warnings[0].code, 'SLABCAST_GAP')
  assert.match(warnings[0].message, new RegExp(`^${COUNT - count} messages`))
})

test('a wrong argument is an error of JavaScript', async () => {
  const backend = require('slabcast/node_ipc')
  const type = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
  const range = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
  for (const workers of [undefined, '2', null, 2n]) {
    await assert.rejects(backend.masterInit(workers), type)
    await assert.rejects(backend.workerInit(workers, 0), type)
  }
  for (const workers of [0, -1, 1.5, NaN, Infinity, 4097]) {
    await assert.rejects(backend.masterInit(workers), range)
    await assert.rejects(backend.workerInit(workers, 0), range)
  }
  for (const index of [undefined, '0', null]) await assert.rejects(backend.workerInit(2, index), type)
  for (const index of [-1, 2, 0.5, Number.parseInt('', 10)]) await assert.rejects(backend.workerInit(2, index), range)
  for (const options of [1, null, { bus: 'chat' }, { bus: {} }, { bus: null }]) {
    await assert.rejects(backend.masterInit(2, options), type)
    await assert.rejects(backend.workerInit(2, 0, options), type)
  }
  await assert.rejects(backend.workerInit(2, 0, { inbox: '1 parsec' }), { code: 'ERR_INVALID_ARG_VALUE' })
  for (const text of [undefined, 1, {}, Buffer.from('x')]) await assert.rejects(backend.testShmWrite(text), type)
  for (const callback of [undefined, 1, {}]) assert.throws(() => backend.callSafeFunc(callback), type)
  // None of them began anything.
  await assert.rejects(backend.testShmWrite('x'), { code: 'ERR_CLOSED' })
})

test('show gives the pid, init nothing; both kinds of modules find every name', async () => {
  const backend = require('slabcast/node_ipc')
  assert.equal(backend.show(), process.pid)
  assert.equal(backend.init(), undefined)
  const imported = await import('slabcast/node_ipc')
  const names = Object.keys(imported).filter((name) => name !== 'default' && name !== 'module.exports')
  assert.deepEqual(names.sort(), Object.keys(backend).sort())
  assert.equal(imported.default, backend)
})

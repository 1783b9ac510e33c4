'use strict'

// A process that is stopped (SIGSTOP, a debugger, docker pause) holds the others back no longer than stallTimeout, and
// learns exactly what it missed when it goes on.

const test = require('node:test')
const assert = require('node:assert')
const { actors, busName, folderOf, isolate, list, longest, rounds, until } = require('./support')

isolate()

const SIZE = 64 * 1024
const open = (one, options) =>
  one.run(({ ipc, state }, given) => {
    state.bus = ipc.open(given)
    state.events = []
    state.bus.on('gap', (gap) => state.events.push(gap))
    state.listen = (topic) => state.bus.subscribe(topic, (n, { sequence }) => state.events.push({ topic, n, sequence }))
    // As fast as it is taken; `false` is waited for.
    state.publish = async (topic, from, to) => {
      for (let n = from; n <= to; n++) {
        if (!state.bus.publish(topic, n)) await new Promise((resolve) => state.bus.once('drain', resolve))
      }
    }
  }, options)

/** Every number once, in order, or told as missed. Returns what was missed, per topic. */
function account(events, topic, last) {
  const missed = []
  let next = 1
  for (const event of events.filter((event) => event.topic === topic)) {
    if (event.reason) {
      assert.strictEqual(event.reason, 'stalled')
      assert.strictEqual(event.from, next, `${topic}: a gap that does not begin after the last message delivered`)
      assert.strictEqual(event.lost, event.to - event.from + 1)
      assert.ok(event.lost > 0)
      missed.push(event)
      next = event.to + 1
    } else {
      assert.strictEqual(event.sequence, next, `${topic}: after ${next - 1} came ${event.sequence}`)
      assert.strictEqual(event.n, next)
      next++
    }
  }
  assert.strictEqual(next, last + 1, `${topic}: it ends at ${next - 1}`)
  return missed
}

test('a stopped reader is cut off, the others go on; when it goes on it learns what it missed', async (t) => {
  const waits = []
  for (let round = 0; round < 2 * rounds; round++) {
    const name = busName()
    const [publisher, reader, stopped, idle] = await actors(4)
    for (const one of [publisher, reader, stopped, idle]) await open(one, { name, size: SIZE, stallTimeout: 500 })
    for (const one of [reader, stopped]) {
      for (const topic of ['a', 'b', 'quiet']) await one.run(({ state }, each) => void state.listen(each), topic)
    }
    await idle.run(({ state }) => void state.listen('quiet'))
    await publisher.run(({ state }) => state.publish('a', 1, 100))
    await until('it reads', () => stopped.run(({ state }) => state.events.length === 100))
    stopped.signal('SIGSTOP')
    idle.signal('SIGSTOP')
    const start = performance.now()
    // Twice what the slab holds.
    await publisher.run(async ({ state }) => {
      for (let part = 0; part < 10; part++) {
        await state.publish('a', 101 + part * 100, 200 + part * 100)
        await state.publish('b', 1 + part * 100, 100 + part * 100)
      }
    })
    waits.push(performance.now() - start)
    await until('the other has all', () => reader.run(({ state }) => state.events.length === 2100))
    for (const [topic, last] of [
      ['a', 1100],
      ['b', 1000],
    ])
      assert.deepStrictEqual(account(await reader.run(({ state }) => state.events), topic, last), [])
    stopped.signal('SIGCONT')
    idle.signal('SIGCONT')
    const seen = (topic) => stopped.run(({ state }, each) => state.events.some((event) => event.topic === each), topic)
    await until('it is told', async () => (await seen('b')) && stopped.run(({ state }) => state.events.length > 100))
    // The idle one as well, though there is nothing to tell it: what comes before it reads again it would miss.
    await until('all read again', () => publisher.run(({ state }) => state.bus.stats().members.reading === 3))
    // Live again, and not cut off once more.
    await publisher.run(async ({ state }) => {
      await state.publish('a', 1101, 1110)
      await state.publish('b', 1001, 1010)
      await state.publish('quiet', 1, 5)
    })
    await until('it is live', () =>
      stopped.run(({ state }) => state.events.some(({ topic, n }) => topic === 'quiet' && n === 5)),
    )
    const events = await stopped.run(({ state }) => state.events)
    assert.strictEqual(account(events, 'a', 1110).length, 1)
    assert.strictEqual(account(events, 'b', 1010).length, 1)
    assert.deepStrictEqual(account(events, 'quiet', 5), [], 'nothing of it was missed')
    await until('the idle one too', () => idle.run(({ state }) => state.events.length === 5))
    assert.deepStrictEqual(account(await idle.run(({ state }) => state.events), 'quiet', 5), [])
    await Promise.all([publisher, reader, stopped, idle].map((one) => one.end()))
    assert.deepStrictEqual(list(folderOf(name)), [])
  }
  t.diagnostic(`twice a slab past a stopped reader (stallTimeout 500): ${longest(waits)}`)
})

test('stopped again and again under load: each message delivered once or told as missed, never both', async (t) => {
  const name = busName()
  const [publisher, reader, stopped] = await actors(3)
  for (const one of [publisher, reader, stopped]) await open(one, { name, size: SIZE, stallTimeout: 100 })
  for (const one of [reader, stopped]) await one.run(({ state }) => void state.listen('a'))
  await publisher.run(({ state }) => {
    state.last = 0
    state.done = (async () => {
      while (!state.end) {
        await state.publish('a', state.last + 1, state.last + 50)
        state.last += 50
        await new Promise(setImmediate)
      }
    })()
  })
  for (let round = 0; round < 6 * rounds; round++) {
    stopped.signal('SIGSTOP')
    const last = await publisher.run(({ state }) => state.last)
    await until('the publisher goes on', () => publisher.run(({ state }, from) => state.last > from + 3000, last))
    stopped.signal('SIGCONT')
    const seen = await stopped.run(({ state }) => state.events.length)
    await until('it goes on', () => stopped.run(({ state }, from) => state.events.length > from + 500, seen))
  }
  const last = await publisher.run(async ({ state }) => {
    state.end = true
    await state.done
    return state.last
  })
  for (const one of [reader, stopped]) {
    const ended = (event, end) => (event.reason ? event.to : event.sequence) === end
    await until('it ends', async () => ended(await one.run(({ state }) => state.events.at(-1)), last))
  }
  assert.deepStrictEqual(account(await reader.run(({ state }) => state.events), 'a', last), [], 'it was never stopped')
  const gaps = account(await stopped.run(({ state }) => state.events), 'a', last)
  assert.ok(gaps.length > 0, 'it was never cut off: this test does not test what it should')
  await Promise.all([publisher, reader, stopped].map((one) => one.end()))
  t.diagnostic(`${last} messages, ${gaps.length} gaps, ${gaps.reduce((sum, { lost }) => sum + lost, 0)} told as missed`)
})

test('killed while it is stopped: its place and files come back, with no cut-off and no wait', async (t) => {
  const name = busName()
  const [publisher, reader, stopped] = await actors(3)
  const options = { name, size: SIZE, stallTimeout: Number.POSITIVE_INFINITY }
  for (const one of [publisher, reader, stopped]) await open(one, options)
  for (const one of [reader, stopped]) await one.run(({ state }) => void state.listen('a'))
  stopped.signal('SIGSTOP')
  publisher.start(async ({ state }) => {
    await state.publish('a', 1, 2000)
    state.done = true
  })
  await until('the slab is full', () => reader.run(({ state }) => state.events.length > 300))
  assert.notStrictEqual(await publisher.run(({ state }) => state.done), true)
  const start = performance.now()
  stopped.signal('SIGKILL')
  await until('the publisher goes on', () => publisher.run(({ state }) => state.done))
  t.diagnostic(`from the kill to the end of 2000 messages: ${(performance.now() - start).toFixed(0)} ms`)
  await until('all arrives', () => reader.run(({ state }) => state.events.length === 2000))
  assert.deepStrictEqual(account(await reader.run(({ state }) => state.events), 'a', 2000), [])
  await until('its files are gone', () => list(folderOf(name)).length === 2 + 2 * 2)
  await Promise.all([publisher.end(), reader.end()])
})

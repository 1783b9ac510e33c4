'use strict'

// Another process writes random bytes into the segment of three that publish and drain: each goes on or is told that the bus is
// corrupt, none crashes or hangs, and once all have ended the name is free for a new bus.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { actor, actors, busName, isolate, later, left, random, rounds, segmentOf, until } = require('./support')

const skip = isolate() || false

/** Where the sections begin that the options below give: header, log, members and buckets of a page each, ring, slab. */
const SECTIONS = [0, 64, 128, 192, 8192, 12288, 16384, 24576, 90112, 98304, 106496]
const options = { size: '64kb', topics: 64, members: 8, stallTimeout: 200, outbox: '64kb' }

function work({ ipc, state }, given) {
  const bus = ipc.open(given)
  Object.assign(state, { bus, told: [], thrown: {}, published: 0, got: 0 })
  bus.on('error', ({ code }) => state.told.push(code))
  bus.on('gap', () => {})
  const tell = ({ code, stack }) => {
    state.thrown[code ?? stack] = true
  }
  for (const topic of ['a', 'b']) bus.subscribe(topic, () => state.got++)
  state.timer = setInterval(() => {
    try {
      for (let i = 0; i < 20; i++) {
        bus.publish(i % 7 === 0 ? `t${state.published % 50}` : 'a', 'x'.repeat(i * 20))
        state.published++
      }
    } catch (error) {
      tell(error)
    }
  }, 1)
}

/** Overwrites words here and there, as `r` says. */
function vandalise(file, r) {
  const memory = fs.openSync(file, 'r+')
  const below = (end) => Math.floor(r() * end)
  const values = [() => 0n, () => 2n ** 64n - 1n, () => BigInt(below(2 ** 32)), () => BigInt(below(2 ** 48)) << 16n]
  for (let n = 1 + below(4); n > 0; n--) {
    const at = SECTIONS[below(SECTIONS.length)] + 8 * below(r() < 0.5 ? 8 : 500)
    const words = BigUint64Array.from({ length: r() < 0.2 ? 1 + below(64) : 1 }, values[below(values.length)])
    fs.writeSync(memory, new Uint8Array(words.buffer), 0, words.byteLength, at)
  }
  fs.closeSync(memory)
}

test('random bytes in the segment of three at work', { skip }, async () => {
  const r = random()
  const seen = { rounds: 0, corrupt: 0, went: 0 }
  for (let round = 0; round < 8 * rounds; round++) {
    const name = busName()
    const three = await actors(3)
    for (const one of three) await one.run(work, { name, ...options })
    const file = segmentOf(name)
    await until('all have got something', async () => {
      const got = await Promise.all(three.map((one) => one.run(({ state }) => state.got)))
      return got.every((count) => count > 100)
    })
    for (let times = Math.floor(r() * 4); times >= 0; times--) {
      // Once all three have left, their memory is gone.
      if (!fs.existsSync(file)) break
      vandalise(file, r)
      await later(r() * 20)
    }
    // Two of their looks at what nobody reads otherwise.
    await later(2100)
    const states = await Promise.all(
      three.map((one) =>
        one.run(async ({ state }) => {
          clearInterval(state.timer)
          const { told, thrown } = state
          // It flushes what was accepted: a slab that stays full in silence would keep it waiting. So does a table whose every
          // topic has a garbled subscriber, which cannot be told from a real one.
          const waited = new Promise((resolve) => setTimeout(resolve, 20_000, 'waits'))
          const closed = await Promise.race([state.bus.close(), waited])
          return { told, thrown: Object.keys(thrown), waits: closed === 'waits' }
        }),
      ),
    )
    for (const { told, thrown, waits } of states) {
      if (waits)
        assert.ok(thrown.includes('ERR_TOO_MANY_TOPICS') || thrown.includes('ERR_OUTBOX_FULL'), `waits, ${thrown}`)
      assert.ok(told.length <= 1 && told.every((code) => code === 'ERR_CORRUPT'), `told ${told}`)
      // Of those who went on: what a bus may say that is full of garbage.
      const mayBe = ['ERR_CORRUPT', 'ERR_OUTBOX_FULL', 'ERR_TOO_MANY_TOPICS']
      for (const code of thrown) assert.ok(mayBe.includes(code), `thrown ${code}`)
      if (thrown.includes('ERR_CORRUPT')) assert.deepStrictEqual(told, ['ERR_CORRUPT'])
      if (told.length > 0) seen.corrupt++
      else seen.went++
    }
    const ends = await Promise.all(three.map((one) => one.end()))
    assert.deepStrictEqual(ends, new Array(3).fill({ code: 0, signal: null }))
    // Started anew, the bus is as good as new.
    const next = await actor()
    await next.run(work, { name, ...options })
    await until('it gets what it publishes', () => next.run(({ state }) => state.got > 100))
    assert.deepStrictEqual(await next.run(({ state }) => [state.told, state.thrown]), [[], {}])
    await next.run(({ state }) => {
      clearInterval(state.timer)
      return state.bus.close()
    })
    await next.end()
    seen.rounds++
  }
  console.log(`# ${seen.rounds} rounds: ${seen.corrupt} were told ERR_CORRUPT, ${seen.went} went on`)
  assert.ok(seen.corrupt > 0, 'the vandal did no harm at all')
  assert.deepStrictEqual(left(), [])
})

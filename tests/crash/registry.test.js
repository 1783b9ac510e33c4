'use strict'

// The registry lock in the hands of the dead and of the stopped. (Deaths under it by the thousand: tests/rust/crash.rs.)

const test = require('node:test')
const assert = require('node:assert')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const fs = require('node:fs')
const {
  actor,
  actors,
  busName,
  filesOf,
  folderOf,
  isolate,
  later,
  list,
  longest,
  random,
  rounds,
  until,
} = require('./support')

isolate()

const open = (one, options) =>
  one.run(({ ipc, state }, given) => {
    state.bus = ipc.open(given)
    state.got = []
  }, options)
const listen = (one, topic) =>
  one.run(({ state }, name) => void state.bus.subscribe(name, (message) => state.got.push(message)), topic)

/** Holds the lock of a bus as a process stopped under it would. */
async function holdLock(bus) {
  const args = ['-o', `${folderOf(bus)}/registry.lock`, 'sh', '-c', 'echo locked; exec sleep 1000']
  const holder = spawn('flock', args, { stdio: ['ignore', 'pipe', 'inherit'], detached: true })
  await new Promise((resolve, reject) => {
    holder.on('error', reject)
    holder.stdout.once('data', resolve)
  })
  process.kill(-holder.pid, 'SIGSTOP')
  return () => {
    process.kill(-holder.pid, 'SIGKILL')
    return once(holder, 'exit')
  }
}

test('a stopped holder of the lock: known topics go on, new ones wait or say so, nothing is lost', async (t) => {
  const name = busName()
  const [one, other] = await actors(2)
  for (const each of [one, other]) await open(each, { name })
  await listen(other, 'known')
  await one.run(({ state }) => state.bus.publish('known', 0))
  const release = await holdLock(name)
  t.after(() => {
    try {
      release()
    } catch {}
  })
  // Also one that this process has not used yet.
  await listen(one, 'known').then(assert.fail, (error) => {
    assert.strictEqual(error.code, 'ERR_TIMEOUT')
    assert.match(error.message, /stopped/)
  })
  for (let n = 1; n < 200; n++) {
    assert.strictEqual(await one.run(({ state }, given) => state.bus.publish('known', given), n), true)
  }
  await until('they arrive', () => other.run(({ state }) => state.got.length === 200))
  // Accepted, in order, though it cannot be made yet.
  const drained = one.run(({ state }) => new Promise((resolve) => state.bus.once('drain', resolve)))
  assert.strictEqual(await one.run(({ state }) => state.bus.publish('new', 'first')), false)
  assert.strictEqual(await one.run(({ state }) => state.bus.publish('known', 'behind it')), false)
  const late = await actor()
  await assert.rejects(open(late, { name }), { code: 'ERR_TIMEOUT' })
  // Another bus is another lock; the sweep passes this one by.
  await open(late, { name: busName() })
  release()
  await drained
  await until('the last arrives', () => other.run(({ state }) => state.got.at(-1) === 'behind it'))
  await listen(one, 'known')
  const newcomer = await actor()
  await open(newcomer, { name })
  await listen(newcomer, 'new')
  assert.strictEqual(await one.run(({ state }) => state.bus.publish('new', 'second')), true)
  await until('it arrives', () => newcomer.run(({ state }) => state.got[0] === 'second'))
  await Promise.all([one, other, late, newcomer].map((each) => each.end()))
  assert.deepStrictEqual(list(folderOf(name)), [])
})

test('out of descriptors while messages to a new topic wait and the lock is to be made anew: they arrive later', async (t) => {
  const name = busName()
  const [one, other] = await actors(2)
  for (const each of [one, other]) await open(each, { name })
  await listen(other, 'known')
  const release = await holdLock(name)
  t.after(() => {
    try {
      release()
    } catch {}
  })
  const refused = await one.run(async ({ fs, state }) => {
    state.told = []
    state.bus.on('error', ({ code }) => state.told.push(code))
    state.drained = new Promise((resolve) => state.bus.once('drain', resolve))
    const accepted = [state.bus.publish('new', 'first'), state.bus.publish('known', 'behind it')]
    state.held = []
    try {
      for (;;) state.held.push(fs.openSync('/dev/null'))
    } catch {}
    return accepted
  })
  assert.deepStrictEqual(refused, [false, false])
  // Whoever wants the lock next makes its file anew, which takes a descriptor.
  fs.rmSync(`${folderOf(name)}/registry.lock`)
  await release()
  const seen = await one.run(async ({ state }) => {
    // The outbox tries every 16 ms: timers that end earlier run earlier, however slow the machine.
    await new Promise((resolve) => setTimeout(resolve, 100))
    let thrown
    try {
      state.bus.publish('newer', 1)
    } catch (error) {
      thrown = error.code
    }
    return { thrown, told: state.told, waiting: state.bus.stats().outbox.messages }
  })
  assert.deepStrictEqual(seen, { thrown: 'ERR_SYSTEM', told: [], waiting: 2 })
  await one.run(({ fs, state }) => {
    for (const each of state.held) fs.closeSync(each)
    return state.drained
  })
  await until('it arrives', () => other.run(({ state }) => state.got[0] === 'behind it'))
  await listen(other, 'new')
  assert.strictEqual(await one.run(({ state }) => state.bus.publish('new', 'second')), true)
  await until('it arrives', () => other.run(({ state }) => state.got[1] === 'second'))
  await Promise.all([one, other].map((each) => each.end()))
  assert.deepStrictEqual(list(folderOf(name)), [])
})

test('killed in storms of new topics, subscribe, unsubscribe, attach: every name is found, every subscriber right', async (t) => {
  const next = random()
  const name = busName()
  // Small, so that topics take each other's places.
  const options = { name, topics: 96, members: 6, size: 256 * 1024, stallTimeout: Number.POSITIVE_INFINITY }
  const KEPT = 40
  const keeper = await actor()
  await keeper.run(
    ({ ipc, state }, given, kept) => {
      state.bus = ipc.open(given)
      state.counts = new Array(kept).fill(0)
      state.faults = []
      for (let topic = 0; topic < kept; topic++) {
        state.bus.subscribe(`kept:${topic}`, (message, { sequence }) => {
          if (message !== topic) state.faults.push(`${message} came by kept:${topic}`)
          if (sequence !== ++state.counts[topic])
            state.faults.push(`kept:${topic}: ${sequence} is not ${state.counts[topic]}`)
        })
      }
    },
    options,
    KEPT,
  )
  const storm = async () => {
    const one = await actor()
    one.start(
      async ({ ipc }, given, kept) => {
        for (;;) {
          const bus = ipc.open(given)
          const subscriptions = []
          for (let count = 0; count < 60; count++) {
            const dice = Math.random()
            const topic =
              dice < 0.3 ? `kept:${Math.floor(Math.random() * kept)}` : `other:${Math.floor(Math.random() * 400)}`
            try {
              if (dice < 0.7) subscriptions.push(bus.subscribe(topic, () => {}))
              else if (topic.startsWith('other')) bus.publish(topic, 1)
            } catch (error) {
              if (error.code !== 'ERR_TOO_MANY_TOPICS') throw error
            }
            if (subscriptions.length > 12) subscriptions.shift().unsubscribe()
          }
          await bus.close()
          await new Promise(setImmediate)
        }
      },
      options,
      KEPT,
    )
    return one
  }
  const waits = []
  let storms = await Promise.all([storm(), storm(), storm()])
  for (let round = 0; round < 8 * rounds; round++) {
    await later(30 + next() * 60)
    const victims = storms.splice(0, 1 + Math.floor(next() * 3))
    await Promise.all(victims.map((one) => one.kill()))
    const start = performance.now()
    // Looks every name up afresh.
    const judge = await actor()
    await judge.run(
      ({ ipc, state }, given, kept) => {
        state.bus = ipc.open(given)
        for (let topic = 0; topic < kept; topic++) state.bus.publish(`kept:${topic}`, topic)
        return state.bus.close()
      },
      options,
      KEPT,
    )
    await until('every name reaches its subscriber', () =>
      keeper.run(({ state }, wanted) => state.counts.every((count) => count === wanted), round + 1),
    )
    waits.push(performance.now() - start)
    await judge.end()
    storms = [...storms, ...(await Promise.all(victims.map(storm)))]
  }
  assert.deepStrictEqual(await keeper.run(({ state }) => state.faults), [])
  await Promise.all(storms.map((one) => one.kill()))
  // With nobody else there the whole table can be had: no dead one's bit stands in any row.
  const last = await actor()
  // Who attaches clears away what is left of those who died attaching.
  await open(last, options)
  await until('the dead are forgotten', () => list(folderOf(name)).length === filesOf(2))
  for (let topic = 0; topic < 96 - KEPT; topic++) await listen(last, `last:${topic}`)
  for (let topic = 0; topic < 96 - KEPT; topic++) {
    await last.run(({ state }, each) => state.bus.publish(`last:${each}`, each), topic)
  }
  await until('all arrive', () => last.run(({ state }, count) => state.got.length === count, 96 - KEPT))
  await Promise.all([last.end(), keeper.end()])
  t.diagnostic(`after a kill: ${longest(waits)}`)
})

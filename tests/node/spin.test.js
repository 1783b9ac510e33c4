'use strict'

// The option `spin`: who looks before it sleeps gets all that who sleeps gets, the event loop serves others meanwhile, and
// looks in vain become rare.

const test = require('node:test')
const assert = require('node:assert')
const { once } = require('node:events')
const net = require('node:net')
const { availableParallelism } = require('node:os')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { assertNothingLeft, openBus, uniqueName } = require('./support/bus')
const { run, runWith } = require('./support/process')
const { until } = require('./support/wait')
const slabcast = require('slabcast')

const CLEAN = { code: 0, signal: null }
/** The longest there is, in us: on a busy machine, too, an answer comes within it. */
const LONG = 1000
/** Where it cannot be had there is no spin. */
const oneCore = availableParallelism() < 2 && 'there is one core'

/** Answers each ping, until it is told to end; says then how often it had to post. */
async function answer({ say }, name, spin) {
  require('./lingerless')
  const bus = require('slabcast').open({ name, spin })
  const ends = new Promise((resolve) => bus.subscribe('end', resolve))
  bus.subscribe('ping', (number) => bus.publish('pong', number))
  await say('subscribed')
  await ends
  await say(bus.stats().posts)
  await bus.close()
}

/**
 * Pings so many times, one after the other, each ping sent in the way named. Nothing else turns its event loop.
 */
async function ask({ say }, name, spin, rounds, how) {
  require('./lingerless')
  const ways = {
    'at once': (act) => act(),
    'in a microtask': (act) => queueMicrotask(act),
    'by nextTick': (act) => process.nextTick(act),
    'by setImmediate': (act) => setImmediate(act),
    // While a spin goes on, as it ends in vain, and after it.
    'a little later': (act) => {
      const from = performance.now()
      const pause = Math.random() / 20
      setImmediate(function wait() {
        if (performance.now() - from < pause) setImmediate(wait)
        else act()
      })
    },
    'by turns': (act) => Object.values(ways)[Math.floor(Math.random() * 5)](act),
  }
  const bus = require('slabcast').open({ name, spin })
  let number = 0
  await new Promise((resolve, reject) => {
    bus.subscribe('pong', (pong) => {
      if (pong !== number) reject(new Error(`${pong} instead of ${number}`))
      if (++number === rounds) resolve()
      else ways[how](() => bus.publish('ping', number))
    })
    bus.publish('ping', 0)
  })
  bus.publish('end', 0)
  await say(number)
  await bus.close()
}

for (const [mine, theirs, how] of [
  [20, 20, 'at once'],
  [20, 20, 'in a microtask'],
  [20, 20, 'by nextTick'],
  [20, 20, 'by setImmediate'],
  [20, 20, 'a little later'],
  [20, 20, 'by turns'],
  [1, 1, 'by turns'],
  [LONG, 0, 'by turns'],
  [0, LONG, 'by turns'],
]) {
  test(`no wake-up is lost between a spin of ${mine} and one of ${theirs}, answering ${how}`, async (t) => {
    const name = uniqueName()
    const answering = run(t, answer, name, theirs)
    assert.strictEqual(await answering.hear(), 'subscribed')
    const asking = run(t, ask, name, mine, 5000, how)
    assert.strictEqual(await asking.hear(), 5000)
    assert.deepStrictEqual(await asking.end(), CLEAN)
    assert.deepStrictEqual(await answering.end(), CLEAN)
    assertNothingLeft(name)
  })
}

test('where a thread waits instead of libuv a spin is without effect, and no wake-up is lost either', async (t) => {
  const name = uniqueName()
  const thread = { env: { SLABCAST_TEST_THREAD_WAKE: '1' } }
  const answering = runWith(t, thread, answer, name, LONG)
  assert.strictEqual(await answering.hear(), 'subscribed')
  const asking = runWith(t, thread, ask, name, LONG, 1000, 'by turns')
  assert.strictEqual(await asking.hear(), 1000)
  assert.deepStrictEqual(await asking.end(), CLEAN)
  assert.deepStrictEqual(await answering.end(), CLEAN)
  assertNothingLeft(name)
})

const ROUNDS = 1000

/** How often a bus had to be posted to in ROUNDS with another process. */
async function posts(t, bus, name) {
  const answering = run(t, answer, name, LONG)
  await answering.hear()
  let number = 0
  const subscription = bus.subscribe('pong', () => {
    if (++number < ROUNDS) bus.publish('ping', number)
  })
  bus.publish('ping', 0)
  await until(
    () => number === ROUNDS,
    () => `round ${number}`,
  )
  subscription.unsubscribe()
  bus.publish('end', 0)
  const posts = await answering.hear()
  assert.deepStrictEqual(await answering.end(), CLEAN)
  return posts
}

/**
 * Asserts that it is hardly ever posted to, or often. A machine that is busy with other things has everybody late: whoever spins
 * sleeps then, and whoever sleeps finds an answer there. So it is what some try shows.
 */
async function assertPosted(often, t, bus, name) {
  const seen = []
  for (let tries = 0; tries < 30; tries++) {
    seen.push(await posts(t, bus, name))
    if (often ? seen.at(-1) > ROUNDS / 2 : seen.at(-1) < ROUNDS / 10) return
  }
  assert.fail(`posted to ${seen} times in ${ROUNDS} rounds`)
}

test('who spins is hardly ever posted to; the longest spin of a thread’s handles counts, while that handle is open', {
  skip: oneCore,
}, async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  await assertPosted(true, t, bus, name)
  const spinning = slabcast.open({ name, spin: LONG })
  const third = openBus(t, { name })
  await assertPosted(false, t, bus, name)
  await spinning.close()
  await third.close()
  await assertPosted(true, t, bus, name)
})

test('nobody spins while there are more awake readers than cores', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, spin: LONG, members: 4 + availableParallelism() })
  // Awake, and at no cost to the machine: each waits in its listener.
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const wait = (name, gate) => {
    const { parentPort } = require('node:worker_threads')
    const bus = require('slabcast').open({ name })
    bus.subscribe('wait', () => {
      parentPort.postMessage('waits')
      Atomics.wait(gate, 0, 0)
      bus.close()
    })
    parentPort.postMessage('listening')
  }
  const file = path.join(__dirname, 'support', 'thread.js')
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(file, { workerData: { work: wait.toString(), args: [name, gate] } }),
  )
  t.after(() => {
    Atomics.store(gate, 0, 1)
    Atomics.notify(gate, 0)
  })
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  bus.publish('wait', 1)
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  await assertPosted(true, t, bus, name)
})

test('timers, immediates and sockets are served while messages come without end', async (t) => {
  const bus = openBus(t, { spin: LONG })
  let number = 0
  bus.subscribe('t', () => bus.publish('t', ++number))
  bus.publish('t', number)
  const server = net.createServer((socket) => socket.pipe(socket)).listen(0)
  t.after(() => server.close())
  await once(server, 'listening')
  const socket = net.connect(server.address().port)
  for (let round = 0; round < 50; round++) {
    const before = number
    await new Promise((resolve) => setTimeout(resolve, 1))
    await new Promise((resolve) => setImmediate(resolve))
    socket.write('x')
    await once(socket, 'data')
    assert.ok(number > before)
  }
  socket.destroy()
})

test('the turns of a loop to which no message comes are not spent on looking', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say }, name, spin) => {
      const bus = require('slabcast').open({ name, spin })
      bus.subscribe('t', () => {})
      const turns = 500
      const before = process.cpuUsage()
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setTimeout(resolve, 3))
      const { user, system } = process.cpuUsage(before)
      await say((user + system) / turns)
      await bus.close()
    },
    name,
    LONG,
  )
  // A spin in each of them would be LONG us of it.
  const perTurn = await child.hear()
  assert.ok(perTurn < LONG / 2, `${perTurn} us in each turn`)
  assert.deepStrictEqual(await child.end(), CLEAN)
})

for (const [how, unref] of Object.entries({
  'an unref’d subscription': (_bus, subscription) => subscription.unref(),
  'an unref’d bus': (bus) => bus.unref(),
  'a subscription that was unsubscribed': (_bus, subscription) => subscription.unsubscribe(),
  'a closed bus': (bus) => void bus.close(),
})) {
  test(`a process that spins for ${how} ends by itself, and leaves nothing`, async (t) => {
    const name = uniqueName()
    const child = run(
      t,
      async ({ say }, name, spin, unref) => {
        const bus = require('slabcast').open({ name, spin })
        const subscription = bus.subscribe('t', () => {})
        bus.publish('t', 1)
        await new Promise((resolve) => setTimeout(resolve, 10))
        new Function(`return ${unref}`)()(bus, subscription)
        await say('done')
      },
      name,
      LONG,
      String(unref),
    )
    assert.strictEqual(await child.hear(), 'done')
    assert.deepStrictEqual(await child.end(), CLEAN)
    assertNothingLeft(name)
  })
}

test('a subscription keeps a process that spins; its listener may close the bus, or exit', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const live = async ({ say }, name, spin) => {
    const bus = require('slabcast').open({ name, spin })
    let next = 0
    bus.subscribe('t', (message) => {
      if (message === 'close') bus.close()
      else if (message === 'exit') process.exit(7)
      else if (message !== next++) throw new Error(`${message} instead of ${next - 1}`)
    })
    await say('subscribed')
  }
  for (const [last, code] of [
    ['close', 0],
    ['exit', 7],
  ]) {
    const child = run(t, live, name, LONG)
    await child.hear()
    for (let number = 0; number < 100; number++) bus.publish('t', number)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.strictEqual(child.ended, undefined)
    bus.publish('t', last)
    assert.deepStrictEqual(await child.end(), { code, signal: null }, child.errors)
  }
  await bus.close()
  assertNothingLeft(name)
})

test('threads that spin are started and terminated in a loop: nothing aborts, nothing piles up', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say }, name, spin) => {
      const { once } = require('node:events')
      const path = require('node:path')
      const { Worker } = require('node:worker_threads')
      const work = (name, spin, busy) => {
        const bus = require('slabcast').open({ name, spin })
        const { parentPort } = require('node:worker_threads')
        if (busy) {
          bus.subscribe('own', (number) => bus.publish('own', number + 1))
          bus.publish('own', 0)
        }
        bus.subscribe('t', () => parentPort.postMessage('heard'))
        parentPort.postMessage('listening')
      }
      const bus = require('slabcast').open({ name, spin, members: 4 })
      const file = path.join(path.dirname(require.resolve('./child')), 'thread.js')
      for (let round = 0; round < 30; round++) {
        const worker = new Worker(file, { workerData: { work: work.toString(), args: [name, spin, round % 2 === 0] } })
        await once(worker, 'message')
        bus.publish('t', round)
        await once(worker, 'message')
        await worker.terminate()
      }
      await bus.close()
      await say('done')
    },
    name,
    LONG,
  )
  assert.strictEqual(await child.hear(), 'done')
  assert.deepStrictEqual(await child.end(), CLEAN)
  assertNothingLeft(name)
})

test('a listener that throws while its process spins is an uncaught exception, and others get the message', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say }, name, spin) => {
      const thrown = []
      process.on('uncaughtException', (error) => thrown.push(error.message))
      const bus = require('slabcast').open({ name, spin })
      bus.subscribe('t', (number) => {
        throw new Error(`of ${number}`)
      })
      await new Promise((resolve) => {
        bus.subscribe('t', (number) => {
          if (number < 3) bus.publish('t', number + 1)
          else setImmediate(resolve)
        })
        bus.publish('t', 0)
      })
      await say(thrown)
      await bus.close()
    },
    name,
    LONG,
  )
  assert.deepStrictEqual(await child.hear(), ['of 0', 'of 1', 'of 2', 'of 3'])
  assert.deepStrictEqual(await child.end(), CLEAN)
})

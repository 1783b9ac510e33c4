'use strict'

// Wake-ups by a thread, for hosts whose libuv cannot be used: all that the suites of the other way promise, and what only a
// thread can get wrong. With Bun too, where it is found: BUN, or node_modules/.bin/bun.

const test = require('node:test')
const assert = require('node:assert')
const { existsSync } = require('node:fs')
const path = require('node:path')
const { assertNothingLeft, openBus, uniqueName } = require('./support/bus')
const { application, run, runWith } = require('./support/process')
const { until } = require('./support/wait')

const CLEAN = { code: 0, signal: null }
const THREAD = { SLABCAST_TEST_THREAD_WAKE: '1' }

/** As `run`, with wake-ups by a thread. */
const runWaiting = (t, work, ...args) => runWith(t, { env: THREAD }, work, ...args)

for (const suite of ['messages', 'subscribe', 'threads', 'lifecycle']) {
  test(`${suite}.test.js holds with a thread`, async (t) => {
    const child = application(t, ['--test', path.join(__dirname, `${suite}.test.js`)], { env: THREAD })
    const ended = await child.end()
    assert.deepStrictEqual(ended, CLEAN, child.output)
  })
}

/** Counts its threads that wait, with two buses open and after each close. */
async function countThreads({ say, until }, names) {
  const { readdirSync, readFileSync } = require('node:fs')
  const nameOf = (thread) => {
    try {
      return readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').trim()
    } catch {
      return '' // has just ended
    }
  }
  const waiting = () => readdirSync('/proc/self/task').filter((thread) => nameOf(thread) === 'slabcast-wake').length
  const buses = names.map((name) => require('slabcast').open({ name, size: '64kb' }))
  // A thread names itself when it first runs.
  if (process.env.SLABCAST_TEST_THREAD_WAKE) await until(() => waiting() === names.length)
  const counts = [waiting()]
  for (const bus of buses) {
    await bus.close()
    counts.push(waiting())
  }
  await say(counts)
}

test('each bus has a thread that waits, as long as it is open; where libuv can be used there is none', async (t) => {
  const names = [uniqueName(), uniqueName()]
  const waiting = runWaiting(t, countThreads, names)
  assert.deepStrictEqual(await waiting.hear(), [2, 1, 0])
  assert.deepStrictEqual(await waiting.end(), CLEAN)
  const polling = runWith(t, { env: { SLABCAST_TEST_THREAD_WAKE: undefined } }, countThreads, names)
  assert.deepStrictEqual(await polling.hear(), [0, 0, 0])
  assert.deepStrictEqual(await polling.end(), CLEAN)
})

test('a call that leaves the semaphore posted is called again, once a turn, until it closes', async (t) => {
  const name = uniqueName()
  const root = path.join(__dirname, '..', '..')
  const child = run(
    t,
    async ({ say }, name, root) => {
      const { AsyncLocalStorage } = require('node:async_hooks')
      const { Member } = require(`${root}/js/native`)()
      const store = new AsyncLocalStorage()
      const seen = { stores: [], thrown: [], perTurn: [], ticks: 0, microtasks: 0 }
      const CALLS = 50
      let calls = 0
      let thisTurn = 0
      process.on('uncaughtException', (error) => seen.thrown.push(error.message))
      const onWake = () => {
        if (thisTurn++ === 0) {
          setImmediate(() => {
            seen.perTurn.push(thisTurn)
            thisTurn = 0
          })
        }
        seen.stores.push(store.getStore())
        // Long enough for the thread to call again within this turn, if it could.
        process.nextTick(() => {
          seen.ticks++
          for (const end = performance.now() + 2; performance.now() < end; );
        })
        Promise.resolve().then(() => seen.microtasks++)
        if (++calls === CALLS) {
          member.close()
          member.close()
        }
        if (calls % 10 === 0) throw new Error(`call ${calls}`)
      }
      const options = { name, mode: 0o600, thread: 0, threadWake: true }
      const member = store.run('of open', () => Member.open(options, onWake, setImmediate))
      member.setRef(true)
      member.postSelf()
      process.on('exit', () => process.send({ ...seen, calls }))
      await say('posted')
    },
    name,
    root,
  )
  assert.strictEqual(await child.hear(), 'posted')
  const seen = await child.hear()
  assert.deepStrictEqual(await child.end(), CLEAN)
  assert.strictEqual(seen.calls, 50)
  assert.deepStrictEqual(new Set(seen.stores), new Set(['of open']))
  assert.deepStrictEqual(new Set(seen.perTurn), new Set([1]))
  assert.deepStrictEqual([seen.ticks, seen.microtasks], [50, 50])
  assert.deepStrictEqual(
    seen.thrown,
    [10, 20, 30, 40, 50].map((call) => `call ${call}`),
  )
  assertNothingLeft(name)
})

test('64 threads of one process wait, each for its own bus, and each wakes for that alone', async (t) => {
  const names = Array.from({ length: 64 }, () => uniqueName())
  const child = runWaiting(
    t,
    async ({ say, hear }, names) => {
      const heard = names.map(() => [])
      const buses = names.map((name, i) => {
        const bus = require('slabcast').open({ name, size: '64kb', topics: 16 })
        bus.subscribe('t', (message) => heard[i].push(message))
        return bus
      })
      await say('ready')
      while ((await hear()) === 'what?') await say(heard)
      await Promise.all(buses.map((bus) => bus.close()))
    },
    names,
  )
  assert.strictEqual(await child.hear(), 'ready')
  const heard = async () => {
    child.say('what?')
    return await child.hear()
  }
  // One after the other, and each only when the one before was heard: who wakes the wrong one waits for ever.
  for (const [i, name] of names.entries()) {
    openBus(t, { name }).publish('t', i)
    if (i % 16 < 15) continue
    while ((await heard()).flat().length <= i);
  }
  assert.deepStrictEqual(
    await heard(),
    names.map((_, i) => [i]),
  )
  child.say('end')
  assert.deepStrictEqual(await child.end(), CLEAN)
})

test('who is killed in its sleep is gone for the others, who go on waking one another', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const sleep = async ({ say, hear }, name) => {
    const bus = require('slabcast').open({ name })
    bus.subscribe('ping', (n) => bus.publish('pong', [process.pid, n]))
    await say('ready')
    await hear()
    await bus.close()
  }
  const [killed, lives] = [runWaiting(t, sleep, name), runWaiting(t, sleep, name)]
  for (const child of [killed, lives]) assert.strictEqual(await child.hear(), 'ready')
  const pongs = []
  bus.subscribe('pong', (pong) => pongs.push(pong))
  const ping = async (n, count) => {
    bus.publish('ping', n)
    await until(
      () => pongs.filter((pong) => pong[1] === n).length === count,
      () => `${count} answers to ${n}: ${JSON.stringify(pongs)}`,
    )
  }
  await ping(0, 2)
  await killed.kill()
  for (let n = 1; n <= 20; n++) await ping(n, 1)
  await until(() => bus.members().length === 2, 'the dead one is no member any more')
  await ping(21, 1)
  lives.say('end')
  assert.deepStrictEqual(await lives.end(), CLEAN)
})

for (const [how, end] of Object.entries({
  'process.exit, from a listener': (bus) => bus.subscribe('end', () => process.exit(3)),
  'process.exit, from elsewhere': (bus) => bus.subscribe('end', () => setTimeout(() => process.exit(3), 1)),
  'an uncaught exception': (bus) => {
    bus.subscribe('end', () => {
      process.on('exit', () => {
        process.exitCode = 3
      })
      throw new Error('on purpose')
    })
  },
})) {
  test(`a process ends with a thread that waits: ${how}`, async (t) => {
    const name = uniqueName()
    const bus = openBus(t, { name })
    const child = runWaiting(
      t,
      async ({ say }, name, end) => {
        const bus = require('slabcast').open({ name })
        new Function('bus', `(${end})(bus)`)(bus)
        await say('ready')
      },
      name,
      end.toString(),
    )
    assert.strictEqual(await child.hear(), 'ready')
    bus.publish('end', 1)
    assert.deepStrictEqual(await child.end(), { code: 3, signal: null })
    // It has left by itself: nobody had to find out.
    assert.strictEqual(bus.members().length, 1)
  })
}

test('the thread rests while JavaScript has not come to look', async (t) => {
  const child = runWaiting(
    t,
    async ({ say, until }, name) => {
      const { readdirSync, readFileSync } = require('node:fs')
      const bus = require('slabcast').open({ name, size: '64kb' })
      let seen = 0
      bus.subscribe('t', () => seen++)
      const isWaiting = (thread) => readFileSync(`/proc/self/task/${thread}/comm`, 'utf8').startsWith('slabcast-wake')
      const find = () => readdirSync('/proc/self/task').find(isWaiting)
      await until(find)
      // How often it has slept or been interrupted: a loop, however short, would show.
      const status = `/proc/self/task/${find()}/status`
      const switches = () =>
        readFileSync(status, 'utf8')
          .match(/ctxt_switches:\s+\d+/g)
          .reduce((sum, line) => sum + Number(line.split(/\s+/)[1]), 0)
      const cpu = () =>
        readFileSync(status.replace(/status$/, 'stat'), 'utf8')
          .split(' ')
          .slice(13, 15)
          .map(Number)
      const before = { switches: switches(), cpu: cpu() }
      bus.publish('t', 1)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
      const after = { switches: switches(), cpu: cpu() }
      await until(() => seen === 1)
      await bus.close()
      const ticks = after.cpu[0] + after.cpu[1] - before.cpu[0] - before.cpu[1]
      await say({ switches: after.switches - before.switches, ticks })
    },
    uniqueName(),
  )
  const { switches, ticks } = await child.hear()
  assert.deepStrictEqual(await child.end(), CLEAN)
  assert.ok(switches < 10, `${switches} switches`)
  assert.ok(ticks < 5, `${ticks} hundredths of a second on the CPU`)
})

const bun = [process.env.BUN, path.join(__dirname, '..', '..', 'node_modules', '.bin', 'bun')].find(
  (file) => file && existsSync(file),
)

test('a process of Bun and one of Node exchange messages', {
  skip: !bun && 'there is no Bun: set BUN to its path',
}, async (t) => {
  const name = uniqueName()
  // Each answers what the other says, up to a number; both end by themselves.
  const talk = ({ say }, name, first) => {
    const bus = require('slabcast').open({ name, size: '1mb' })
    const host = process.versions.bun ? 'bun' : 'node'
    const END = 2000
    const subscription = bus.subscribe(
      'talk',
      (message) => {
        if (message.to !== host) return
        const { number } = message
        if (number < END)
          bus.publish('talk', { to: message.from, from: host, number: number + 1, bytes: message.bytes })
        if (number < END - 1) return
        subscription.unsubscribe()
        say({ host, number, bytes: [...message.bytes] })
      },
      { echo: false },
    )
    if (first) bus.publish('talk', { to: first, from: host, number: 1, bytes: new Uint8Array([1, 2, 255]) })
    else say('subscribed')
  }
  const inBun = runWith(t, { execPath: bun, serialization: 'json' }, talk, name)
  assert.strictEqual(await inBun.hear(), 'subscribed')
  const inNode = run(t, talk, name, 'bun')
  assert.deepStrictEqual(await inBun.hear(), { host: 'bun', number: 1999, bytes: [1, 2, 255] })
  assert.deepStrictEqual(await inNode.hear(), { host: 'node', number: 2000, bytes: [1, 2, 255] })
  assert.deepStrictEqual(await inNode.end(), CLEAN)
  assert.deepStrictEqual(await inBun.end(), CLEAN)
  assertNothingLeft(name)
})

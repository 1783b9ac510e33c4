'use strict'

// What a dead process held comes back: its place among the members, its files, its subscriptions, its room in the slab.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
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
  scratch,
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
const publish = (one, topic, message) => one.run(({ state }, ...given) => state.bus.publish(...given), topic, message)
const has = (one, message) => one.run(({ state }, wanted) => state.got.includes(wanted), message)

test('more members over time than there are places: those of the dead are there at once', async (t) => {
  const name = busName()
  const options = { name, members: 4 }
  const first = await actor()
  await open(first, options)
  await listen(first, 'hello')
  let others = []
  for (let round = 0; round < 6 * rounds; round++) {
    // Three newcomers stand ready, so that nothing reaps before they come.
    const newcomers = await actors(3)
    await Promise.all(others.map((one) => one.kill()))
    await Promise.all(newcomers.map((one) => open(one, options)))
    const fifth = await actor()
    await assert.rejects(open(fifth, options), { code: 'ERR_TOO_MANY_MEMBERS', capacity: 4 })
    await fifth.end()
    for (const [at, one] of newcomers.entries()) {
      await listen(one, 'hello')
      await publish(one, 'hello', `${round}:${at}`)
    }
    await until('all are heard', async () => {
      const heard = await Promise.all([0, 1, 2].map((at) => has(first, `${round}:${at}`)))
      return heard.every(Boolean)
    })
    others = newcomers
    assert.strictEqual(list(folderOf(name)).length, filesOf(4))
  }
  await Promise.all([first, ...others].map((one) => one.end()))
  assert.deepStrictEqual(list(folderOf(name)), [])
  t.diagnostic(`${6 * rounds * 3} members in 4 places`)
})

test('without a newcomer too: the place and the files of a dead member are gone soon', async (t) => {
  const name = busName()
  const [first, ...others] = await actors(4)
  for (const one of [first, ...others]) await open(one, { name })
  assert.strictEqual(list(folderOf(name)).length, filesOf(4))
  await Promise.all(others.map((one) => one.kill()))
  const waits = []
  await until('their files are gone', () => list(folderOf(name)).length === filesOf(1), { waits })
  await first.end()
  t.diagnostic(longest(waits))
})

test('a subscriber killed with unread messages does not hold the publishers', async (t) => {
  const waits = []
  for (let round = 0; round < 3 * rounds; round++) {
    const name = busName()
    const options = { name, size: 64 * 1024, stallTimeout: Number.POSITIVE_INFINITY }
    const [publisher, stuck, reader] = await actors(3)
    for (const one of [publisher, stuck, reader]) await open(one, options)
    await listen(stuck, 'news')
    await listen(reader, 'news')
    const sign = path.join(scratch(), 'stuck')
    stuck.start(({ fs }, sign) => {
      fs.writeFileSync(sign, '')
      for (;;);
    }, sign)
    await until('it stands in a loop', () => fs.existsSync(sign))
    // Fills the slab, for nobody reads it at once.
    const held = await publisher.run(({ state }) => {
      let n = 0
      state.drained = new Promise((resolve) => state.bus.once('drain', resolve))
      while (state.bus.publish('news', n++));
      for (let more = 0; more < 100; more++) state.bus.publish('news', n++)
      return n
    })
    // Nothing but the stuck one holds it: the other has read all there is.
    await until('the other reads what there is', () => reader.run(({ state }) => state.got.length > 0))
    assert.ok((await reader.run(({ state }) => state.got.length)) < held, 'the slab was not full')
    const start = performance.now()
    await stuck.kill()
    await publisher.run(({ state }) => state.drained)
    waits.push(performance.now() - start)
    await until('all of it arrives', () => reader.run(({ state }, n) => state.got.length === n, held))
    assert.ok(await reader.run(({ state }) => state.got.every((message, at) => message === at)))
    await Promise.all([publisher.end(), reader.end()])
  }
  t.diagnostic(`from the kill to drain: ${longest(waits)}`)
})

test('a publisher killed in the middle of large messages does not hold the slab', async (t) => {
  const next = random()
  const waits = []
  const name = busName()
  const options = { name, size: 4 << 20, stallTimeout: Number.POSITIVE_INFINITY }
  const [survivor, reader] = await actors(2)
  for (const one of [survivor, reader]) await open(one, options)
  await reader.run(({ state }) => {
    state.bus.subscribe('large', (bytes) => {
      // Each is of one value, of its publisher's.
      if (!bytes.every((byte) => byte === bytes[0])) state.got.push('torn')
    })
  })
  for (let round = 0; round < 10 * rounds; round++) {
    const victim = await actor()
    await open(victim, options)
    victim.start(async ({ state }, value) => {
      const bytes = Buffer.alloc(1 << 20, value)
      for (;;) {
        while (state.bus.publish('large', bytes));
        await new Promise((resolve) => state.bus.once('drain', resolve))
      }
    }, round + 1)
    await later(20 + next() * 30)
    await victim.kill()
    const start = performance.now()
    // Twice what the slab holds: it goes through whatever the dead one had reserved.
    await survivor.run(async ({ state }) => {
      const bytes = Buffer.alloc(1 << 20, 200)
      for (let count = 0; count < 8; count++) {
        if (!state.bus.publish('large', bytes)) await new Promise((resolve) => state.bus.once('drain', resolve))
      }
    })
    waits.push(performance.now() - start)
  }
  assert.deepStrictEqual(await reader.run(({ state }) => state.got), [])
  await Promise.all([survivor.end(), reader.end()])
  t.diagnostic(`8 MiB after a kill: ${longest(waits)}`)
})

test('the subscriptions of the dead are forgotten: their topics give their places to others', async () => {
  const name = busName()
  const options = { name, topics: 8 }
  const [first, victim] = await actors(2)
  await open(first, options)
  await open(victim, options)
  for (let topic = 0; topic < 8; topic++) await listen(victim, `old:${topic}`)
  await assert.rejects(publish(first, 'new:0', 1), { code: 'ERR_TOO_MANY_TOPICS', capacity: 8 })
  await victim.kill()
  await until('there is room', () =>
    publish(first, 'new:0', 1).catch((error) => {
      if (error.code !== 'ERR_TOO_MANY_TOPICS') throw error
    }),
  )
  for (let topic = 0; topic < 8; topic++) await listen(first, `new:${topic}`)
  for (let topic = 0; topic < 8; topic++) await publish(first, `new:${topic}`, topic)
  await until('all arrive', () => first.run(({ state }) => state.got.length === 8))
  await first.end()
})

test('a zombie is dead, though its parent never looks after it', async () => {
  const name = busName()
  const [first, parent] = await actors(2)
  await open(first, { name })
  const pid = await parent.run(
    ({ children, state }, file, given) => {
      const script = `require(${JSON.stringify(file)}).open(${JSON.stringify(given)}).subscribe('t', () => {}); process.send(1)`
      state.child = children.spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      return new Promise((resolve) => state.child.on('message', () => resolve(state.child.pid)))
    },
    require.resolve('../..'),
    { name },
  )
  assert.strictEqual(list(folderOf(name)).length, filesOf(2))
  // A stopped parent waits for nobody.
  parent.signal('SIGSTOP')
  process.kill(pid, 'SIGKILL')
  const stat = () => require('node:fs').readFileSync(`/proc/${pid}/stat`, 'latin1')
  await until('it is a zombie', () => / Z /.test(stat()))
  await until('its files are gone', () => list(folderOf(name)).length === filesOf(1))
  assert.match(stat(), / Z /)
  await parent.kill()
  await first.end()
})

test('worker_threads ended at any moment: the process lives on, and the places of the dead threads come back', async (t) => {
  const next = random()
  const name = busName()
  const options = { name, members: 4, size: 128 * 1024, stallTimeout: Number.POSITIVE_INFINITY }
  const [watcher, host] = await actors(2)
  await watcher.run(({ ipc, state }, given) => {
    state.bus = ipc.open(given)
    state.last = {}
    state.faults = []
    state.count = 0
    state.bus.subscribe('from:threads', ({ thread, n, text }) => {
      if (n !== (state.last[thread] ?? 0) + 1) state.faults.push(`thread ${thread}: ${n} after ${state.last[thread]}`)
      if (text !== 'x'.repeat(n % 3000)) state.faults.push(`thread ${thread}: ${n} is torn`)
      state.last[thread] = n
      state.count++
    })
    state.bus.on('gap', (gap) => state.faults.push(gap))
  }, options)
  const threads = 12 * rounds
  for (let thread = 0; thread < threads; thread++) {
    await host.run(
      ({ workers, state }, file, given, number) => {
        const script = `
          const bus = require(${JSON.stringify(file)}).open(require('node:worker_threads').workerData)
          bus.subscribe('from:threads', () => {})
          let n = 0
          const turn = () => {
            for (let count = 0; count < 20; count++) {
              n++
              if (!bus.publish('from:threads', { thread: ${number}, n, text: 'x'.repeat(n % 3000) })) return bus.once('drain', turn)
            }
            setImmediate(turn)
          }
          turn()`
        state.worker = new workers.Worker(script, { eval: true, workerData: given })
        state.worker.on('error', (error) => {
          state.failed = error
        })
      },
      require.resolve('../..'),
      options,
      thread,
    )
    // Some end while they start.
    if (next() < 0.7)
      await until('it publishes', () => watcher.run(({ state }, number) => state.last[number] > 0, thread))
    await later(next() * 40)
    await host.run(({ state }) => state.worker.terminate())
    await until('its files are gone', () => list(folderOf(name)).length === filesOf(1))
    assert.strictEqual(await host.run(({ state }) => state.failed?.message), undefined)
  }
  assert.deepStrictEqual(await watcher.run(({ state }) => state.faults), [])
  const count = await watcher.run(({ state }) => state.count)
  await Promise.all([watcher.end(), host.end()])
  assert.deepStrictEqual(list(folderOf(name)), [])
  t.diagnostic(`${threads} threads, ${count} messages`)
})

'use strict'

// Option `group`: each message goes to exactly one member of the group (work sharing); subscribers outside it get all.

const fs = require('node:fs')
const test = require('node:test')
const assert = require('node:assert/strict')
const { openBus, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run } = require('./support/process')
const { until } = require('./support/wait')

/** A member of groups that notes what it gets and does what it is told. */
const worker = async ({ say, hear }, options, ...groups) => {
  const fs = require('node:fs')
  const { open } = require('slabcast')
  const bus = open(options)
  const got = []
  const gaps = []
  bus.on('gap', (gap) => gaps.push(gap))
  const nothing = new Int32Array(new SharedArrayBuffer(4))
  let gate
  const listen = (topic, group) =>
    bus.subscribe(
      topic,
      (message) => {
        got.push(message)
        // Busy: nothing else happens in this thread.
        if (gate !== undefined) fs.writeFileSync(`${gate}-${process.pid}`, '')
        while (gate !== undefined && !fs.existsSync(gate)) Atomics.wait(nothing, 0, 0, 2)
      },
      { group },
    )
  const subscriptions = groups.map((group) => listen('t', group))
  const acts = {
    got: () => got,
    count: () => got.length,
    gaps: () => gaps,
    delivered: () => bus.stats().delivered.messages,
    block: (path) => {
      gate = path
    },
    leave: () => subscriptions.pop().unsubscribe(),
    join: (group) => subscriptions.push(listen('t', group)),
    publish: async (from, to) => {
      for (let n = from; n <= to; n++) {
        if (!bus.publish('t', n)) await new Promise((resolve) => bus.once('drain', resolve))
      }
    },
    close: () => bus.close(),
  }
  say('ready')
  for (;;) {
    const [what, ...given] = await hear()
    say((await acts[what](...given)) ?? what)
  }
}

async function workers(t, count, options, ...groups) {
  const all = Array.from({ length: count }, () => run(t, worker, options, ...groups))
  for (const one of all) assert.equal(await one.hear(), 'ready')
  return all
}

async function tell(child, ...what) {
  child.say(what)
  return child.hear()
}

const isBusy = (one, { file }) => until(() => fs.existsSync(`${file}-${one.pid}`), 'its listener runs')

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at)
const sorted = (all) => all.flat().sort((a, b) => a - b)

async function publish(bus, from, to) {
  for (let n = from; n <= to; n++) {
    if (!bus.publish('t', n)) await new Promise((resolve) => bus.once('drain', resolve))
    // A burst of 50, then the loop turns.
    if (n % 50 === 0) await new Promise(setImmediate)
  }
}

/** Resolves with what each has got, once it is so much together. */
async function together(all, count) {
  const started = Date.now()
  for (;;) {
    const counts = []
    for (const one of all) counts.push(await tell(one, 'count'))
    if (counts.reduce((sum, n) => sum + n, 0) >= count) break
    assert.ok(Date.now() - started < 120_000, `${counts} of ${count}`)
  }
  const got = []
  for (const one of all) got.push(await tell(one, 'got'))
  return got
}

test('each message goes to exactly one member of the group; subscribers outside it get all', async (t) => {
  const name = uniqueName()
  const all = await workers(t, 4, { name }, 'g')
  const bus = openBus(t, { name })
  const plain = []
  bus.subscribe('t', (n) => plain.push(n))
  await publish(bus, 1, 20_000)
  const got = await together(all, 20_000)
  assert.deepEqual(sorted(got), numbers(1, 20_000))
  for (const one of got) assert.deepEqual(one, sorted(one), 'each gets its own in their order')
  await until(() => plain.length === 20_000)
  assert.deepEqual(plain, numbers(1, 20_000))
})

test('several publish at once to a group that is small and a slab that goes round', async (t) => {
  const name = uniqueName()
  const options = { name, size: 64 * 1024, stallTimeout: Infinity }
  const all = await workers(t, 4, options, 'g')
  // Two of them publish as well as work.
  for (const [at, one] of all.slice(0, 2).entries()) one.say(['publish', at * 5000 + 1, at * 5000 + 5000])
  for (const one of all.slice(0, 2)) assert.equal(await one.hear(), 'publish')
  assert.deepEqual(sorted(await together(all, 10_000)), numbers(1, 10_000))
  for (const one of all) assert.deepEqual(await tell(one, 'gaps'), [])
})

test('idle members come first', async (t) => {
  const name = uniqueName()
  const [busy, idle, ...others] = await workers(t, 3, { name }, 'g')
  const bus = openBus(t, { name })
  const shut = gate(t)
  for (const one of [busy, idle, ...others]) await tell(one, 'leave')
  await tell(busy, 'block', shut.file)
  await tell(busy, 'join', 'g')
  bus.publish('t', 0)
  // It answers nothing while its listener runs.
  await isBusy(busy, shut)
  busy.say(['count'])
  await tell(idle, 'join', 'g')
  for (const one of others) await tell(one, 'join', 'g')
  for (let n = 1; n <= 100; n++) {
    bus.publish('t', n)
    await together([idle, ...others], n)
  }
  assert.deepEqual(busy.unheard, [])
  shut.open()
  assert.equal(await busy.hear(), 1)
})

test('what a killed member has not taken, the others take', async (t) => {
  const name = uniqueName()
  const all = await workers(t, 3, { name }, 'g')
  const shut = gate(t)
  for (const one of all) await tell(one, 'block', shut.file)
  const bus = openBus(t, { name })
  await publish(bus, 1, 100)
  // Each holds one, and does not return; the rest waits for who comes next.
  for (const one of all) await isBusy(one, shut)
  const rescue = await workers(t, 1, { name }, 'g')
  const taken = await together(rescue, 97)
  for (const one of all) await one.kill()
  await publish(bus, 101, 200)
  const [rest] = await together(rescue, 197)
  assert.equal(taken[0].length, 97, 'three were in the hands of the dead')
  assert.deepEqual(rest.slice(97), numbers(101, 200))
  assert.equal(new Set(rest).size, 197)
})

test('a stopped member keeps nothing from the others that it has not taken', async (t) => {
  const name = uniqueName()
  const options = { name, size: 64 * 1024, stallTimeout: Infinity }
  const [stopped, ...others] = await workers(t, 3, options, 'g')
  const bus = openBus(t, options)
  process.kill(stopped.pid, 'SIGSTOP')
  // More than the slab: the group as a whole reads on.
  await publish(bus, 1, 3000)
  const got = await together(others, 3000)
  process.kill(stopped.pid, 'SIGCONT')
  assert.deepEqual(await tell(stopped, 'got'), [])
  assert.deepEqual(sorted(got), numbers(1, 3000))
})

test('a group whose members are all stopped is cut off as a reader is, and is told once what it missed', async (t) => {
  const name = uniqueName()
  const options = { name, size: 64 * 1024, stallTimeout: 300 }
  const all = await workers(t, 2, options, 'g')
  const bus = openBus(t, options)
  await publish(bus, 1, 10)
  await together(all, 10)
  for (const one of all) process.kill(one.pid, 'SIGSTOP')
  // Less than the slab: one of them is named.
  await publish(bus, 11, 300)
  const { held } = bus.stats()
  assert.equal(held.by, 'reader')
  assert.ok(
    all.some(({ pid }) => pid === held.pid),
    JSON.stringify(held),
  )
  assert.deepEqual(
    bus.topics().map(({ topic, subscribers }) => ({ topic, subscribers })),
    [{ topic: 't', subscribers: 2 }],
  )
  await publish(bus, 301, 4000)
  assert.ok(bus.stats().cutOffs > 0)
  for (const one of all) process.kill(one.pid, 'SIGCONT')
  let gaps = []
  let got = []
  // What comes now is a message or a gap of its end.
  for (let n = 4001; !got.includes(n - 1); n++) {
    bus.publish('t', n)
    gaps = [...(await tell(all[0], 'gaps')), ...(await tell(all[1], 'gaps'))]
    got = sorted([await tell(all[0], 'got'), await tell(all[1], 'got')])
  }
  const missed = gaps.flatMap(({ from, to }) => numbers(from, to))
  for (const gap of gaps) {
    assert.deepEqual(
      { ...gap, from: 0, to: 0 },
      { topic: 't', group: 'g', from: 0, to: 0, lost: gap.to - gap.from + 1, reason: 'stalled' },
    )
  }
  assert.ok(gaps.length > 0)
  const last = Math.max(...got)
  assert.deepEqual(sorted([got, missed]), numbers(1, last), 'each number once: received or told as missed')
})

test('who notices what a group missed and leaves it at once tells it, and no other member does', async (t) => {
  const name = uniqueName()
  const options = { name, size: 64 * 1024, stallTimeout: 0 }
  const [worker] = await workers(t, 1, options, 'g')
  const bus = openBus(t, options)
  await publish(bus, 1, 10)
  await together([worker], 10)
  process.kill(worker.pid, 'SIGSTOP')
  await publish(bus, 11, 4000)
  const gaps = []
  bus.on('gap', (gap) => gaps.push(gap))
  // By joining it, this thread joins it again for all.
  const subscription = bus.subscribe('t', () => assert.fail('it has left'), { group: 'g' })
  assert.deepEqual(gaps, [])
  subscription.unsubscribe()
  assert.deepEqual(
    gaps.map(({ from, group, reason }) => [from, group, reason]),
    [[11, 'g', 'stalled']],
  )
  process.kill(worker.pid, 'SIGCONT')
  await publish(bus, 4001, 4001)
  await until(async () => (await tell(worker, 'got')).includes(4001))
  const missed = [...gaps, ...(await tell(worker, 'gaps'))].flatMap(({ from, to }) => numbers(from, to))
  assert.deepEqual(sorted([await tell(worker, 'got'), missed]), numbers(1, 4001), 'each number once')
})

test('a topic may have several groups, a member be in several of them and subscribed besides', async (t) => {
  const name = uniqueName()
  const [one] = await workers(t, 1, { name }, 'g', 'h')
  const bus = openBus(t, { name })
  const [first, second, plain] = [[], [], []]
  bus.subscribe('t', (n) => first.push(n), { group: 'g' })
  bus.subscribe('t', (n) => second.push(n), { group: 'g' })
  bus.subscribe('t', (n) => plain.push(n))
  assert.equal(bus.topics()[0].subscribers, 2)
  await publish(bus, 1, 1000)
  await until(() => plain.length === 1000)
  const started = Date.now()
  let theirs = []
  while (theirs.length + first.length + second.length < 2000) {
    theirs = await tell(one, 'got')
    assert.ok(Date.now() - started < 120_000, `${theirs.length}, ${first.length} and ${second.length}`)
  }
  // Every one twice: once by a member of g, once by the only one of h.
  assert.deepEqual(sorted([first, second, theirs]), sorted([numbers(1, 1000), numbers(1, 1000)]))
  assert.equal(new Set([...first, ...second]).size, first.length + second.length)
  assert.ok(Math.abs(first.length - second.length) <= 1, `by turns: ${first.length} and ${second.length}`)
  assert.deepEqual(plain, numbers(1, 1000))
})

test('once takes one message and leaves the others to the rest', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const [once, rest] = [[], []]
  bus.subscribe('t', (n) => once.push(n), { group: 'g', once: true })
  bus.subscribe('t', (n) => rest.push(n), { group: 'g' })
  await publish(bus, 1, 100)
  await until(() => once.length + rest.length === 100)
  assert.equal(once.length, 1)
  assert.deepEqual(sorted([once, rest]), numbers(1, 100))
})

test('who leaves in its listener leaves what it has not got to the others, and gets nothing more', async (t) => {
  const name = uniqueName()
  const [one] = await workers(t, 1, { name }, 'g')
  const bus = openBus(t, { name })
  const got = []
  let joins = 0
  const join = () => {
    joins++
    const mine = bus.subscribe(
      't',
      (n) => {
        got.push(n)
        mine.unsubscribe()
        setImmediate(join)
      },
      { group: 'g' },
    )
  }
  join()
  await publish(bus, 1, 5000)
  const started = Date.now()
  for (;;) {
    const theirs = await tell(one, 'got')
    if (theirs.length + got.length >= 5000) {
      assert.deepEqual(sorted([theirs, got]), numbers(1, 5000))
      break
    }
    assert.ok(Date.now() - started < 120_000, `${theirs.length} and ${got.length}`)
  }
  assert.ok(joins > 1)
})

test('a group goes with its last member; who comes then begins anew', async (t) => {
  const name = uniqueName()
  const options = { name, size: 64 * 1024, topics: 4 }
  const bus = openBus(t, options)
  const events = []
  bus.on('interest', ({ topic, active }) => events.push(`${topic} ${active}`))
  const [one] = await workers(t, 1, options, 'g')
  await until(() => events.length === 1)
  // A full table: a topic with a group keeps its place.
  for (let n = 0; n < 20; n++) bus.publish(`other ${n}`, n)
  assert.deepEqual(
    bus
      .topics()
      .filter(({ topic }) => topic === 't')
      .map(({ subscribers }) => subscribers),
    [1],
  )
  await tell(one, 'leave')
  await until(() => events.length === 2)
  assert.deepEqual(events, ['t true', 't false'])
  await publish(bus, 1, 3000)
  await tell(one, 'join', 'g')
  await publish(bus, 3001, 3010)
  assert.deepEqual(await together([one], 10), [numbers(3001, 3010)])
  assert.deepEqual(await tell(one, 'gaps'), [])
  await one.kill()
  await until(() => events.length === 4)
  assert.deepEqual(events.slice(2), ['t true', 't false'])
})

test('a member of groups alone keeps the process alive, is ended by signal, unsubscribe and close', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const got = []
  const ends = new AbortController()
  const all = [
    bus.subscribe('t', () => got.push('signal'), { group: 'signal', signal: ends.signal }),
    bus.subscribe('t', () => got.push('topic'), { group: 'topic' }),
    bus.subscribe('t', () => got.push('own'), { group: 'own' }),
  ]
  assert.deepEqual(
    all.map(({ group }) => group),
    ['signal', 'topic', 'own'],
  )
  bus.publish('t', 1)
  await until(() => got.length === 3)
  ends.abort()
  all[2].unsubscribe()
  all[2].unsubscribe()
  bus.publish('t', 2)
  await until(() => got.length === 4)
  bus.unsubscribe('t')
  assert.equal(bus.topics()[0].subscribers, 0)
  bus.publish('t', 3)
  const child = run(
    t,
    async ({ say }, name) => {
      const { open } = require('slabcast')
      const bus = open({ name })
      const only = bus.subscribe('t', () => only.unsubscribe(), { group: 'own' })
      say('waits')
    },
    name,
  )
  assert.equal(await child.hear(), 'waits')
  bus.publish('t', 4)
  assert.deepEqual(await child.end(), { code: 0, signal: null })
  assert.equal(got.length, 4)
})

test('messages of a group come raw, with meta, and however large', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '16mb' })
  const got = []
  bus.subscribe('t', (message, meta) => got.push([message, meta]), { group: 'g', raw: true })
  const child = run(
    t,
    ({ say }, name) => {
      const { open } = require('slabcast')
      const bus = open({ name })
      bus.publish('t', Buffer.alloc(4 * 2 ** 20, 7), { raw: true })
      bus.publish('t', 'small')
      say({ pid: process.pid, member: bus.stats().member })
      bus.close()
    },
    name,
  )
  const publisher = await child.hear()
  await until(() => got.length === 2)
  const [[large, about], [small]] = got
  assert.ok(large.equals(Buffer.alloc(4 * 2 ** 20, 7)))
  assert.deepEqual(bus.decode(small), 'small')
  assert.deepEqual(
    { ...about, timestamp: 0 },
    { topic: 't', sequence: 1, position: 0, publisher: { member: publisher.member, pid: publisher.pid }, timestamp: 0 },
  )
})

test('the name of a group is 1 to 255 bytes of UTF-8 without NUL', async (t) => {
  const bus = openBus(t, { name: uniqueName() })
  const refuses = (options, code, name) =>
    assert.throws(() => bus.subscribe('t', () => {}, options), { code, name }, JSON.stringify(options))
  for (const group of [1, null, {}, []]) refuses({ group }, 'ERR_INVALID_ARG_TYPE', 'TypeError')
  for (const group of ['', 'x'.repeat(256), 'é'.repeat(128), 'a\0b', '\ud800']) {
    refuses({ group }, 'ERR_INVALID_ARG_VALUE', 'TypeError')
  }
  for (const other of [{ echo: false }, { replay: 1 }, { after: 1 }, { durable: 'd' }]) {
    refuses({ group: 'g', ...other }, 'ERR_INVALID_ARG_VALUE', 'TypeError')
  }
  assert.throws(() => bus.messages('t', { group: 'g' }), { code: 'ERR_INVALID_ARG_VALUE', name: 'TypeError' })
  assert.deepEqual(bus.topics(), [])
  const longest = 'é'.repeat(127)
  assert.equal(bus.subscribe('t', () => {}, { group: longest, echo: true }).group, longest)
})

test('there are 4,096 groups at the most, and the next one is refused with that number', async (t) => {
  const bus = openBus(t, { name: uniqueName() })
  const all = numbers(1, 4096).map((n) => bus.subscribe(`t${n % 7}`, () => {}, { group: `g${n}` }))
  assert.throws(() => bus.subscribe('t', () => {}, { group: 'one more' }), {
    code: 'ERR_TOO_MANY_TOPICS',
    capacity: 4096,
  })
  all[17].unsubscribe()
  const got = []
  bus.subscribe('t', (n) => got.push(n), { group: 'one more' })
  bus.publish('t', 1)
  await until(() => got.length === 1)
})

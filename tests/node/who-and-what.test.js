'use strict'

// Who and what is on a bus, and what is told of changes: topics(), members(), 'join', 'leave', 'interest'.

const test = require('node:test')
const assert = require('node:assert/strict')
const { Worker } = require('node:worker_threads')
const { openBus, uniqueName } = require('./support/bus')
const { run, runWith } = require('./support/process')
const { until } = require('./support/wait')

/** Opens the bus in a child, does what it is told, and says that it has. */
const member = async ({ say, hear }, name) => {
  const { open } = require('slabcast')
  const bus = open({ name })
  const subscriptions = {}
  const acts = {
    subscribe: (topic) => {
      subscriptions[topic] = bus.subscribe(topic, () => {})
    },
    unsubscribe: (topic) => subscriptions[topic].unsubscribe(),
    publish: (topic) => bus.publish(topic, 1),
    busy: () => {
      bus.subscribe('busy', () => {
        bus.publish('in it', true)
        for (;;);
      })
    },
    close: () => bus.close(),
  }
  say({ pid: process.pid, member: bus.stats().member })
  for (;;) {
    const [what, topic] = await hear()
    await acts[what](topic)
    say(what)
  }
}

async function tell(child, what, topic) {
  child.say([what, topic])
  assert.equal(await child.hear(), what)
}

const infoOf = (bus, topic) => bus.topics().find((info) => info.topic === topic)

test('topics() tells of each topic its sequence, its subscribers and when it was last published to', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  assert.deepEqual(bus.topics(), [])
  const child = run(t, member, name)
  await child.hear()
  await tell(child, 'subscribe', 'room:1')
  assert.deepEqual(bus.topics(), [{ topic: 'room:1', sequence: 0, subscribers: 1, lastPublish: null }])
  bus.subscribe('room:1', () => {})
  const before = Date.now()
  await tell(child, 'publish', 'room:1')
  bus.publish('room:1', 2)
  const { lastPublish, ...info } = infoOf(bus, 'room:1')
  assert.deepEqual(info, { topic: 'room:1', sequence: 2, subscribers: 2 })
  assert.ok(Math.abs(lastPublish - before) < 60_000, `published at ${lastPublish}, about ${before}`)
  bus.publish('nobody hears', 1)
  assert.equal(infoOf(bus, 'nobody hears').subscribers, 0)
  await tell(child, 'unsubscribe', 'room:1')
  assert.equal(infoOf(bus, 'room:1').subscribers, 1)
})

test('members() tells of each attached thread its process and how far it is behind', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(t, member, name)
  const { pid, member: number } = await child.hear()
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads')
     const bus = require('slabcast').open({ name: workerData })
     parentPort.once('message', () => bus.close())
     parentPort.postMessage('open')`,
    { eval: true, workerData: name },
  )
  await new Promise((resolve) => worker.once('message', resolve))
  const me = { member: bus.stats().member, pid: process.pid, thread: 0, lag: 0 }
  const thread = bus.members()[2].member
  assert.deepEqual(bus.members(), [
    me,
    { member: number, pid, thread: 0, lag: 0 },
    { member: thread, pid: process.pid, thread: worker.threadId, lag: 0 },
  ])
  worker.postMessage('close')
  await until(() => bus.members().length === 2, 'a thread that closed is gone')
  // Its listener does not return: of what follows nothing is consumed.
  await tell(child, 'busy')
  let isInIt = false
  bus.subscribe('in it', () => {
    isInIt = true
  })
  for (let i = 0; i < 10; i++) bus.publish('busy', i)
  await until(() => isInIt, 'its listener was called')
  assert.equal(bus.members()[1].lag, 11)
})

test("'join' and 'leave' tell who attached, who left and who was killed", async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const events = []
  bus.on('join', (who) => events.push(['join', who]))
  bus.on('leave', (who) => events.push(['leave', who]))
  const told = (count) =>
    until(
      () => events.length >= count,
      () => `${count} events: ${JSON.stringify(events)}`,
    )
  const first = run(t, member, name)
  const one = { ...(await first.hear()), thread: 0 }
  await told(1)
  const second = run(t, member, name)
  const two = { ...(await second.hear()), thread: 0 }
  await told(2)
  await tell(first, 'close')
  await told(3)
  await second.kill()
  await told(4)
  assert.deepEqual(events, [
    ['join', one],
    ['join', two],
    ['leave', one],
    ['leave', two],
  ])
})

test('who watches is woken for each change: no tick is waited for', async (t) => {
  const name = uniqueName()
  const watcher = runWith(
    t,
    { execArgv: ['--require', require.resolve('./support/lingerless')] },
    ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      // It goes on until it is ended.
      bus.subscribe('stay', () => {})
      for (const event of ['join', 'leave', 'interest']) bus.on(event, (facts) => say([event, facts]))
      say('watching')
    },
    name,
  )
  assert.equal(await watcher.hear(), 'watching')
  const hears = async (...expected) => assert.deepEqual(await watcher.hear(), expected)
  for (let round = 0; round < 20; round++) {
    const bus = openBus(t, { name })
    const me = { member: bus.stats().member, pid: process.pid, thread: 0 }
    await hears('join', me)
    const topic = `topic ${round}`
    const subscription = bus.subscribe(topic, () => {})
    await hears('interest', { topic, active: true })
    subscription.unsubscribe()
    await hears('interest', { topic, active: false })
    bus.subscribe(topic, () => {})
    await hears('interest', { topic, active: true })
    // Leaving ends both.
    await bus.close()
    const told = [await watcher.hear(), await watcher.hear()]
    assert.deepEqual(told.toSorted(), [
      ['interest', { topic, active: false }],
      ['leave', me],
    ])
  }
  // A death is found by another's tick.
  openBus(t, { name })
  await watcher.hear()
  const victim = run(t, member, name)
  const who = { ...(await victim.hear()), thread: 0 }
  await hears('join', who)
  await victim.kill()
  await hears('leave', who)
})

test('the handles of one thread are each told, and nobody of itself', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const other = openBus(t, { name })
  const [joins, others] = [[], []]
  bus.on('join', (who) => joins.push(who.pid))
  other.once('join', (who) => others.push(who.pid))
  openBus(t, { name })
  const child = run(t, member, name)
  const { pid } = await child.hear()
  await until(() => joins.length > 0 && others.length > 0, 'both are told')
  assert.deepEqual([joins, others], [[pid], [pid]])
})

test("'interest' tells when the first subscriber of a topic comes and when the last one leaves or dies", async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const children = [run(t, member, name), run(t, member, name)]
  for (const child of children) await child.hear()
  await tell(children[0], 'subscribe', 'before')
  const events = []
  bus.on('interest', (interest) => events.push(interest))
  const told = (count) =>
    until(
      () => events.length >= count,
      () => `${count} events: ${JSON.stringify(events)}`,
    )
  await tell(children[0], 'subscribe', 'upstream')
  await told(1)
  await tell(children[1], 'subscribe', 'upstream')
  await tell(children[1], 'publish', 'no matter')
  await tell(children[0], 'unsubscribe', 'upstream')
  await children[1].kill()
  await told(2)
  await tell(children[0], 'unsubscribe', 'before')
  await told(3)
  // This thread's own subscriptions count as anybody's.
  bus.subscribe('mine', () => {}).unsubscribe()
  const mine = bus.subscribe('mine too', () => {})
  await told(4)
  mine.unsubscribe()
  await told(5)
  assert.deepEqual(events, [
    { topic: 'upstream', active: true },
    { topic: 'upstream', active: false },
    { topic: 'before', active: false },
    { topic: 'mine too', active: true },
    { topic: 'mine too', active: false },
  ])
})

test("'interest' in more topics than its log holds is told all the same", async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, topics: 4096 })
  const told = new Map()
  bus.on('interest', ({ topic, active }) => told.set(topic, active))
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name })
      // In one go: the other looks when it is over, if not before.
      for (let i = 0; i < 2000; i++) bus.subscribe(`topic ${i}`, () => {})
      say('subscribed')
      await hear()
      await bus.close()
      say('closed')
    },
    name,
  )
  const all = (active) => [...told.values()].filter((value) => value === active).length
  // Kept from looking until it is over, whatever it is woken for.
  while (bus.topics().filter(({ subscribers }) => subscribers > 0).length < 2000);
  assert.equal(await child.hear(), 'subscribed')
  await until(
    () => all(true) === 2000,
    () => `${all(true)} topics are wanted`,
  )
  child.say('close')
  assert.equal(await child.hear(), 'closed')
  await until(
    () => all(false) === 2000,
    () => `${all(false)} topics are wanted no more`,
  )
})

test('what watches holds no process, and after close nothing is told', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      bus.on('join', () => {})
      say('watching')
    },
    name,
  )
  assert.equal(await child.hear(), 'watching')
  assert.deepEqual(await child.end(), { code: 0, signal: null })
  const bus = openBus(t, { name })
  await bus.close()
  bus.on('join', () => assert.fail('told after close'))
  assert.throws(() => bus.topics(), { code: 'ERR_CLOSED' })
  assert.throws(() => bus.members(), { code: 'ERR_CLOSED' })
})

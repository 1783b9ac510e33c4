'use strict'

// slabcast/graphql: GraphQL subscriptions of all processes see what one publishes.

const assert = require('node:assert/strict')
const path = require('node:path')
const test = require('node:test')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')
const { PubSubEngine } = require('graphql-subscriptions')
const { PubSub } = require('slabcast/graphql')
const { openBus, uniqueName } = require('../node/support/bus')
const { application, run } = require('../node/support/process')
const { until } = require('../node/support/wait')
const { outcome, PARTS } = require('./support/parts')

const SMALL = { size: '1mb', topics: 1024, members: 16, stallTimeout: Number.POSITIVE_INFINITY }
const PROGRAM = path.join(__dirname, 'graphql', 'program.js')

const say = (room, text) => `mutation { say(room: "${room}", text: "${text}") }`
const TRIGGERS = ['', '__proto__', 'a/b', '\0', '\ud800', 'x'.repeat(300), '*']

/** What is done, by which part. */
const STEPS = [
  ['a', 'mutation', say('r', 'nobody listens')],
  ['a', 'subscription', 'a r', 'subscription { said(room: "r") { room text by } }'],
  ['b', 'subscription', 'b r', 'subscription { said(room: "r") { text } }'],
  ['b', 'subscription', 'b s', 'subscription { said(room: "s") { by text } }'],
  ['c', 'subscription', 'c all', 'subscription { all { room text by } }'],
  ['c', 'subscription', 'c ticks', 'subscription { ticks }'],
  ['a', 'mutation', say('r', 'from a')],
  ['b', 'mutation', say('s', 'from b')],
  ['c', 'mutation', say('r', 'from c')],
  ['b', 'publish', 'HINT', { all: { room: 'none', text: 'a hint' } }],
  ['a', 'publish', 'TICKS', { ticks: 1 }],
  ['a', 'publish', 'TICKS', { ticks: null }],
  ['a', 'publish', 'TICKS', { ticks: 'no number' }],
  ['b', 'leave', 'b r'],
  ['a', 'mutation', say('r', 'b is gone')],
  ['b', 'subscription', 'b r again', 'subscription { said(room: "r") { text } }'],
  ['b', 'mutation', say('r', 'b is back')],
  ['c', 'leave', 'c all'],
  ['c', 'leave', 'c all'],
  ['a', 'mutation', say('s', 'the last')],
  // The engine itself, with what is no result of GraphQL.
  ['a', 'listen', 'a x', 'X'],
  ['a', 'listen', 'a x too', 'X'],
  ['c', 'listen', 'c x', 'X'],
  ...[undefined, null, 0, '', 'text', [1], { a: new Map([[1, new Date(0)]]) }, 2n].map((value) => [
    'b',
    'publish',
    'X',
    value,
  ]),
  ['a', 'deafen', 'a x'],
  ['a', 'publish', 'X', 'one is left here'],
  ['a', 'deafen', 'a x too'],
  ['b', 'publish', 'X', 'and none'],
  ...TRIGGERS.flatMap((trigger, at) => [
    ['c', 'listen', `trigger ${at}`, trigger],
    ['a', 'publish', trigger, at],
  ]),
]

test('three processes over the bus see what one does over graphql-subscriptions’ PubSub', async (t) => {
  const one = run(t, (child, file, ...args) => require(file).official(child, ...args), PROGRAM, PARTS)
  const official = await outcome({ a: one, b: one, c: one }, STEPS)

  const options = { name: uniqueName(), ...SMALL }
  const start = (part) => run(t, (child, file, ...args) => require(file).ours(child, ...args), PROGRAM, [part], options)
  const ours = await outcome({ a: start('a'), b: start('b'), c: start('c') }, STEPS)
  assert.deepEqual(ours, official)
  assert.deepEqual(ours.b['b r'], [{ said: { text: 'from a' } }, { said: { text: 'from c' } }, 'over'])
  assert.equal(ours.c['c x'].length, 10)
})

test('subscribers get what is published from then on until they unsubscribe, which ends the bus’ subscription', async (t) => {
  const bus = openBus(t)
  const pubsub = new PubSub({ bus })
  assert.ok(pubsub instanceof PubSubEngine)
  const seen = []
  const subscribers = () => bus.topics('slabcast:graphql/*').map(({ subscribers }) => subscribers)
  const one = await pubsub.subscribe('X', (payload) => seen.push(['first', payload]), {})
  const two = await pubsub.subscribe('X', (...args) => seen.push(['second', ...args]), {})
  assert.notEqual(one, two)
  assert.equal(await pubsub.publish('X', { a: 1 }), undefined)
  assert.deepEqual(seen, [])
  await until(() => seen.length === 2)
  assert.deepEqual(seen, [
    ['first', { a: 1 }],
    ['second', { a: 1 }],
  ])
  pubsub.unsubscribe(one)
  await pubsub.publish('X', 2)
  await until(() => seen.length === 3)
  assert.deepEqual(seen[2], ['second', 2])
  assert.deepEqual(subscribers(), [1])
  for (const id of [two, two, one, 99, undefined]) pubsub.unsubscribe(id)
  assert.deepEqual(subscribers(), [0])
  // A loop subscribes by its first step, and leaves with it.
  const loop = pubsub.asyncIterableIterator(['X', 'Y'])
  const first = loop.next()
  assert.deepEqual(subscribers().sort(), [1, 1])
  await pubsub.publish('Y', 'y')
  await pubsub.publish('X', 'x')
  assert.deepEqual(await first, { value: 'y', done: false })
  assert.deepEqual(await loop.next(), { value: 'x', done: false })
  await loop.return()
  assert.deepEqual(subscribers(), [0, 0])
})

test('a subscriber that has unsubscribed is not kept', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const pubsub = new PubSub({ bus: openBus(t) })
  const gone = await (async () => {
    const onMessage = () => {}
    pubsub.unsubscribe(await pubsub.subscribe('X', onMessage))
    return new WeakRef(onMessage)
  })()
  await until(() => {
    collect()
    return gone.deref() === undefined
  }, 'it is collected')
})

test('publish rejects with what the bus throws: what cannot travel, or does not fit', async (t) => {
  const bus = openBus(t, { size: '64kb', outbox: 0 })
  const pubsub = new PubSub({ bus })
  let seen = 0
  await pubsub.subscribe('X', () => seen++)
  await assert.rejects(pubsub.publish('X', { f() {} }), { code: 'ERR_NOT_SERIALIZABLE' })
  await assert.rejects(pubsub.publish('X', 'x'.repeat(40_000)), { code: 'ERR_MESSAGE_TOO_LARGE' })
  const all = Array.from({ length: 100 }, () => pubsub.publish('X', 'x'.repeat(1000)))
  const results = await Promise.allSettled(all)
  const refused = results.filter(({ status }) => status === 'rejected')
  assert.ok(refused.length > 0 && refused.every(({ reason }) => reason.code === 'ERR_OUTBOX_FULL'))
  await until(() => seen === all.length - refused.length, 'all that was accepted arrives')
})

test('close ends all subscriptions, the bus goes on, and the process may end', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(
    t,
    async ({ say, hear }, options) => {
      const { PubSub } = require('slabcast/graphql')
      const pubsub = new PubSub({ bus: require('slabcast').open(options) })
      await pubsub.subscribe('X', () => {})
      void pubsub.asyncIterableIterator('Y').next()
      await say('listens')
      await hear()
      pubsub.close()
      pubsub.close()
      const codes = [pubsub.subscribe('X', () => {}), pubsub.publish('X', 1), pubsub.asyncIterableIterator('X').next()]
      await say((await Promise.allSettled(codes)).map(({ reason }) => reason.code))
    },
    { name, ...SMALL },
  )
  assert.equal(await child.hear(), 'listens')
  const subscribers = () => bus.topics().map(({ subscribers }) => subscribers)
  assert.deepEqual(subscribers(), [1, 1])
  assert.equal(child.ended, undefined)
  child.say('close')
  assert.deepEqual(await child.hear(), ['ERR_CLOSED', 'ERR_CLOSED', 'ERR_CLOSED'])
  assert.deepEqual(await child.end(), { code: 0, signal: null })
  assert.deepEqual(subscribers(), [0, 0])
})

test('without a bus named it is the default bus; wrong arguments are told as Node tells them', async (t) => {
  const child = run(t, async ({ say }) => {
    const ipc = require('slabcast')
    const { PubSub } = require('slabcast/graphql')
    const pubsub = new PubSub()
    const next = pubsub.asyncIterableIterator('X').next()
    ipc.publish('slabcast:graphql/X', 'heard')
    await say(await next)
    pubsub.close()
  })
  assert.deepEqual(await child.hear(), { value: 'heard', done: false })
  assert.deepEqual(await child.end(), { code: 0, signal: null })
  const type = (message) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message })
  for (const options of [null, 1, []]) assert.throws(() => new PubSub(options), type(/^The "options" argument/))
  assert.throws(() => new PubSub({ bus: 1 }), type(/^The "options\.bus" argument/))
  const pubsub = new PubSub({ bus: openBus(t) })
  for (const trigger of [undefined, 1, Symbol('s')]) {
    await assert.rejects(pubsub.publish(trigger, 1), type(/^The "triggerName" argument must be of type string/))
    await assert.rejects(
      pubsub.subscribe(trigger, () => {}),
      type(/"triggerName"/),
    )
  }
  await assert.rejects(pubsub.subscribe('X', 1), type(/^The "onMessage" argument must be of type function/))
})

test('the example streams what is said to any of its workers to the subscribers of all', async (t) => {
  const example = path.join(__dirname, '..', '..', 'examples', 'graphql')
  const env = { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined }
  const app = application(t, [example, '--port', '0', '--workers', '3'], { env })
  await until(
    () => app.output.includes('\n') || app.ended,
    () => `the example listens: ${app.errors}`,
  )
  const [, port] = /http:\/\/localhost:(\d+)\n/.exec(app.output) ?? assert.fail(app.output + app.errors)
  const ask = (query, signal) => fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: query, signal })
  const streams = []
  for (let n = 0; n < 3; n++) {
    const abort = new AbortController()
    t.after(() => abort.abort())
    const response = await ask('subscription { said { text, worker } }', abort.signal)
    const stream = { text: '', worker: response.headers.get('worker') }
    const read = async () => {
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) stream.text += chunk
    }
    read().catch(() => {})
    streams.push(stream)
  }
  assert.equal(new Set(streams.map(({ worker }) => worker)).size, 3)
  const answer = await ask('mutation { say(text: "hi") }')
  assert.deepEqual(await answer.json(), { data: { say: true } })
  for (const stream of streams) await until(() => stream.text.includes('\n\n'), 'each stream shows it')
  for (const { text } of streams) assert.match(text, /^data: \{"data":\{"said":\{"text":"hi","worker":\d+\}\}\}\n\n$/)
  const wrong = await ask('mutation { say }')
  assert.equal(wrong.status, 400)
  assert.match((await wrong.json()).errors[0].message, /text/)
})

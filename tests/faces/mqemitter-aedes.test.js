'use strict'

// aedes brokers in three cluster workers serve each other's MQTT clients as one broker serves its own.

const assert = require('node:assert/strict')
const path = require('node:path')
const test = require('node:test')
const mqtt = require('mqtt')
const { openBus, uniqueName } = require('../node/support/bus')
const { application } = require('../node/support/process')
const { redis } = require('../node/support/redis')
const { until } = require('../node/support/wait')

const BROKERS = path.join(__dirname, 'mqemitter', 'brokers.js')

/** Brokers: { pid, port } of each worker, and what the primary said. */
async function brokers(t, kind, workers, settings) {
  const stdio = ['pipe', 'pipe', 'pipe']
  const primary = application(t, [BROKERS, kind, String(workers), JSON.stringify(settings)], { stdio })
  const said = () =>
    primary.output
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  const listening = () => said().filter(({ port }) => port)
  await until(
    () => listening().length === workers || primary.ended,
    () => `brokers listen: ${primary.output} ${primary.errors}`,
  )
  assert.equal(listening().length, workers, primary.errors)
  return { all: listening(), said, close: ({ pid }) => primary.process.stdin.write(`${pid}\n`) }
}

async function slabcastBrokers(t, workers = 3) {
  const name = uniqueName()
  openBus(t, { name })
  return brokers(t, 'slabcast', workers, { bus: name, concurrency: 100 })
}

/** A client of a broker, and what it was sent: { topic, text, qos, retain }. */
async function connect(t, { port }, options) {
  const client = await mqtt.connectAsync({ host: '127.0.0.1', port, reconnectPeriod: 0, ...options })
  client.got = []
  client.on('message', (topic, payload, { qos, retain }) =>
    client.got.push({ topic, text: payload.toString(), qos, retain }),
  )
  client.on('error', () => {})
  t.after(() => client.end(true))
  return client
}

/** By an error of its socket or without. */
const closed = (client) => new Promise((resolve) => client.once('close', resolve))

const inOrder = (got) => got.map((message) => JSON.stringify(message)).sort()

/** What clients of three places, the same broker's or three's, see of each other. */
async function conversation(t, places) {
  const seen = {}
  const readers = []
  for (const place of places) readers.push(await connect(t, place))
  for (const reader of readers) {
    await reader.subscribeAsync({ 'plain/0': { qos: 0 }, 'plain/1': { qos: 1 }, 'plain/2': { qos: 2 } })
    await reader.subscribeAsync({ 'wide/+/0': { qos: 0 }, 'wide/+/1': { qos: 1 }, 'wide/#': { qos: 2 } })
    await reader.subscribeAsync('last', { qos: 2 })
  }

  // One after the other: aedes takes an earlier message for a double where a later one overtook it.
  for (const qos of [0, 1, 2]) {
    const writers = []
    for (const place of places) writers.push(await connect(t, place))
    for (let round = 0; round < 10; round++)
      for (const [who, writer] of writers.entries()) {
        await writer.publishAsync(`plain/${qos}`, `${who} ${round}`, { qos })
        await writer.publishAsync(`wide/${who}/${qos}`, `${who} ${round}`, { qos })
        await writer.publishAsync(`nobody/${who}`, `${who} ${round}`, { qos })
      }
    for (const writer of writers) await writer.publishAsync('last', 'of these', { qos: 2 })
    const last = () => readers.map(({ got }) => got.filter(({ topic }) => topic === 'last').length)
    await until(
      () => last().every((count) => count === (qos + 1) * writers.length),
      () => `all came to the last of ${qos}: ${last()}`,
    )
  }
  seen.messages = readers.map(({ got }) => inOrder(got))

  // A will, where its client breaks off.
  const mourner = await connect(t, places[1])
  await mourner.subscribeAsync('wills/+', { qos: 1 })
  const willing = await connect(t, places[0], { will: { topic: 'wills/ann', payload: 'gone', qos: 1, retain: true } })
  willing.stream.destroy()
  await until(() => mourner.got.length === 1, 'a will comes')
  seen.wills = mourner.got

  // A retained message, for who is subscribed already; and for who comes to the broker that took it.
  await mourner.subscribeAsync('kept/+', { qos: 1 })
  const keeper = await connect(t, places[2])
  await keeper.publishAsync('kept/a', 'kept', { qos: 1, retain: true })
  await until(() => mourner.got.length === 2, 'a retained message comes')
  const late = await connect(t, places[2])
  await late.subscribeAsync('kept/#', { qos: 1 })
  await until(() => late.got.length === 1, 'a retained message was kept')
  seen.retained = [mourner.got[1], late.got[0]]

  // Who comes a second time ends the first, wherever that is.
  const observer = await connect(t, places[1])
  await observer.subscribeAsync('$SYS/+/new/clients')
  const twins = () => observer.got.filter(({ text }) => text === 'twin').length
  const first = await connect(t, places[0], { clientId: 'twin' })
  await until(() => twins() === 1, 'a new client is told')
  const ended = closed(first)
  await connect(t, places[2], { clientId: 'twin' })
  await ended
  await until(() => twins() === 2, 'a new client is told')
  return seen
}

test('clients of three brokers see what clients of one do, at QoS 0, 1 and 2, as with mqemitter-redis', async (t) => {
  const one = await brokers(t, 'mqemitter', 1, {})
  const expected = await conversation(t, [one.all[0], one.all[0], one.all[0]])
  // Of each writer of each QoS.
  assert.equal(expected.messages[0].length, 3 * (3 * 10 + 3 * 10 + 3))
  const three = await brokers(t, 'mqemitter-redis', 3, { socket: (await redis(t)).path })
  assert.deepEqual(await conversation(t, three.all), expected)
  assert.deepEqual(await conversation(t, (await slabcastBrokers(t)).all), expected)
})

test('many messages at once come in order and once, from each broker to each', async (t) => {
  const MESSAGES = 500
  const { all } = await slabcastBrokers(t)
  for (const qos of [0, 1, 2]) {
    const readers = []
    for (const place of all) readers.push(await connect(t, place))
    for (const reader of readers) await reader.subscribeAsync(`of ${qos}/+`, { qos })
    const writers = []
    for (const place of all) writers.push(await connect(t, place))
    await Promise.all(
      writers.map((writer, who) =>
        Promise.all(
          Array.from({ length: MESSAGES }, (_, number) =>
            writer.publishAsync(`of ${qos}/${who}`, String(number), { qos }),
          ),
        ),
      ),
    )
    const numbers = Array.from({ length: MESSAGES }, (_, number) => String(number))
    for (const reader of readers) {
      await until(
        () => reader.got.length >= all.length * MESSAGES,
        () => `${reader.got.length} of ${all.length * MESSAGES} came at QoS ${qos}`,
      )
      for (const who of all.keys()) {
        const texts = reader.got.filter(({ topic }) => topic === `of ${qos}/${who}`).map(({ text }) => text)
        assert.deepEqual(texts, numbers)
      }
    }
  }
})

test('kill -9 of a broker in the middle of its traffic: the clients of the others go on', async (t) => {
  const { all, said } = await slabcastBrokers(t)
  const [victim, ...living] = all
  const readers = []
  for (const place of living) readers.push(await connect(t, place))
  for (const reader of readers) await reader.subscribeAsync('#', { qos: 1 })
  const doomed = await connect(t, victim)
  const ended = closed(doomed)
  let acknowledged = 0
  doomed.on('packetreceive', ({ cmd }) => {
    if (cmd === 'puback') acknowledged++
  })
  for (let number = 0; number < 1000; number++) doomed.publish('doomed', String(number), { qos: 1 })
  await until(() => acknowledged > 10)
  process.kill(victim.pid, 'SIGKILL')
  await ended
  await until(() => said().some((what) => what.ended === victim.pid))
  for (const [who, reader] of readers.entries()) await reader.publishAsync('living', String(who), { qos: 2 })
  for (const reader of readers) {
    await until(() => reader.got.filter(({ topic }) => topic === 'living').length === 2, 'the living talk')
    const texts = reader.got.filter(({ topic }) => topic === 'doomed').map(({ text }) => text)
    assert.deepEqual(
      texts,
      Array.from({ length: texts.length }, (_, number) => String(number)),
    )
  }
})

test('a broker that is closed ends its process, and the others go on', async (t) => {
  const { all, said, close } = await slabcastBrokers(t, 2)
  const [first, second] = all
  const reader = await connect(t, second)
  await reader.subscribeAsync('#')
  const client = await connect(t, first, { will: { topic: 'will', payload: 'gone' } })
  const ended = closed(client)
  close(first)
  await ended
  await until(() => said().some((what) => what.ended === first.pid))
  assert.deepEqual(
    said().find((what) => what.ended === first.pid),
    { ended: first.pid, code: 0, signal: null },
  )
  await reader.publishAsync('living', 'yes')
  await until(
    () => reader.got.length === 2,
    () => JSON.stringify(reader.got),
  )
  assert.deepEqual(
    reader.got.map(({ topic }) => topic),
    ['will', 'living'],
  )
})

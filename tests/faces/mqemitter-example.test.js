'use strict'

// examples/mqemitter: clients of whichever broker talk, and go on when one is killed.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const net = require('node:net')
const path = require('node:path')
const test = require('node:test')
const mqtt = require('mqtt')
const { application } = require('../node/support/process')
const { until } = require('../node/support/wait')

const EXAMPLE = path.join(__dirname, '..', '..', 'examples', 'mqemitter')
const UNNAMED = { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined }

/** By an error of its socket or without. */
const closed = (client) => new Promise((resolve) => client.once('close', resolve))

test('the MQTT example: one broker of several processes, through the death of one', async (t) => {
  const example = application(t, [EXAMPLE, '--port', '0', '--workers', '2'], { env: UNNAMED })
  const listening = () => [...example.output.matchAll(/broker (\d+): mqtt:\/\/127\.0\.0\.1:(\d+)/g)]
  await until(
    () => listening().length === 2 || example.ended,
    () => `both listen: ${example.output} ${example.errors}`,
  )
  const port = Number(listening()[0][2])

  /** A client that hears everything. */
  const connect = async (clientId) => {
    const client = await mqtt.connectAsync({ host: '127.0.0.1', port, clientId, reconnectPeriod: 0 })
    t.after(() => client.end(true))
    client.on('error', () => {})
    client.heard = []
    client.on('message', (topic, payload) => client.heard.push(`${topic} ${payload}`))
    await client.subscribeAsync('#', { qos: 2 })
    return client
  }
  /** Waits until a client has heard at which broker another is. */
  const brokerOf = async (clientId, { heard }) => {
    const has = (text) => text.startsWith('brokers/') && text.endsWith(` has ${clientId}`)
    await until(() => heard.some(has))
    return Number(/\d+/.exec(heard.find(has))[0])
  }
  const rooms = ({ heard }) => heard.filter((text) => text.startsWith('rooms/')).sort()

  // Each connection goes to the next broker.
  const clients = []
  for (const clientId of ['ann', 'bob', 'cid']) clients.push(await connect(clientId))
  const pids = listening().map(([, pid]) => Number(pid))
  assert.deepEqual([await brokerOf('bob', clients[0]), await brokerOf('cid', clients[0])].sort(), [...pids].sort())
  for (const [qos, client] of clients.entries()) await client.publishAsync(`rooms/${qos}`, 'hello', { qos })
  for (const client of clients) {
    await until(() => rooms(client).length === 3)
    assert.deepEqual(rooms(client), ['rooms/0 hello', 'rooms/1 hello', 'rooms/2 hello'])
  }

  const victim = await brokerOf('bob', clients[0])
  const gone = closed(clients[1])
  process.kill(victim, 'SIGKILL')
  await gone
  const living = clients.filter((client) => client.connected)
  assert.equal(living.length, 2)
  await until(
    () => listening().length === 3,
    () => `another listens: ${example.output} ${example.errors}`,
  )
  for (const clientId of ['dan', 'eve']) living.push(await connect(clientId))
  const successor = Number(listening()[2][1])
  assert.ok([await brokerOf('dan', living[0]), await brokerOf('eve', living[0])].includes(successor))
  for (const [number, client] of living.entries()) await client.publishAsync('rooms/again', String(number), { qos: 2 })
  for (const client of living)
    await until(() => rooms(client).filter((text) => text.startsWith('rooms/again')).length === 4)
})

test('a port that is taken ends the example', async (t) => {
  const other = net.createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const example = application(t, [EXAMPLE, '--port', `${other.address().port}`], { env: UNNAMED })
  assert.deepEqual(await example.end(), { code: 1, signal: null })
  assert.match(example.errors, /EADDRINUSE/)
})

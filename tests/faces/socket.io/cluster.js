'use strict'

// Clusters of Socket.IO servers in processes of their own, and clients of theirs.

const assert = require('node:assert/strict')
const path = require('node:path')
const { Manager } = require('socket.io-client')
const { uniqueName } = require('../../node/support/bus')
const { runWith } = require('../../node/support/process')
const { until } = require('../../node/support/wait')

const WORKER = path.join(__dirname, 'worker.js')

/** The primary: all that the official adapter needs there, and nothing for ours. */
const primary = async ({ say, hear }, adapter, workers, exec) => {
  const cluster = require('node:cluster')
  if (adapter === 'official') {
    require('@socket.io/cluster-adapter').setupPrimary()
    // For packets with bytes.
    cluster.setupPrimary({ exec, serialization: 'advanced' })
  } else cluster.setupPrimary({ exec })
  cluster.on('message', (_worker, message) => {
    if (message?.listens) say(message.listens)
  })
  for (let count = 0; count < workers; count++) cluster.fork()
  for (;;) {
    await hear()
    cluster.fork()
  }
}

class Worker {
  constructor({ pid, port }, hidesOffsets) {
    this.pid = pid
    this.hidesOffsets = hidesOffsets
    this.url = `http://127.0.0.1:${port}`
  }

  /** Has it do something: a self-contained function. */
  async do(work, ...args) {
    const body = JSON.stringify({ work: work.toString(), args })
    const answer = await (await fetch(`${this.url}/do`, { method: 'POST', body })).json()
    if (answer.failed) throw new Error(`in worker ${this.pid}: ${answer.failed}`)
    return answer.value
  }

  kill(signal = 'SIGKILL') {
    process.kill(this.pid, signal)
  }
}

/**
 * Starts a primary and its workers; they know of each other when it returns.
 * @param {'official' | 'own' | 'slabcast'} adapter `own`: Socket.IO's, which knows one server
 * @param {{ workers?: number, options?: object, busOptions?: object, hidesOffsets?: boolean }} given options of each Server, and of the
 *   bus it is given; `hidesOffsets`: clients do not show the last argument that recovery adds
 */
async function start(t, adapter, { workers = 3, options = {}, busOptions, hidesOffsets } = {}) {
  const bus = uniqueName()
  const env = {
    ADAPTER: adapter,
    OPTIONS: JSON.stringify(options),
    SLABCAST_BUS: bus,
    BUS_OPTIONS: busOptions && JSON.stringify({ name: bus, ...busOptions }),
  }
  const child = runWith(t, { env }, primary, adapter, workers, WORKER)
  const all = []
  for (let count = 0; count < workers; count++) all.push(new Worker(await child.hear(), hidesOffsets))
  const more = async () => {
    child.say('one more')
    all.push(new Worker(await child.hear(), hidesOffsets))
    return all.at(-1)
  }
  await Promise.all(all.map((worker) => knows(worker, workers)))
  return { bus, workers: all, more }
}

/** Waits until a server knows of so many. */
const knows = (worker, count, nsp = '/') =>
  worker.do(
    async ({ io, until }, count, nsp) => {
      let found
      const look = async () => {
        found = await io.of(nsp).adapter.serverCount()
      }
      await until(
        () => look() && found === count,
        () => `there are ${count} servers: ${found}`,
      )
    },
    count,
    nsp,
  )

/** A client of a worker, connected; `got` is what it was sent, by event. */
async function connect(t, worker, { nsp = '/', auth = {}, answers = true } = {}) {
  const manager = new Manager(worker.url, { transports: ['websocket'], reconnection: false })
  const client = manager.socket(nsp, { auth })
  t.after(() => manager._close())
  client.got = []
  client.onAny((event, ...args) => {
    const ack = typeof args.at(-1) === 'function' ? args.pop() : undefined
    if (worker.hidesOffsets && /^\d+$/.test(args.at(-1)) && typeof args.at(-1) === 'string') args.pop()
    client.got.push([event, ...args])
    if (answers) ack?.(`${event} from ${client.id}`)
  })
  await connected(client)
  return client
}

async function connected(client) {
  let failed
  client.once('connect_error', (error) => {
    failed = error
  })
  await until(() => client.connected || failed, 'a client connects')
  if (failed) throw failed
}

/** Waits until each client has got what it is to get, in that order, and nothing else. */
async function got(expected) {
  for (const [client, events] of expected) {
    await until(
      () => client.got.length >= events.length,
      () => `${JSON.stringify(events)} comes: ${JSON.stringify(client.got)}`,
    )
  }
  for (const [client, events] of expected) assert.deepEqual(client.got.splice(0), events)
}

module.exports = { connect, connected, got, knows, start }

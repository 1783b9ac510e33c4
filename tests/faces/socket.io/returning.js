'use strict'

// Clients that lose their connection and come back.

const assert = require('node:assert/strict')
const { until } = require('../../node/support/wait')
const { connect, connected } = require('./cluster')

/** Closes a client's connection, as a network does; resolves when its server knows. */
async function cut(client, worker) {
  const { id } = client
  client.io.engine.close()
  await until(() => !client.connected, 'the connection is closed')
  await worker.do(({ io, until }, id) => until(() => !io.sockets.sockets.has(id), 'the server knows'), id)
}

async function comeBack(client, worker) {
  client.io.uri = worker.url
  client.connect()
  await connected(client)
}

/** What a client was sent, without offsets. */
const sent = (client) => client.got.splice(0).map(([event, ...args]) => [event, ...args.slice(0, -1)])

/** A client that has been sent something, so that it has an offset. */
async function greeted(t, worker, options) {
  const client = await connect(t, worker, options)
  await worker.do(({ io }, id) => void io.to(id).emit('welcome'), client.id)
  await until(() => client.got.length === 1, 'it is greeted')
  assert.deepEqual(sent(client), [['welcome']])
  return client
}

const emit = (worker, room, ...event) =>
  worker.do(({ io }, room, event) => void (room === null ? io : io.to(room)).emit(...event), room, event)

module.exports = { comeBack, cut, emit, greeted, sent }

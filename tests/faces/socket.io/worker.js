'use strict'

// One Socket.IO server of a cluster under test, with the adapter that its environment names. It does what it is sent by
// `POST /do`: a function as text, which is given `{ io, heard, until }` and arguments, and whose value is the answer.

const http = require('node:http')
const { Server } = require('socket.io')
const { until } = require('../../node/support/wait')

const { ADAPTER, OPTIONS, BUS_OPTIONS } = process.env

const adapters = {
  official: () => require('@socket.io/cluster-adapter').createAdapter(),
  /** The host's own, of one server: with recovery the one that recovers. */
  own: () => undefined,
  slabcast: () => {
    const { createAdapter } = require('slabcast/socket.io')
    if (BUS_OPTIONS === undefined) return createAdapter()
    return createAdapter({ bus: require('slabcast').open(JSON.parse(BUS_OPTIONS)) })
  },
}

const server = http.createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  try {
    const { work, args } = JSON.parse(body)
    const value = await new Function('require', `return ${work}`)(require)({ io, heard, until }, ...args)
    response.end(JSON.stringify({ value }))
  } catch (error) {
    response.end(JSON.stringify({ failed: error.stack }))
  }
})

/** What listeners that are put here keep. */
const heard = []
const io = new Server(server, { adapter: adapters[ADAPTER](), ...JSON.parse(OPTIONS) })

server.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () =>
  process.send({ listens: { pid: process.pid, port: server.address().port } }),
)

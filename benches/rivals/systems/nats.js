'use strict'

// NATS on the same machine, on loopback, with its own client and msgpackr.

const fs = require('node:fs')
const path = require('node:path')
const { connect } = require('@nats-io/transport-node')
const { pack, unpack } = require('msgpackr')
const broker = require('../broker')

/** Publishes between two flushes: the client's queue has no bound of its own. */
const FLUSHED = 1024

const ports = (folder) => fs.readdirSync(folder).find((name) => name.endsWith('.ports'))

exports.broker = (folder) => {
  const config = path.join(folder, 'nats.conf')
  // Who reads slowly is not cut off: everything has to arrive.
  fs.writeFileSync(config, `host: "127.0.0.1"\nport: -1\nports_file_dir: "${folder}"\nmax_pending: 1073741824\n`)
  return broker.start('nats-server', ['-c', config], () => ports(folder) !== undefined)
}

exports.hasRequests = true

exports.join = async ({ folder }) => {
  const { nats } = JSON.parse(fs.readFileSync(path.join(folder, ports(folder)), 'utf8'))
  const connection = await connect({ servers: nats[0] })
  let count = 0
  return {
    async subscribe(topic, listener) {
      connection.subscribe(topic, { callback: (error, { data }) => (error ? undefined : listener(unpack(data))) })
      await connection.flush()
    },
    publish(topic, message) {
      connection.publish(topic, pack(message))
      return ++count % FLUSHED === 0 ? connection.flush() : undefined
    },
    async request(topic, message) {
      return unpack((await connection.request(topic, pack(message))).data)
    },
    async respond(topic, handler) {
      connection.subscribe(topic, {
        callback: (error, asked) => (error ? undefined : asked.respond(pack(handler(unpack(asked.data))))),
      })
      await connection.flush()
    },
    leave: () => connection.close(),
  }
}

'use strict'

// Redis on the same machine, over its unix socket, with ioredis and msgpackr.

const fs = require('node:fs')
const path = require('node:path')
const { Redis } = require('ioredis')
const { pack, unpack } = require('msgpackr')
const broker = require('../broker')
const { Window } = require('../window')

const address = (folder) => path.join(folder, 'redis.sock')

exports.broker = (folder) => {
  const options = ['--port', '0', '--unixsocket', address(folder), '--save', '', '--dir', folder]
  // Without a bound it drops nobody: everything has to arrive.
  const unbound = ['--client-output-buffer-limit', 'pubsub', '0', '0', '0']
  return broker.start('redis-server', [...options, ...unbound], () => fs.existsSync(address(folder)))
}

exports.connect = (folder) => new Redis({ path: address(folder), enableAutoPipelining: true })

exports.join = async ({ folder }) => {
  const redis = exports.connect(folder)
  const listeners = new Map()
  const window = new Window()
  redis.on('messageBuffer', (topic, bytes) => listeners.get(topic.toString())?.(unpack(bytes)))
  await redis.ping()
  return {
    async subscribe(topic, listener) {
      listeners.set(topic, listener)
      await redis.subscribe(topic)
    },
    publish(topic, message) {
      redis.publish(topic, pack(message)).then(window.give)
      return window.take()
    },
    leave: () => redis.disconnect(),
  }
}

'use strict'

// What carries broadcasts between the workers: of each what its own page says to do, in the primary and in a worker.

const cluster = require('node:cluster')
const redis = require('../systems/redis')

/** Over one connection to publish and one to subscribe, by the server's unix socket. */
async function ofRedis({ folder }) {
  const { createAdapter } = require('@socket.io/redis-adapter')
  const publisher = redis.connect(folder)
  const subscriber = publisher.duplicate()
  await Promise.all([publisher.ping(), subscriber.ping()])
  return createAdapter(publisher, subscriber)
}

exports.adapters = {
  slabcast: {
    join({ name }) {
      const bus = require('../../..').open({ name })
      return require('../../../js/faces/socket.io').createAdapter({ bus })
    },
  },
  'cluster-adapter': {
    primary() {
      require('@socket.io/cluster-adapter').setupPrimary()
      cluster.setupPrimary({ serialization: 'advanced' })
    },
    join: () => require('@socket.io/cluster-adapter').createAdapter(),
  },
  'redis-adapter': { broker: redis.broker, join: ofRedis },
}

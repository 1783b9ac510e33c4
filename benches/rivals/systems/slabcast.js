'use strict'

const { once } = require('node:events')
const { open } = require('../../..')

exports.join = async ({ name, spin }) => {
  const bus = open({ name, spin })
  return {
    subscribe: (topic, listener) => bus.subscribe(topic, listener),
    publish: (topic, message) => (bus.publish(topic, message) ? undefined : once(bus, 'drain')),
    leave: () => bus.close(),
  }
}

'use strict'

const { once } = require('node:events')
const { open } = require('../../..')

exports.join = async ({ name }) => {
  const bus = open({ name })
  return {
    subscribe: (topic, listener) => bus.subscribe(topic, listener),
    publish: (topic, message) => (bus.publish(topic, message) ? undefined : once(bus, 'drain')),
    leave: () => bus.close(),
  }
}

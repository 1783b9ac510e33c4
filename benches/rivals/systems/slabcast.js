'use strict'

const { once } = require('node:events')
const { open } = require('../../..')

exports.hasRequests = true

exports.join = async ({ name, spin }) => {
  const bus = open({ name, spin })
  return {
    subscribe: (topic, listener) => bus.subscribe(topic, listener),
    publish: (topic, message) => (bus.publish(topic, message) ? undefined : once(bus, 'drain')),
    request: (topic, message) => bus.request(topic, message),
    respond: (topic, handler) => bus.respond(topic, handler),
    leave: () => bus.close(),
  }
}

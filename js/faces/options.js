'use strict'

// What all faces are given.

const { invalidArgType } = require('../errors')
const ipc = require('../index.js')

/** The options of a face, an object, and its bus in them: the default bus where they name none. */
function withBus(options = {}) {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalidArgType('options', 'of type object', options)
  const { bus = ipc } = options
  if (typeof bus?.publish !== 'function' || typeof bus.subscribe !== 'function')
    throw invalidArgType('options.bus', 'a bus, as open() gives', bus)
  return { ...options, bus }
}

module.exports = { withBus }

'use strict'

// For tests of emitters.

const { openBus, uniqueName } = require('../../node/support/bus')

/** A bus that is there as long as the test. */
function openBusNamed(t, options) {
  const name = uniqueName()
  return { name, bus: openBus(t, { name, ...options }) }
}

const emitted = (emitter, message) =>
  new Promise((resolve, reject) => emitter.emit(message, (error) => (error ? reject(error) : resolve())))

/** An emitter's listener that keeps what it is given. */
function keep(emitter, filter) {
  const heard = []
  const listener = (message, done) => {
    heard.push(message)
    done()
  }
  emitter.on(filter, listener)
  return { heard, listener }
}

module.exports = { emitted, keep, openBusNamed }

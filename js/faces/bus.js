'use strict'

// The option that every face has: on which bus it is.

const { invalidArgType } = require('../errors')

/** The bus that a face's options name, if they do. */
function busOf(options = {}) {
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options)
  const { bus } = options
  if (bus === undefined) return undefined
  // By its calls: where modules are loaded twice, as test runners do, there are two classes.
  if (typeof bus?.publish !== 'function' || typeof bus?.subscribe !== 'function')
    throw invalidArgType('options.bus', 'an instance of Bus', bus)
  return bus
}

module.exports = { busOf }

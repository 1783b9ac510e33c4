'use strict'

// The only public door. The module is the default bus: nothing happens before its first use.

const { Bus, decode, open } = require('./bus')
const { encode } = require('./codec')
const { SlabcastError } = require('./errors')
const { openOptions } = require('./options')

const ipc = new Bus(openOptions())
const names = { open, encode: (value) => encode(value), decode, SlabcastError }
for (const [name, value] of Object.entries(names))
  Object.defineProperty(ipc, name, { value, writable: true, configurable: true })

module.exports = ipc

'use strict'

// slabcast whose readers look for `SPIN` microseconds before they sleep.

const { open } = require('../../..')
const { join } = require('./slabcast')

const SPIN = 50

exports.join = (trial) => join({ ...trial, spin: SPIN })

/** Why this version cannot be asked for it; undefined: it can. */
exports.refused = async () => {
  try {
    await open({ name: `rivals-spin-${process.pid}`, spin: SPIN }).close()
  } catch (error) {
    if (error.code === 'ERR_INVALID_ARG_VALUE') return error.message
    throw error
  }
}

'use strict'

// Finds and loads the binary for this host. The only file that knows where it lies and what it is called.

const path = require('node:path')
const { SlabcastError } = require('./errors')

const host = `${process.platform}-${process.arch}`
const binary = path.join(__dirname, '..', 'build', `slabcast.${host}.node`)

function load() {
  try {
    return require(binary)
  } catch (cause) {
    const hint =
      cause.code === 'MODULE_NOT_FOUND'
        ? `there is no binary for ${host}: build it with "npm run build" (needs Rust)`
        : `the binary for ${host} cannot be loaded: ${cause.message}`
    throw new SlabcastError('ERR_UNSUPPORTED_PLATFORM', `slabcast: ${hint}`, { host, cause })
  }
}

let loaded

/** The binding, loaded at first use. */
function native() {
  loaded ??= load()
  return loaded
}

/**
 * Whether a thread brings the wake-ups, although libuv seems to be there: Bun has its functions, and aborts when they are
 * called. SLABCAST_TEST_THREAD_WAKE is for tests alone.
 */
native.threadWake = process.versions.bun !== undefined || process.env.SLABCAST_TEST_THREAD_WAKE === '1'

/** Where it lies, for the build. */
native.binary = binary

module.exports = native

'use strict'

// Finds and loads the binary for this host. The only file that knows where it lies and what it is called.

const { existsSync } = require('node:fs')
const path = require('node:path')
const { SlabcastError } = require('./errors')

const host = `${process.platform}-${process.arch}`
const file = `slabcast.${host}.node`
const binary = path.join(__dirname, '..', 'build', file)
// Where a bundler has put this code into a file of its own, `binary` leads nowhere: then it lies beside that file.
const besideBundle = path.join(__dirname, file)

function load() {
  const found = [binary, besideBundle].find((place) => existsSync(place))
  if (found === undefined) {
    const hint = `build it with "npm run build" (needs Rust), or, where slabcast is bundled, copy build/${file} beside the bundle`
    throw new SlabcastError('ERR_UNSUPPORTED_PLATFORM', `slabcast: there is no binary for ${host}: ${hint}`, { host })
  }
  try {
    return require(found)
  } catch (cause) {
    const message = `slabcast: the binary for ${host} cannot be loaded: ${cause.message}`
    throw new SlabcastError('ERR_UNSUPPORTED_PLATFORM', message, { host, cause })
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

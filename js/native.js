'use strict'

// Finds and loads the binary for this host. The only file that knows where it lies and what it is called.

const { closeSync, existsSync, openSync, readSync } = require('node:fs')
const path = require('node:path')
const { SlabcastError } = require('./errors')

const SYSTEMS = ['linux', 'darwin', 'win32']
const PROCESSORS = ['x64', 'arm64']

/** Whether this Node stands on musl (Alpine), and so loads nothing made for another C library: its head names its loader. */
function isMusl() {
  let file
  try {
    file = openSync(process.execPath)
    const head = Buffer.alloc(4096)
    readSync(file, head, 0, head.length, 0)
    return head.includes('/ld-musl-')
  } catch {
    return false
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

/** What a binary is made for, as its file says. */
function ourHost() {
  const libc = process.platform === 'linux' && isMusl() ? '-musl' : ''
  return `${process.platform}-${process.arch}${libc}`
}

const fileOf = (host) => `slabcast.${host}.node`
const builtAt = (file) => path.join(__dirname, '..', 'build', file)

const unsupported = (message, facts) => new SlabcastError('ERR_UNSUPPORTED_PLATFORM', `slabcast: ${message}`, facts)

function load() {
  const host = ourHost()
  const file = fileOf(host)
  // Where a bundler has put this code into a file of its own, the first leads nowhere: then it lies beside that file.
  const found = [builtAt(file), path.join(__dirname, file)].find((place) => existsSync(place))
  if (found === undefined) {
    if (!SYSTEMS.includes(process.platform) || !PROCESSORS.includes(process.arch)) {
      const where = 'it runs on Linux, macOS and Windows, on x64 and arm64 processors: use a Node for one of those'
      throw unsupported(`there is no binary for ${host}, nor can one be built: ${where}`, { host })
    }
    const hint = `build it with "npm run build" (needs Rust), or, where slabcast is bundled, copy build/${file} beside the bundle`
    throw unsupported(`there is no binary for ${host}: ${hint}`, { host })
  }
  try {
    return require(found)
  } catch (cause) {
    const hint = 'it may be made for another system: build it here with "npm run build" (needs Rust)'
    throw unsupported(`the binary for ${host} cannot be loaded: ${cause.message}; ${hint}`, { host, cause })
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

/** Where the build puts the one for this host. */
native.binary = () => builtAt(fileOf(ourHost()))

module.exports = native

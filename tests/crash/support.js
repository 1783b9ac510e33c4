'use strict'

// What crash tests share: a /dev/shm of their own, processes that do as they are told and may be killed, waiting for a
// condition under a watchdog, a seed that replays.

const { fork, spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { after } = require('node:test')

const ISOLATED = 'SLABCAST_CRASH_ISOLATED'
/** Multiplies what a test repeats. */
const rounds = Number(process.env.SLABCAST_ROUNDS ?? 1)
/** Nothing is expected to take this long. */
const WATCHDOG = 120_000

/**
 * Runs this test file anew with an empty temp folder and in a mount namespace with an empty /dev/shm, so that what is left there is ours, and other
 * tests' buses are not swept. Returns '' inside; where namespaces are not permitted, the reason.
 */
function isolate(size = '1g') {
  if (process.env[ISOLATED]) return process.env[ISOLATED] === 'yes' ? '' : process.env[ISOLATED]
  const script = `mount -t tmpfs -o size=${size},mode=1777 slabcast-test /dev/shm`
  const flags = process.getuid() === 0 ? ['-m'] : ['-r', '-m']
  const wanted = [...flags, '--propagation', 'private', 'sh', '-c']
  const probe = spawnSync('unshare', [...wanted, script], { encoding: 'utf8' })
  const reason = probe.error?.message ?? (probe.status === 0 ? '' : probe.stderr.trim())
  if (reason) {
    process.env[ISOLATED] = `no private /dev/shm is permitted here (unshare: ${reason})`
    return process.env[ISOLATED]
  }
  const args = [
    ...wanted,
    `${script} && exec "$@"`,
    'sh',
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1),
  ]
  const temp = fs.mkdtempSync(path.join(os.tmpdir(), 'crash-'))
  const env = { ...process.env, [ISOLATED]: 'yes', TMPDIR: temp }
  const { status } = spawnSync('unshare', args, { stdio: 'inherit', env })
  fs.rmSync(temp, { recursive: true })
  process.exit(status ?? 1)
}

/** A generator of numbers in [0, 1) from a printed seed: SLABCAST_SEED replays. (mulberry32) */
function random() {
  let state = Number(process.env.SLABCAST_SEED ?? Math.floor(Math.random() * 2 ** 32)) >>> 0
  console.log(`# SLABCAST_SEED=${state}`)
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until `condition` gives something truthy, and returns that. `waits`: keeps how long it took, in ms. */
async function until(what, condition, { waits, watchdog = WATCHDOG } = {}) {
  const start = performance.now()
  for (;;) {
    const value = await condition()
    const waited = performance.now() - start
    if (value) {
      waits?.push(waited)
      return value
    }
    if (waited > watchdog) throw new Error(`waited ${watchdog} ms for this: ${what}`)
    await later(2)
  }
}

const longest = (waits) => `${waits.length} waits, the longest ${Math.max(0, ...waits).toFixed(0)} ms`

const alive = new Set()
// Also where a test failed: they would keep this process waiting.
after(() => Promise.all([...alive].map((actor) => actor.kill())))

/** A process that runs what it is given. */
class Actor {
  #process
  #calls = new Map()
  #next = 0
  exited

  constructor(options) {
    const file = path.join(__dirname, 'children', 'actor.js')
    this.#process = fork(file, { serialization: 'advanced', ...options })
    alive.add(this)
    this.exited = new Promise((resolve) => {
      this.#process.on('exit', (code, signal) => {
        alive.delete(this)
        for (const { reject } of this.#calls.values()) reject(new Error(`it ended: ${signal ?? code}`))
        this.#calls.clear()
        resolve({ code, signal })
      })
    })
    this.ready = new Promise((resolve, reject) => {
      this.#calls.set('ready', { resolve, reject })
    })
    this.#process.on('error', () => {})
    this.#process.on('message', (message) => {
      const id = message === 'ready' ? 'ready' : message.id
      const call = this.#calls.get(id)
      this.#calls.delete(id)
      if (message.error) call?.reject(Object.assign(new Error(message.error.message), message.error))
      else call?.resolve(message.value)
    })
  }

  get pid() {
    return this.#process.pid
  }

  /** Runs `act(hands, ...args)` there; it sees nothing of its surroundings here. */
  run(act, ...args) {
    const id = this.#next++
    const result = new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject })
    })
    this.#process.send({ id, source: String(act), args }, () => {})
    return result
  }

  /** As `run`, of something that never ends, or is not waited for. */
  start(act, ...args) {
    this.run(act, ...args).catch(() => {})
  }

  signal(name) {
    process.kill(this.pid, name)
  }

  kill() {
    try {
      this.signal('SIGCONT')
      this.signal('SIGKILL')
    } catch {}
    return this.exited
  }

  /** Ends it as a program ends that is done: nothing is closed by hand. */
  end() {
    this.#process.disconnect()
    return this.exited
  }
}

async function actor(options) {
  const made = new Actor(options)
  await made.ready
  return made
}

const actors = (count, options) => Promise.all(Array.from({ length: count }, () => actor(options)))

let buses = 0
/** A bus name nobody else uses. */
const busName = () => `crash-${process.pid}-${buses++}`

const ROOT = `/dev/shm/slabcast-${process.geteuid()}`
const folderOf = (bus) => path.join(ROOT, bus)

function list(folder) {
  try {
    return fs.readdirSync(folder).sort()
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

/** Every file of slabcast's there is, in /dev/shm and the temp folder. Only where `isolate` gave ''. */
function left() {
  const found = []
  const walk = (folder) => {
    for (const name of list(folder)) {
      const file = path.join(folder, name)
      found.push(file)
      if (fs.lstatSync(file, { throwIfNoEntry: false })?.isDirectory()) walk(file)
    }
  }
  for (const name of list('/dev/shm')) if (name.startsWith('slabcast')) found.push(path.join('/dev/shm', name))
  for (const folder of [...found]) if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) walk(folder)
  for (const name of list(os.tmpdir())) found.push(path.join(os.tmpdir(), name))
  return found
}

/** A folder for what the tests write down themselves. */
function scratch(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'crash-slabcast-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  return folder
}

module.exports = {
  Actor,
  actor,
  actors,
  busName,
  folderOf,
  isolate,
  later,
  left,
  list,
  longest,
  random,
  ROOT,
  rounds,
  scratch,
  until,
  WATCHDOG,
}

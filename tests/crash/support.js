'use strict'

// What crash tests share: a place of their own (isolation.js), processes that do as they are told and may be killed,
// waiting for a condition under a watchdog, a seed that replays.

const { fork } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { after } = require('node:test')
const { canStop, exists, filesOf, folderOf, isWindows, segmentFile, segmentOf } = require('../node/support/system')
const { isolate, left, list, ROOT, segments } = require('./isolation')
const { generator } = require('./random')

/** Multiplies what a test repeats. */
const rounds = Number(process.env.SLABCAST_ROUNDS ?? 1)
/** Nothing is expected to take this long. */
const WATCHDOG = Number(process.env.SLABCAST_TEST_WATCHDOG ?? 120_000)

/** Numbers in [0, 1) from a printed seed: SLABCAST_SEED replays. */
function random() {
  const seed = Number(process.env.SLABCAST_SEED ?? Math.floor(Math.random() * 2 ** 32)) >>> 0
  console.log(`# SLABCAST_SEED=${seed}`)
  return generator(seed)
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
const folders = []
// Also where a test failed: they would keep this process waiting. And there are systems that let go of no file that is open.
after(async () => {
  await Promise.all([...alive].map((actor) => actor.kill()))
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true })
})

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
      if (canStop) this.signal('SIGCONT')
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

/** A folder for what the tests write down themselves, until all their processes have ended. */
function scratch() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'crash-slabcast-'))
  folders.push(folder)
  return folder
}

module.exports = {
  Actor,
  actor,
  actors,
  busName,
  canStop,
  exists,
  filesOf,
  folderOf,
  isolate,
  isWindows,
  later,
  left,
  list,
  longest,
  random,
  ROOT,
  rounds,
  scratch,
  segmentFile,
  segmentOf,
  segments,
  until,
  WATCHDOG,
}

'use strict'

// Three participants that run program.js, and what comes of it.

const assert = require('node:assert/strict')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { runWith } = require('../../node/support/process')
const { until } = require('../../node/support/wait')
const { ROLES } = require('./program')

const PROGRAM = path.join(__dirname, 'program.js')
const THREAD = path.join(__dirname, 'thread.js')
const MODULE = 'slabcast/broadcast-channel'
const CLEAN = { code: 0, signal: null }

/** A worker_thread that runs the program, with the class of a module or Node's own: as a child process is. */
class Thread {
  #said = []
  #ended

  constructor(t, role, module, bus) {
    const env = { ...process.env, SLABCAST_BUS: bus }
    this.worker = new Worker(THREAD, { workerData: { role, module }, env })
    this.worker.on('message', (said) => this.#said.push(said))
    this.worker.on('error', (error) => this.#said.push({ failed: error.stack }))
    this.worker.on('exit', (code) => {
      this.#ended = { code, signal: null }
    })
    t.after(() => this.worker.terminate())
  }

  say(what) {
    this.worker.postMessage(what)
  }

  async hear() {
    await until(() => this.#said.length > 0 || this.#ended, 'a thread says something')
    const said = this.#said.shift()
    if (said?.failed ?? !said) throw new Error(`in the thread: ${said?.failed}`)
    return said
  }

  async end() {
    await until(() => this.#ended, 'a thread ends by itself')
    return this.#ended
  }
}

/** Lets three run the program, and asks what came of it. */
async function conduct(participants) {
  for (;;) {
    const said = []
    for (const participant of participants) said.push(await participant.hear())
    if (said[0].outcome) {
      for (const participant of participants) assert.deepEqual(await participant.end(), CLEAN, 'it ends by itself')
      return Object.fromEntries(ROLES.map((role, at) => [role, said[at].outcome]))
    }
    for (const participant of participants) participant.say('go on')
  }
}

const ways = {
  "Node's, in threads": (t) => ROLES.map((role) => new Thread(t, role)),
  'ours, in threads': (t, bus) => ROLES.map((role) => new Thread(t, role, MODULE, bus)),
  'ours, in processes': (t, bus) =>
    ROLES.map((role) =>
      runWith(
        t,
        { env: { SLABCAST_BUS: bus } },
        (tools, program, module, role) => require(program).program(require(module).BroadcastChannel, role, tools),
        PROGRAM,
        MODULE,
        role,
      ),
    ),
}

module.exports = { conduct, ways }

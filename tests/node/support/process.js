'use strict'

// Processes of a test. A child's code stands where it is used, as a function that is sent to the child as text: it sees
// `require`, what it is given, and nothing of the test around it.

const { fork, spawn } = require('node:child_process')
const path = require('node:path')
const { until } = require('./wait')

const CHILD = path.join(__dirname, 'child.js')

/** A child process under test: what it says is kept until somebody hears it. */
class Child {
  #said = []
  /** { code, signal } once it has ended. */
  ended
  output = ''
  errors = ''

  constructor(t, child) {
    this.process = child
    child.on('message', (said) => this.#said.push(said))
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      this.output += text
    })
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      this.errors += text
    })
    child.on('close', (code, signal) => {
      this.ended = { code, signal }
    })
    child.on('error', (error) => {
      this.errors += error
    })
    t.after(() => this.kill())
  }

  get pid() {
    return this.process.pid
  }

  say(what) {
    this.process.send(what)
  }

  /** The next thing it says. Fails if it ends without a word, or says that it failed. */
  async hear() {
    await until(() => this.#said.length > 0 || this.ended, 'a child says something')
    if (this.#said.length === 0)
      throw new Error(`the child ended (${JSON.stringify(this.ended)}) without a word: ${this.errors}`)
    const said = this.#said.shift()
    if (said?.failed) throw new Error(`in the child: ${said.failed}`)
    return said
  }

  /** Everything it said and nobody heard. */
  get unheard() {
    return [...this.#said]
  }

  /** How it ended: { code, signal }. */
  async end() {
    await until(
      () => this.ended,
      () => `a child ends by itself; it said ${JSON.stringify(this.#said)} ${this.errors}`,
    )
    return this.ended
  }

  async kill() {
    if (this.ended) return
    this.process.kill('SIGKILL')
    await until(() => this.ended, 'a killed child ends')
  }
}

const environment = (env) => {
  const merged = { ...process.env, ...env }
  for (const key of Object.keys(merged)) if (merged[key] === undefined) delete merged[key]
  // What the test runner tells its own children is none of ours.
  delete merged.NODE_TEST_CONTEXT
  delete merged.NODE_OPTIONS
  return merged
}

/**
 * Forks a child that runs `work({ say, hear, until }, ...args)`, a self-contained function. The channel to the test does not
 * keep the child alive but while it hears.
 */
function run(t, work, ...args) {
  return runWith(t, {}, work, ...args)
}

/** As `run`, with options of `fork`. */
function runWith(t, { env, ...options }, work, ...args) {
  const child = fork(CHILD, [], {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    ...options,
    env: environment(env),
  })
  child.send({ work: work.toString(), args })
  return new Child(t, child)
}

/** An application of its own: a process without a channel to this one, running a file; by another Node than ours if asked to. */
function application(t, args, { env, execPath = process.execPath, ...options } = {}) {
  const child = spawn(execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options, env: environment(env) })
  return new Child(t, child)
}

module.exports = { application, run, runWith }

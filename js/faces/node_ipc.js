'use strict'

// The calls of the addon node_ipc: what a worker writes, every other worker reads. As there it is one for a process (here: for a
// thread), so what it knows is the module's: its place on the bus, what has come, and who wants to know.

const { errorMonitor } = require('node:events')
const { open, SlabcastError } = require('../index.js')
const { invalidArgType } = require('../errors')
const { Inbox } = require('../inbox')
const { integer, listener, messagesOptions } = require('../options')
const { carried, nameOf, topicOf } = require('./names')
const { withBus } = require('./options')

const TOPIC = topicOf('node_ipc', 'messages')
/** Threads that a bus can have places for. */
const MOST_MEMBERS = 4096

/** From an init to `processExit`: this thread among the others. */
class Place {
  #bus
  #isOwn
  #subscription
  /** Who has written and waits for room: { resolve, reject }. */
  #writers = []

  constructor(options, workers) {
    const { bus } = withBus(options)
    this.#isOwn = options?.bus === undefined
    this.#bus = this.#isOwn ? open({ members: Math.min(256 + workers, MOST_MEMBERS) }) : bus
    this.#bus.on('drain', this.#settle).on(errorMonitor, this.#settle)
  }

  listen(arrived) {
    // What keeps the process alive is a callback that wants to know.
    this.#subscription = this.#bus.subscribe(TOPIC, arrived, { echo: false }).unref()
  }

  holdProcess() {
    this.#subscription?.ref()
  }

  /** The promise is there to be waited for by who writes too fast. */
  write(text) {
    if (this.#bus.publish(TOPIC, carried(text))) return Promise.resolve()
    return new Promise((resolve, reject) => this.#writers.push({ resolve, reject }))
  }

  #settle = (error) => {
    for (const { resolve, reject } of this.#writers.splice(0)) error ? reject(error) : resolve()
  }

  /** At once; what was written and is not out yet is flushed. */
  async leave() {
    this.#subscription?.unsubscribe()
    if (this.#isOwn) await this.#bus.close()
    this.#bus.off('drain', this.#settle).off(errorMonitor, this.#settle)
    this.#settle()
  }
}

/** Where this thread is, if it is anywhere. */
let place
/** What has come and was not read. */
let unread = new Inbox(0)
/** What the callback that runs was given: for it, that is not read yet. */
let handed
/** Of `callSafeFunc`; and who waits in `callNodeFunc`. */
const callbacks = []
const waiting = new Set()
/** The semaphore of this worker. Nobody else can have it, so nobody else need know of it. */
let isFree = true
const requiring = []

async function masterInit(workers, options) {
  integer('workers', workers, 1, MOST_MEMBERS)
  const next = new Place(options, workers)
  place?.leave()
  place = next
}

async function workerInit(workers, index, options) {
  integer('workers', workers, 1, MOST_MEMBERS)
  integer('index', index, 0, workers - 1)
  const { inbox } = messagesOptions({ inbox: options?.inbox })
  const next = new Place(options, workers)
  try {
    next.listen(arrived)
  } catch (error) {
    next.leave()
    throw error
  }
  place?.leave()
  place = next
  unread = new Inbox(inbox)
  if (callbacks.length > 0) place.holdProcess()
}

async function testShmWrite(text) {
  if (typeof text !== 'string') throw invalidArgType('text', 'of type string', text)
  if (!place) throw new SlabcastError('ERR_CLOSED', 'This process has not joined: call masterInit or workerInit first')
  await place.write(text)
}

function arrived(message, meta) {
  if (nameOf(message) === undefined) return // not from these calls
  unread.add({ body: nameOf(message), meta })
  for (const end of waiting) end()
  queueMicrotask(callBack)
}

function testShmRead() {
  const data = handed ?? read()
  handed = undefined
  return data
}

function read() {
  const missed = unread.takeMissed()
  if (missed !== undefined) {
    const told = `${missed.lost} messages had to go unread: read more often, or give workerInit a larger inbox`
    process.emitWarning(told, { type: 'SlabcastWarning', code: 'SLABCAST_GAP' })
  }
  const texts = []
  while (!unread.isEmpty) texts.push(unread.take().body)
  return `[${texts.join(',')}]`
}

function callSafeFunc(callback) {
  callbacks.push(listener('callback', callback))
  place?.holdProcess()
  queueMicrotask(callBack)
}

/** Due for each message, once all that have come together are there: the first takes them all. */
function callBack() {
  if (unread.isEmpty || callbacks.length === 0) return
  const data = read()
  // Each by itself: what one throws is an uncaught exception, and none of the others' business.
  for (const callback of callbacks) queueMicrotask(() => hand(callback, data))
}

function hand(callback, data) {
  // The demo that was published takes no argument, and calls testShmRead.
  handed = data
  try {
    if (callbacks.length > 0) callback(data)
  } finally {
    handed = undefined
  }
}

function callNodeFunc() {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      waiting.delete(end)
      resolve(100)
    }
    const timer = setTimeout(end, 1000)
    waiting.add(end)
    if (!unread.isEmpty) end()
  })
}

async function testSemaRequire() {
  if (!isFree) await new Promise((resolve) => requiring.push(resolve))
  isFree = false
}

async function testSemaRelease() {
  const next = requiring.shift()
  if (next) next()
  else isFree = true
}

function processExit() {
  callbacks.length = 0
  unread.clear()
  for (const end of waiting) end()
  place?.leave()
  place = undefined
}

const show = () => process.pid
const init = () => {} // there is nothing to be done before the others

module.exports = {
  masterInit,
  workerInit,
  testShmWrite,
  testShmRead,
  callSafeFunc,
  callNodeFunc,
  testSemaRequire,
  testSemaRelease,
  processExit,
  show,
  init,
}

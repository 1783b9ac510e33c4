'use strict'

// What `for await` goes through: a subscription whose messages wait, up to a bound, for a loop that takes one at a time.

const { Inbox, NOTHING } = require('./inbox')

/** What is due when the JavaScript that runs has returned. */
const SETTLED = Promise.resolve()

const DONE = { value: undefined, done: true }

/** The side of the subscription: takes parcels in, and is told of the end. */
class Loop {
  #inbox
  #topic
  #bus
  /** Calls of next() that wait, oldest first: { resolve, reject }. */
  #calls = []
  #isOver = false
  #error
  /** Somebody who waited was handed a message and has not run since. */
  #isRoused = false
  /** Told when the next one is taken. */
  #whenTaken

  /**
   * @param {string} topic
   * @param {number} inbox bytes
   * @param {{ open: (parcel: object) => unknown, gap: (gap: object) => void }} bus `open` gives a parcel's message, or NOTHING
   */
  constructor(topic, inbox, bus) {
    this.#topic = topic
    this.#inbox = new Inbox(inbox)
    this.#bus = bus
  }

  /** Whether the next message comes too soon: a loop that keeps up must get a chance to run before anything goes. */
  mustWait(length) {
    return this.#isRoused && !this.#inbox.hasRoom(length)
  }

  /** Whether one more makes no other go. Else who can wait with it is told once one was taken. */
  canTake(length, whenTaken) {
    const can = this.#calls.length > 0 || this.#inbox.hasRoom(length)
    this.#whenTaken = can ? undefined : whenTaken
    return can
  }

  add(parcel) {
    if (this.#calls.length === 0) {
      this.#inbox.add(parcel)
      return
    }
    const item = this.#open(parcel)
    if (item === undefined) return
    this.#calls.shift().resolve(item)
    if (this.#isRoused) return
    this.#isRoused = true
    SETTLED.then(this.#hasRun)
  }

  #hasRun = () => {
    this.#isRoused = false
  }

  next() {
    for (let parcel = this.#take(); parcel !== undefined; parcel = this.#take()) {
      const item = this.#open(parcel)
      if (item !== undefined) return Promise.resolve(item)
    }
    if (this.#error) {
      const error = this.#error
      this.#error = undefined
      return Promise.reject(error)
    }
    if (this.#isOver) return Promise.resolve(DONE)
    return new Promise((resolve, reject) => this.#calls.push({ resolve, reject }))
  }

  /** The next that waits, after it was told what had to go before it. */
  #take() {
    const missed = this.#inbox.takeMissed()
    if (missed !== undefined) this.#bus.gap({ topic: this.#topic, ...missed, reason: 'overwritten' })
    const parcel = this.#inbox.take()
    this.#whenTaken?.()
    this.#whenTaken = undefined
    return parcel
  }

  #open(parcel) {
    const message = this.#bus.open(parcel)
    return message === NOTHING ? undefined : { value: { message, meta: parcel.meta }, done: false }
  }

  /** Nothing more comes. With an error, what waits is still handed out, and then the error, once; without, nothing is. */
  end(error) {
    if (this.#isOver) return
    this.#isOver = true
    if (error === undefined) this.drop()
    else if (this.#calls.length > 0) this.#calls.shift().reject(error)
    else this.#error = error
    for (const { resolve } of this.#calls.splice(0)) resolve(DONE)
  }

  /** Whoever takes messages wants none of those that wait. */
  drop() {
    this.#inbox.clear()
    this.#error = undefined
  }
}

/** The side of the user. */
class Messages {
  #loop
  #subscription

  constructor(loop, subscription) {
    this.#loop = loop
    this.#subscription = subscription
  }

  /** The next message; calls that wait are served in order. */
  next() {
    return this.#loop.next()
  }

  /** Ends the subscription; what waits is dropped. */
  async return(value) {
    this.#end()
    return { value, done: true }
  }

  /** As `return`, and fails with `error`. */
  async throw(error) {
    this.#end()
    throw error
  }

  #end() {
    this.#subscription.unsubscribe()
    this.#loop.drop()
  }
}

// As Node's own async iterators: what the language adds to them (helpers, disposal) these have, too.
const AsyncIterator = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}.prototype))
Object.setPrototypeOf(Messages.prototype, AsyncIterator)
Object.defineProperty(Messages.prototype, Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose'), {
  value: async function dispose() {
    await this.return()
  },
  writable: true,
  configurable: true,
})

module.exports = { Loop, Messages }

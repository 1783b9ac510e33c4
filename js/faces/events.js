'use strict'

// One EventEmitter in many processes: what is emitted in one calls the listeners there at once, and those in the others when it comes to them.

const { AsyncResource } = require('node:async_hooks')
const { randomInt } = require('node:crypto')
const { EventEmitter } = require('node:events')
const { invalidArgType } = require('../errors')
const { SlabcastError } = require('../index.js')
const { topicOf } = require('./names')
const { withBus } = require('./options')

/**
 * What an emitter tells of itself. An 'error' is its process' own, too: where nobody listens it is thrown, with whatever hangs
 * on it, and it can never be refused because that cannot travel.
 */
const OWN = ['error', 'newListener', 'removeListener']

/** Stays here. A symbol is known to this thread alone. */
const isLocal = (event) => typeof event === 'symbol' || OWN.includes(String(event))

class BusEmitter extends EventEmitter {
  #bus
  #name
  /** Tells its own events, when they come back from the bus, from all others'. */
  #id = randomInt(2 ** 48 - 1)
  /** By event: of those that have listeners here. */
  #subscriptions = new Map()
  #subscribe
  #isClosed = false

  constructor(options) {
    const { bus, name = '' } = withBus(options)
    if (typeof name !== 'string') throw invalidArgType('options.name', 'of type string', name)
    super(options)
    this.#bus = bus
    this.#name = name
    // What comes from elsewhere has no async context of its own; that of whoever listened first would be a wrong one.
    this.#subscribe = AsyncResource.bind((event) => bus.subscribe(this.#topicOf(event), this.#heard(event)))
  }

  emit(event, ...args) {
    if (!isLocal(event)) {
      this.#mustBeOpen()
      // First: what a listener emits comes after it elsewhere, too, and one that throws, or changes what it is given, does so here alone.
      this.#bus.publish(this.#topicOf(String(event)), [this.#id, ...args])
    }
    return super.emit(event, ...args)
  }

  #topicOf(event) {
    return this.#subscriptions.get(event)?.topic ?? topicOf('events', this.#name, event)
  }

  #heard(event) {
    return (message) => {
      if (Array.isArray(message) && message[0] !== this.#id) super.emit(event, ...message.slice(1))
    }
  }

  on(event, listener) {
    return this.#add(event, () => super.on(event, listener))
  }

  addListener(event, listener) {
    return this.on(event, listener)
  }

  prependListener(event, listener) {
    return this.#add(event, () => super.prependListener(event, listener))
  }

  /** Whoever is added hears what is emitted from then on, or was not added. */
  #add(event, add) {
    if (isLocal(event)) return add()
    const name = String(event)
    this.#listen(name)
    try {
      add()
      // A listener of 'newListener' may have removed all others meanwhile.
      this.#listen(name)
    } finally {
      this.#letGo(name)
    }
    return this
  }

  removeListener(event, listener) {
    try {
      return super.removeListener(event, listener)
    } finally {
      this.#letGo(event)
    }
  }

  off(event, listener) {
    return this.removeListener(event, listener)
  }

  removeAllListeners(...events) {
    try {
      return super.removeAllListeners(...events)
    } finally {
      for (const event of events.length > 0 ? events : [...this.#subscriptions.keys()]) this.#letGo(event)
    }
  }

  #listen(event) {
    if (this.#subscriptions.has(event)) return
    this.#mustBeOpen()
    this.#subscriptions.set(event, this.#subscribe(event))
  }

  /** Where nobody listens any more. */
  #letGo(event) {
    if (isLocal(event) || this.listenerCount(event) > 0) return
    const name = String(event)
    this.#subscriptions.get(name)?.unsubscribe()
    this.#subscriptions.delete(name)
  }

  /** Its listeners hear nothing more from elsewhere. The bus stays open. */
  close() {
    this.#isClosed = true
    for (const subscription of this.#subscriptions.values()) subscription.unsubscribe()
    this.#subscriptions.clear()
  }

  #mustBeOpen() {
    if (this.#isClosed) throw new SlabcastError('ERR_CLOSED', 'The emitter is closed: make a new one to go on')
  }
}

module.exports = { BusEmitter }

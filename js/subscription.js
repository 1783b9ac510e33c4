'use strict'

// One listener on one topic. It knows when it begins and whether it lives; which messages there are, its membership knows.

const { AsyncResource } = require('node:async_hooks')

// For js/ alone: symbols, so that users do not meet them.
const deliverTo = Symbol('deliverTo')
const isOf = Symbol('isOf')
const isReferenced = Symbol('isReferenced')

class Subscription {
  #listener
  #once
  #echo
  #signal
  #onAbort
  #resource
  #owner
  #referenced = true
  #active = true

  /**
   * @param {string} topic checked
   * @param {Function} listener checked
   * @param {{ echo: boolean, once: boolean, raw: boolean, signal?: AbortSignal }} options checked; not aborted
   * @param {{ ended: () => void, referenceChanged: () => void }} owner told when it ends and when it begins or ceases to
   *   keep the process alive
   */
  constructor(topic, listener, { echo, once, raw, signal }, owner) {
    Object.defineProperties(this, {
      topic: { value: topic, enumerable: true },
      raw: { value: raw, enumerable: true },
    })
    this.#listener = listener
    this.#once = once
    this.#echo = echo
    this.#owner = owner
    // The listener runs in the async context of the subscribe() call, as a callback of any Node API would.
    this.#resource = new AsyncResource('SLABCAST_SUBSCRIPTION', { requireManualDestroy: true })
    this.#signal = signal
    this.#onAbort = signal && (() => this.unsubscribe())
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** Ends it: the listener is not called any more after this returns. Again, or after `close`: no effect. */
  unsubscribe() {
    if (!this.#active) return
    this.#active = false
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#resource.emitDestroy()
    this.#owner.ended()
  }

  /** Keeps the process alive while it lives (the default). */
  ref() {
    return this.#setReferenced(true)
  }

  /** Lets the process end though it lives. */
  unref() {
    return this.#setReferenced(false)
  }

  #setReferenced(referenced) {
    this.#referenced = referenced
    if (this.#active) this.#owner.referenceChanged()
    return this
  }

  get [isReferenced]() {
    return this.#active && this.#referenced
  }

  [isOf](listener) {
    return listener === undefined || this.#listener === listener
  }

  /** Hands a message over, unless it is none of this subscription's; `own`: this thread published it. */
  [deliverTo](message, meta, own) {
    if (!this.#active || (own && !this.#echo)) return
    if (this.#once) this.unsubscribe()
    try {
      this.#resource.runInAsyncScope(this.#listener, undefined, message, meta)
    } catch (error) {
      // From a fresh stack, as an EventEmitter's would be: the other listeners still get the message.
      process.nextTick(rethrow, error)
    }
  }
}

Subscription.prototype[Symbol.dispose ?? Symbol.for('nodejs.dispose')] = Subscription.prototype.unsubscribe

function rethrow(error) {
  throw error
}

module.exports = { deliverTo, isOf, isReferenced, rethrow, Subscription }

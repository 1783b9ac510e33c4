'use strict'

// One listener on one topic, or on those a pattern matches. It knows when it begins and whether it lives; which messages there are, its membership knows.

const { AsyncResource } = require('node:async_hooks')
const { takesOne } = require('./signature')

// For js/ alone: symbols, so that users do not meet them.
const deliver = Symbol('deliver')
const hears = Symbol('hears')
const wantsMeta = Symbol('wantsMeta')
const within = Symbol('within')
const isOf = Symbol('isOf')
const isReferenced = Symbol('isReferenced')
const queue = Symbol('queue')
const reads = Symbol('reads')
const call = Symbol('call')
const answers = Symbol('answers')
const past = Symbol('past')
const fellBehind = Symbol('fellBehind')
const end = Symbol('end')

class Subscription {
  #listener
  #wantsMeta
  #once
  #echo
  #signal
  #onAbort
  #resource
  #owner
  #referenced = true
  #active = true

  /**
   * @param {string | undefined} topic checked; none with a pattern
   * @param {Function} listener checked
   * @param {{ group?: string, echo: boolean, once: boolean, raw: boolean, signal?: AbortSignal, pattern?: string, queue?: object, past?: object,
   *   reads?: object, answers?: boolean, fellBehind?: () => void }} options checked; not aborted. `queue` takes the messages in the listener's stead, unopened:
   *   { add(parcel), mustWait(length), canTake(length, whenTaken) }; `past`: where it begins, { replay }, { after } or { durable };
   *   `reads`: the topic it reads, where that is another than it is named after; `answers`: its listener answers to requests;
   *   `fellBehind`: after a cut-off it is told so, and then it gets what of what it missed is still there, and the gap is of the rest
   * @param {{ ended: (forget: boolean) => void, referenceChanged: (referenced: boolean) => void }} owner told when it ends and when it
   *   begins or ceases to keep the process alive
   */
  constructor(topic, listener, { group, echo, once, raw, signal, pattern, ...more }, owner) {
    const [name, value] = pattern === undefined ? ['topic', topic] : ['pattern', pattern]
    Object.defineProperties(this, {
      [name]: { value, enumerable: true },
      raw: { value: raw, enumerable: true },
      group: { value: group, enumerable: group !== undefined },
      [queue]: { value: more.queue },
      [past]: { value: more.past },
      [reads]: { value: more.reads ?? topic },
      [answers]: { value: more.answers === true },
      [fellBehind]: { value: more.fellBehind },
    })
    this.#listener = listener
    this.#wantsMeta = !takesOne(listener)
    this.#once = once
    this.#echo = echo
    this.#owner = owner
    // The listener runs in the async context of the subscribe() call, as a callback of any Node API would.
    this.#resource = new AsyncResource('SLABCAST_SUBSCRIPTION', { requireManualDestroy: true })
    this.#signal = signal
    this.#onAbort = signal && (() => this.unsubscribe())
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /**
   * Ends it: the listener is not called any more after this returns. Where a durable one stopped is forgotten. Again, or after
   * `close`: no effect.
   */
  unsubscribe() {
    this[end](true)
  }

  [end](forget) {
    if (!this.#active) return
    this.#active = false
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#resource.emitDestroy()
    this.#owner.ended(forget)
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
    if (this.#referenced !== referenced) {
      this.#referenced = referenced
      if (this.#active) this.#owner.referenceChanged(referenced)
    }
    return this
  }

  get [isReferenced]() {
    return this.#referenced
  }

  [isOf](listener) {
    return listener === undefined || this.#listener === listener
  }

  /** Whether the listener could see that it gets no meta. */
  get [wantsMeta]() {
    return this.#wantsMeta
  }

  /** Whether a message is for this subscription; `own`: this thread published it. */
  [hears](own) {
    return this.#active && (!own || this.#echo)
  }

  /** Calls a function in the async context of the subscribe() call. */
  [within](act, self, ...values) {
    return this.#resource.runInAsyncScope(act, self, ...values)
  }

  /** Calls the listener, `within` its context: what it returns, or throws, is the caller's. */
  [call](message, meta) {
    if (this.#once) this.unsubscribe()
    const listener = this.#listener
    return listener(message, meta)
  }

  /** Hands a message over that is for it, `within` its context. Returns what the listener does. */
  [deliver](message, meta) {
    if (this.#once) this.unsubscribe()
    const listener = this.#listener
    try {
      return listener(message, meta)
    } catch (error) {
      // From a fresh stack, as an EventEmitter's would be: the other listeners still get the message.
      process.nextTick(rethrow, error)
      return undefined
    }
  }
}

Subscription.prototype[Symbol.dispose ?? Symbol.for('nodejs.dispose')] = Subscription.prototype.unsubscribe

function rethrow(error) {
  throw error
}

module.exports = {
  ...{ answers, call, deliver, end, fellBehind, hears, isOf, isReferenced, past, queue, reads, wantsMeta, within },
  ...{ rethrow, Subscription },
}

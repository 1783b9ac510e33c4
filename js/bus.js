'use strict'

// The public Bus: one handle of a bus, with subscriptions and an end of its own. What the handles of one thread share is
// their membership.

const { EventEmitter } = require('node:events')
const { setTimeout: delay } = require('node:timers/promises')
const codec = require('./codec')
const { defaultBus } = require('./discovery')
const { abortError, invalidArgType, SlabcastError } = require('./errors')
const { join, leave } = require('./membership')
const { Loop, Messages } = require('./messages')
const check = require('./options')
const { end, isOf, isReferenced, past, rethrow, Subscription } = require('./subscription')

/** What is to be watched for an event: see `Watches` in src/layout/member.rs. */
const WATCHED = { __proto__: null, join: 1, leave: 1, interest: 2 }

/** How long it is waited, at the longest, before it is looked again whether all is settled; in ms. */
const LONGEST_WAIT = 16

/** Attaches at once: what `open` does, and the default bus does not. */
const attach = Symbol('attach')

class Bus extends EventEmitter {
  #options
  #membership
  #subscriptions = new Set()
  /** Subscriptions that keep the process alive. */
  #holding = 0
  #referenced = true
  #closing
  #lost
  /** Those who wait for an empty outbox. */
  #waiting = []
  /** What the membership sees of this handle. */
  #port

  constructor(options) {
    super()
    this.#options = options
    this.#port = {
      outbox: options.outbox,
      stallTimeout: options.stallTimeout,
      spin: options.spin,
      holdsProcess: () => this.#referenced && this.#holding > 0,
      has: (subscription) => this.#subscriptions.has(subscription),
      check: () => this.#mustBeOpen(),
      drained: () => this.#drained(),
      gap: (gap) => this.#tellGap(gap),
      news: (event, facts) => this.#tell(event, facts),
      lose: (error) => this.#lose(error),
    }
  }

  publish(topic, message, options) {
    const raw = options === undefined ? false : check.publishOptions(options)
    return this[attach]().publish(this.#port, topic, message, raw)
  }

  publishMany(topic, messages) {
    check.topic(topic)
    check.iterable('messages', messages)
    return this[attach]().publishMany(this.#port, topic, messages)
  }

  subscribe(topic, listener, options) {
    check.topic(topic)
    check.listener('listener', listener)
    const checked = check.subscribeOptions(options)
    return this.#subscribe(this.#begin(checked.signal), topic, listener, checked)
  }

  /** Subscribes to all topics that a pattern matches. */
  psubscribe(pattern, listener, options) {
    check.pattern(pattern)
    check.listener('listener', listener)
    const checked = { ...check.patternOptions(options), pattern }
    return this.#subscribe(this.#begin(checked.signal), undefined, listener, checked)
  }

  /** Messages for a loop: `for await (const { message, meta } of bus.messages(topic))`. */
  messages(topic, options) {
    check.topic(topic)
    const { inbox, ...checked } = check.messagesOptions(options)
    const membership = this.#begin(checked.signal)
    const loop = new Loop(topic, inbox, {
      open: (parcel) => membership.openParcel(parcel),
      gap: (gap) => this.#tellGap(gap),
    })
    return new Messages(
      loop,
      this.#subscribe(membership, topic, () => {}, { ...checked, queue: loop }),
    )
  }

  /** The membership, for what a signal ends, unless it has fired. */
  #begin(signal) {
    if (signal?.aborted) throw abortError(signal)
    return this[attach]()
  }

  /** Begins a subscription; `options` are checked. */
  #subscribe(membership, topic, listener, options) {
    const { signal, queue } = options
    const subscription = new Subscription(topic, listener, options, {
      ended: (forget) => {
        this.#ended(subscription, forget)
        queue?.end(this.#lost ?? (signal?.aborted ? abortError(signal) : undefined))
      },
      referenceChanged: (referenced) => this.#holds(referenced ? 1 : -1),
    })
    try {
      membership.subscribe(this.#port, subscription)
    } catch (error) {
      // It never began: nothing of it stays with the signal or the async context.
      subscription.unsubscribe()
      throw error
    }
    this.#subscriptions.add(subscription)
    this.#holds(1)
    return subscription
  }

  /** Ends this handle's subscriptions to a topic: all, or those of one listener. */
  unsubscribe(topic, listener) {
    check.topic(topic)
    if (listener !== undefined) check.listener('listener', listener)
    this.#mustBeOpen()
    for (const subscription of this.#membership?.subscriptionsTo(topic) ?? []) {
      if (this.#subscriptions.has(subscription) && subscription[isOf](listener)) subscription.unsubscribe()
    }
  }

  /** Asks all who respond to a topic: the first answer, or error of a handler. */
  request(topic, message, options) {
    return this.#request(topic, message, options, false)
  }

  /** As `request`: what became of each of those who were asked, as of Promise.allSettled. */
  requestMany(topic, message, options) {
    return this.#request(topic, message, options, true)
  }

  async #request(topic, message, options, all) {
    check.topic(topic)
    const { timeout, signal } = check.requestOptions(options)
    const membership = this.#begin(signal)
    this.#holds(1)
    try {
      return await membership.request(this.#port, topic, message, { timeout, signal, all })
    } finally {
      this.#holds(-1)
    }
  }

  /** Answers to the requests of a topic: with what the handler returns, its promise gives, or it throws. */
  respond(topic, handler, options) {
    check.topic(topic)
    check.listener('handler', handler)
    const checked = check.respondOptions(options)
    return this.#subscribe(this.#begin(checked.signal), topic, handler, { ...checked, answers: true })
  }

  /** Resolves once all that this thread has published was consumed by those who are subscribed to it, or they are gone. */
  async settled() {
    for (let wait = 1; !this[attach]().isSettled(); wait = Math.min(2 * wait, LONGEST_WAIT)) await delay(wait)
  }

  /** The topics there are, or those of them that a pattern matches. */
  topics(pattern) {
    if (pattern !== undefined) check.pattern(pattern)
    return this[attach]().topics(pattern)
  }

  /** The threads that are attached, in the order in which they came. */
  members() {
    return this[attach]().members()
  }

  on(event, listener) {
    this.#listens(event)
    return super.on(event, listener)
  }

  addListener(event, listener) {
    return this.on(event, listener)
  }

  prependListener(event, listener) {
    this.#listens(event)
    return super.prependListener(event, listener)
  }

  /** Attaches for those events that tell what others do. */
  #listens(event) {
    const what = WATCHED[event]
    if (what !== undefined && !this.#closing && !this.#lost) this[attach]().watch(what)
  }

  /** Where the bus stands, who holds its slab, and what this thread has done. */
  stats() {
    return this[attach]().stats()
  }

  encode(value) {
    return codec.encode(value)
  }

  decode(bytes) {
    return decode(bytes)
  }

  /** Its subscriptions keep the process alive (the default). */
  ref() {
    this.#referenced = true
    this.#membership?.referenceChanged()
    return this
  }

  /** The process may end though this bus has subscriptions. */
  unref() {
    this.#referenced = false
    this.#membership?.referenceChanged()
    return this
  }

  /** Ends all subscriptions, flushes the outbox, leaves the bus. */
  close() {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close() {
    const subscriptions = [...this.#subscriptions]
    for (const subscription of subscriptions) subscription[end](false)
    const membership = this.#membership
    if (!membership) return
    membership.abandon(this.#port, closed())
    // Called from a listener, perhaps, that is about to return, or to settle: it has handled its message then.
    if (subscriptions.some((subscription) => subscription[past]?.durable)) await new Promise(setImmediate)
    // The outbox' timer keeps the process alive meanwhile.
    while (!membership.outboxIsEmpty && !this.#lost) {
      await new Promise((resolve) => {
        this.#waiting.push(resolve)
        membership.tellWhenEmpty(this.#port)
      })
    }
    this.#membership = undefined
    if (!this.#lost) leave(membership, this.#port)
  }

  /** For `open` in this folder; the other calls attach at their first use. */
  [attach]() {
    this.#mustBeOpen()
    this.#membership ??= join(named(this.#options), this.#port)
    return this.#membership
  }

  #mustBeOpen() {
    if (this.#lost) throw this.#lost
    if (this.#closing) throw closed()
  }

  #ended(subscription, forget) {
    if (!this.#subscriptions.has(subscription)) return
    // What its group missed may be told meanwhile: to this handle.
    this.#membership.unsubscribe(subscription, forget)
    this.#subscriptions.delete(subscription)
    if (subscription[isReferenced]) this.#holds(-1)
  }

  #holds(more) {
    this.#holding += more
    this.#membership?.referenceChanged()
  }

  #drained() {
    for (const resolve of this.#waiting.splice(0)) resolve()
    if (!this.#closing) this.emit('drain')
  }

  #tellGap(gap) {
    if (this.#tell('gap', gap)) return
    const { topic, from, to, lost, reason } = gap
    process.emitWarning(
      `${lost} messages of ${JSON.stringify(topic)} were missed (${from} to ${to}, ${reason}): listen to 'gap' to handle it`,
      { type: 'SlabcastWarning', code: 'SLABCAST_GAP' },
    )
  }

  /** True: somebody listens. What a listener throws does not keep the others from theirs. */
  #tell(event, facts) {
    try {
      return this.emit(event, facts)
    } catch (error) {
      process.nextTick(rethrow, error)
      return true
    }
  }

  /** As with any emitter, an 'error' that nobody listens to is an uncaught exception. */
  #lose(error) {
    this.#lost = error
    for (const subscription of [...this.#subscriptions]) subscription[end](false)
    if (this.#membership) leave(this.#membership, this.#port)
    this.#membership = undefined
    for (const resolve of this.#waiting.splice(0)) resolve()
    if (!this.#closing) this.emit('error', error)
  }
}

Bus.prototype[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')] = Bus.prototype.close

const closed = () => new SlabcastError('ERR_CLOSED', 'The bus is closed: open it anew to go on')

/** Options with the default bus' name where none was given. It is found at the first use. */
function named(options) {
  if (options.name !== undefined) return options
  const { name, from } = defaultBus()
  return { ...options, name: from ? check.busName(from, name) : name }
}

function decode(bytes) {
  if (ArrayBuffer.isView(bytes)) return codec.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  if (bytes instanceof ArrayBuffer) return codec.decode(Buffer.from(bytes))
  throw invalidArgType('bytes', 'an instance of Buffer, TypedArray, DataView or ArrayBuffer', bytes)
}

/** A handle of the bus the options name, attached. */
function open(options) {
  const bus = new Bus(check.openOptions(options))
  bus[attach]()
  return bus
}

module.exports = { Bus, decode, open }

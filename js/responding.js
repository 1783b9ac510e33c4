'use strict'

// The answering half of request and respond: the handlers of this thread, and what becomes of their values and errors.

const { encode } = require('./codec')
const { COUNT, described, ERROR, HELD, isEnvelope, shortened, VALUE, wrapped } = require('./envelopes')
const { askTopic, Insides, replyTopic } = require('./inside')
const { call, hears, Subscription, within } = require('./subscription')

/** In ms: how long a thread that responds no more says so to those who found it before. */
const GRACE = 100

/** Bytes of words to those who ask that wait in the outbox beyond its bound: no answer comes is a word, too. */
const BEYOND = 1024 * 1024

/** In ms: how long a handler that comes waits for the registry at the most, and one that goes; and when that is tried again. */
const [LOCK_WAIT, SHORT_WAIT, LATER] = [5000, 2, 50]

const NOBODY = { ended() {}, referenceChanged() {} }

/** The handlers of one topic that are in no group. */
class Desk {
  /** { subscription, handle, from, before } of each. */
  handlers = []
  /** What they are at: { handle, to, id } of each request. */
  inHand = new Set()
  /** Set while nobody who asks finds it any more: which closing it is. */
  closing
  /** Who spoke last for this thread: the handle of its newest handler. */
  handle

  constructor(topic, hear) {
    this.topic = topic
    const options = { reads: askTopic(topic), echo: true, once: false, raw: false }
    const listener = (envelope, meta) => hear(this, envelope, meta)
    this.reading = new Subscription(topic, listener, options, NOBODY)
  }
}

class Responding {
  #owner
  #member
  #maxMessage
  #desks = new Map()
  /** What reads for a handler in a group, by the handler's subscription, and the other way round. */
  #readings = new Map()
  #handlers = new Map()
  #replies

  /**
   * @param {object} owner `read` and `unread` begin and end a subscription, `beginning` is where one begins that joins it, `setNamed` says whether who looks finds it;
   *   `publishInside` takes bytes, and what is taken from groups counts as held after `keepTaken` until all of them are in the bus;
   *   `whenRead` acts once what is in the bus by now, up to `position`, was handed out here
   */
  constructor({ member, maxMessage, topics }, owner) {
    this.#owner = owner
    this.#member = member
    this.#maxMessage = maxMessage
    this.#replies = new Insides(replyTopic, topics)
  }

  /** Adds a handler: what is asked from now on is its. */
  add(handle, subscription) {
    if (subscription.group !== undefined) {
      this.#join(handle, subscription)
      return
    }
    const { topic } = subscription
    let from = this.#owner.position()
    let before = 0
    let desk = this.#desks.get(topic)
    if (desk !== undefined) ({ from, before } = this.#owner.beginning(desk.reading))
    if (desk === undefined) {
      desk = new Desk(topic, this.#hear)
      this.#owner.read(desk.reading)
      this.#desks.set(topic, desk)
    } else if (desk.closing) {
      this.#owner.setNamed(desk.reading, true, LOCK_WAIT)
      desk.closing = undefined
    }
    desk.handle = handle
    desk.handlers = [...desk.handlers, { subscription, handle, from, before }]
  }

  /** In a group: who takes a request, answers it, and nobody waits for another. */
  #join(handle, subscription) {
    const { topic, group } = subscription
    const options = { group, reads: askTopic(topic), echo: true, once: false, raw: false }
    let row
    const take = (envelope, meta) => this.#take(handle, subscription, row, envelope, meta)
    const reading = new Subscription(topic, take, options, NOBODY)
    row = this.#owner.read(reading).row
    this.#readings.set(subscription, reading)
    this.#handlers.set(reading, subscription)
  }

  #leave(subscription) {
    const reading = this.#readings.get(subscription)
    if (reading === undefined) return
    this.#readings.delete(subscription)
    this.#handlers.delete(reading)
    reading.unsubscribe()
    this.#owner.unread(reading)
  }

  /** The handler's subscription that something reads for; undefined: for none in a group. */
  handlerOf(reading) {
    return this.#handlers.get(reading)
  }

  /** The last number before a handle's first handler of what `reading` reads; undefined: it has none. */
  missedBy(handle, reading) {
    const desk = this.#desks.get(reading.topic)
    if (desk?.reading !== reading) return undefined
    const befores = desk.handlers.filter((handler) => handler.handle === handle).map(({ before }) => before)
    return befores.length > 0 ? Math.min(...befores) : undefined
  }

  remove(subscription) {
    if (subscription.group !== undefined) {
      this.#leave(subscription)
      return
    }
    const desk = this.#desks.get(subscription.topic)
    if (desk === undefined) return
    desk.handlers = desk.handlers.filter((handler) => handler.subscription !== subscription)
    this.#close(desk)
  }

  /** Nobody finds it any more; who had found it before waits for a word, that there is nobody here, and gets it. */
  #close(desk) {
    if (desk.handlers.length > 0 || desk.closing || this.#owner.closed) return
    try {
      this.#owner.setNamed(desk.reading, false, SHORT_WAIT)
    } catch {
      // The registry is held by somebody who was stopped.
      setTimeout(() => this.#close(desk), LATER).unref()
      return
    }
    const closing = {}
    desk.closing = closing
    // Who found it may be about to publish.
    setTimeout(() => {
      if (!this.#owner.closed) this.#owner.whenRead(() => this.#clear(desk, closing))
    }, GRACE).unref()
  }

  #clear(desk, closing) {
    // It may have been opened since, and closed again.
    if (desk.closing !== closing || this.#owner.closed) return
    // Who asked and sees that nobody reads here any more is to know that it has it.
    for (const { handle, to, id } of desk.inHand) this.#say(handle, to, id, HELD, undefined)
    if (desk.inHand.size > 0 && !this.#owner.outboxIsEmpty) {
      setTimeout(() => this.#clear(desk, closing), LATER).unref()
      return
    }
    this.#desks.delete(desk.topic)
    desk.reading.unsubscribe()
    this.#owner.unread(desk.reading)
  }

  #hear = (desk, envelope, meta) => {
    if (!isEnvelope(envelope)) return
    const [member, id, message] = envelope
    const own = meta.publisher.member === this.#member
    const handlers = desk.handlers.filter(({ subscription, from }) => meta.position >= from && subscription[hears](own))
    const to = this.#replies.of(member)
    if (handlers.length !== 1) this.#say(desk.handle, to, id, COUNT, handlers.length)
    const about = { ...meta, topic: desk.topic }
    for (const { subscription, handle } of handlers) {
      subscription[within](this.#answer, undefined, desk, subscription, handle, message, about, to, id)
      if (this.#owner.closed) return
    }
  }

  #answer = async (desk, subscription, handle, message, meta, to, id) => {
    const one = { handle, to, id }
    desk.inHand.add(one)
    await this.#serve(subscription, handle, message, meta, to, id)
    desk.inHand.delete(one)
  }

  /** A request that was taken from a group: said before the handler runs, which may be the last that is heard of this process. */
  #take(handle, subscription, row, envelope, meta) {
    if (!isEnvelope(envelope)) return
    const [member, id, message] = envelope
    const to = this.#replies.of(member)
    const isSaid = this.#say(handle, to, id, HELD, row)
    if (!isSaid) this.#owner.keepTaken()
    if (this.#owner.closed) return
    const about = { ...meta, topic: subscription.topic }
    subscription[within](this.#serve, undefined, subscription, handle, message, about, to, id)
  }

  /** Calls a handler, and sends what it gives. */
  #serve = async (subscription, handle, message, meta, to, id) => {
    let value
    try {
      value = await subscription[call](message, meta)
    } catch (error) {
      this.#say(handle, to, id, ERROR, described(error))
      return
    }
    this.#say(handle, to, id, VALUE, value)
  }

  /**
   * Sends a word to who asked. What cannot be sent, it is told; and where not even that, this process. False: it waits. Where the outbox
   * is full, short words wait beyond its bound.
   */
  #say(handle, to, id, kind, value, beyond = kind === VALUE || kind === ERROR ? 0 : BEYOND) {
    if (this.#owner.closed) return true
    try {
      return this.#owner.publishInside(handle, to, wrapped(id, kind, encode(value, this.#maxMessage)), { beyond })
    } catch (error) {
      if (this.#owner.closed) return true
      const shorter = kind === ERROR && error.code === 'ERR_MESSAGE_TOO_LARGE' ? shortened(value) : undefined
      const isFull = error.code === 'ERR_OUTBOX_FULL' && beyond === 0
      if (kind === VALUE) this.#say(handle, to, id, ERROR, described(error))
      else if (shorter !== undefined) this.#say(handle, to, id, ERROR, shorter, beyond)
      else if (isFull) this.#say(handle, to, id, ERROR, shortened(value) ?? value, BEYOND)
      else {
        process.emitWarning(`An answer could not be sent, and who asked waits for it in vain: ${error.message}`, {
          type: 'SlabcastWarning',
          code: 'SLABCAST_ANSWER',
        })
      }
      return true
    }
  }
}

module.exports = { Responding }

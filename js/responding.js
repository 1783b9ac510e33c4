'use strict'

// The answering half of request and respond: the handlers of this thread, and what becomes of their values and errors.

const { encode } = require('./codec')
const { COUNT, described, ERROR, isEnvelope, shortened, VALUE, wrapped } = require('./envelopes')
const { askTopic, Insides, replyTopic } = require('./inside')
const { call, hears, Subscription, within } = require('./subscription')

/** In ms: how long a thread that responds no more says so to those who found it before. */
const GRACE = 100

/** In ms: how long a handler that comes waits for the registry at the most, and one that goes; and when that is tried again. */
const [LOCK_WAIT, SHORT_WAIT, LATER] = [5000, 2, 50]

/** The handlers of one topic. */
class Desk {
  /** { subscription, handle, from, before } of each. */
  handlers = []
  /** Set while nobody who asks finds it any more: which closing it is. */
  closing
  /** Who spoke last for this thread: the handle of its newest handler. */
  handle

  constructor(topic, hear) {
    this.topic = topic
    const options = { reads: askTopic(topic), echo: true, once: false, raw: false }
    const listener = (envelope, meta) => hear(this, envelope, meta)
    this.reading = new Subscription(topic, listener, options, { ended() {}, referenceChanged() {} })
  }
}

class Responding {
  #owner
  #member
  #maxMessage
  #desks = new Map()
  #replies

  /**
   * @param {object} owner `read` and `unread` begin and end a subscription, `beginning` is where one begins that joins it, `setNamed` says whether who looks finds it;
   *   `publishInside` takes bytes; `whenRead` acts once what is in the bus by now, up to `position`, was handed out here
   */
  constructor({ member, maxMessage, topics }, owner) {
    this.#owner = owner
    this.#member = member
    this.#maxMessage = maxMessage
    this.#replies = new Insides(replyTopic, topics)
  }

  /** Adds a handler: what is asked from now on is its. */
  add(handle, subscription) {
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

  /** The last number before a handle's first handler of what `reading` reads; undefined: it has none. */
  missedBy(handle, reading) {
    const desk = this.#desks.get(reading.topic)
    if (desk?.reading !== reading) return undefined
    const befores = desk.handlers.filter((handler) => handler.handle === handle).map(({ before }) => before)
    return befores.length > 0 ? Math.min(...befores) : undefined
  }

  remove(subscription) {
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
      if (this.#owner.closed) return
      this.#owner.whenRead(() => {
        // It may have been opened since, and closed again.
        if (desk.closing === closing) this.#clear(desk)
      })
    }, GRACE).unref()
  }

  #clear(desk) {
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
      subscription[within](this.#serve, undefined, subscription, handle, message, about, to, id)
      if (this.#owner.closed) return
    }
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

  /** Sends a word to who asked. What cannot be sent, it is told; and where not even that, this process. */
  #say(handle, to, id, kind, value) {
    if (this.#owner.closed) return
    try {
      this.#owner.publishInside(handle, to, wrapped(id, kind, encode(value, this.#maxMessage)))
    } catch (error) {
      if (this.#owner.closed) return
      const shorter = kind === ERROR && error.code === 'ERR_MESSAGE_TOO_LARGE' ? shortened(value) : undefined
      if (kind === VALUE) this.#say(handle, to, id, ERROR, described(error))
      else if (shorter !== undefined) this.#say(handle, to, id, ERROR, shorter)
      else {
        process.emitWarning(`An answer could not be sent, and who asked waits for it in vain: ${error.message}`, {
          type: 'SlabcastWarning',
          code: 'SLABCAST_ANSWER',
        })
      }
    }
  }
}

module.exports = { Responding }

'use strict'

// The asking half of request and respond: what this thread has asked and waits for. Who is to answer, the registry knows; that
// an answer does not come, a look at those who were asked tells, or the time.

const { encode } = require('./codec')
const { COUNT, ERROR, isEnvelope, revived, VALUE, wrapped } = require('./envelopes')
const { abortError, SlabcastError } = require('./errors')
const { askTopic, Insides, replyTopic } = require('./inside')
const { Subscription } = require('./subscription')

/** How often, in ms, it is looked whether those who were asked still live. */
const LOOK = 50
/** Looks without a request, after which answers are not listened to any more: nobody is held back by a thread that asks seldom. */
const IDLE_LOOKS = 20
/** What a timer of Node's can wait. */
const LONGEST = 2 ** 31 - 1
const LAST_ID = 0xffffffff

const noResponders = (topic, reason) =>
  new SlabcastError('ERR_NO_RESPONDERS', `${reason} ${JSON.stringify(topic)}`, { topic })

/** What was asked once, of several. */
class Request {
  /** By member: answers it owes. Undefined until it is known who was asked. */
  #owed
  #results = []
  #timer
  #onAbort

  /** @param {(id: number) => void} settled told once, when nothing is waited for any more */
  constructor(id, handle, topic, { timeout, signal, all }, settled) {
    this.id = id
    this.handle = handle
    this.topic = topic
    this.all = all
    this.answer = new Promise((resolve, reject) => {
      this.resolve = (value) => this.#settle(resolve, value)
      this.fail = (error) => this.#settle(reject, error)
    })
    this.timeout = timeout
    this.signal = signal
    this.settled = settled
    if (timeout <= LONGEST) {
      this.#timer = setTimeout(() => this.#timedOut(), timeout)
      this.#timer.unref()
    }
    this.#onAbort = signal && (() => this.fail(abortError(signal)))
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get owing() {
    return this.#owed?.keys() ?? []
  }

  /** These members have it before them; each owes an answer, if it does not say otherwise. */
  wasPutTo(members) {
    this.#owed = new Map(members.map((member) => [member, 1]))
    this.#look()
  }

  /** A member says how many answers are to come from it. */
  expect(member, count) {
    if (!this.#owed?.has(member)) return
    this.#owe(member, count)
    this.#look()
  }

  take(member, result) {
    if (!this.all) {
      if (result.status === 'fulfilled') this.resolve(result.value)
      else this.fail(result.reason)
      return
    }
    this.#results.push(result)
    if (this.#owed?.has(member)) this.#owe(member, this.#owed.get(member) - 1)
    this.#look()
  }

  /** A member died or left, and what it had said by then was heard. */
  gone(member) {
    const owed = this.#owed?.get(member)
    if (owed === undefined) return
    this.#miss(owed, noResponders(this.topic, 'Its process ended before it answered to a request of'))
    this.#owe(member, 0)
    this.#look()
  }

  #owe(member, count) {
    if (count > 0) this.#owed.set(member, count)
    else this.#owed.delete(member)
  }

  #miss(count, reason) {
    for (let missed = 0; missed < count; missed++) this.#results.push({ status: 'rejected', reason })
  }

  /** Whether nobody owes anything any more. */
  #look() {
    if (this.#owed === undefined || this.#owed.size > 0) return
    if (this.all) this.resolve(this.#results)
    else this.fail(noResponders(this.topic, 'Nobody is left to answer to a request of'))
  }

  #timedOut() {
    const message = `Nobody answered to a request of ${JSON.stringify(this.topic)} within ${this.timeout} ms`
    const error = new SlabcastError('ERR_TIMEOUT', message, { topic: this.topic })
    if (!this.all) {
      this.fail(error)
      return
    }
    for (const owed of this.#owed?.values() ?? []) this.#miss(owed, error)
    this.resolve(this.#results)
  }

  #settle(how, value) {
    clearTimeout(this.#timer)
    this.signal?.removeEventListener('abort', this.#onAbort)
    this.settled(this.id)
    how(value)
  }
}

class Requests {
  #owner
  #member
  #replyTo
  #asks
  #maxMessage
  /** Those that wait, by id. */
  #waiting = new Map()
  #lastId = 0
  /** What hears the answers. */
  #subscription
  #looks
  #idleLooks = 0

  /**
   * @param {object} owner `check` throws when nothing can be done; `read` and `unread` begin and end a subscription;
   *   `publishInside` takes bytes; `subscribersOf` and `gone` say who is subscribed, and who of some has gone; `whenRead` acts once
   *   what is in the bus by now was handed out here
   */
  constructor({ member, maxMessage, topics }, owner) {
    this.#owner = owner
    this.#replyTo = replyTopic(member)
    this.#asks = new Insides(askTopic, topics)
    this.#maxMessage = maxMessage
    this.#member = member
  }

  /** The promise of the first answer or, of `all`, of what became of each. */
  ask(handle, topic, message, options) {
    const body = encode(message, this.#maxMessage)
    // User code may have run in it, and have closed this bus.
    this.#owner.check()
    const to = this.#asks.of(topic)
    let asked = this.#owner.subscribersOf(to)
    if (asked.length === 0) {
      if (options.all) return Promise.resolve([])
      throw noResponders(topic, 'Nobody responds to')
    }
    this.#listen()
    const id = this.#newId()
    const request = new Request(id, handle, topic, options, this.#settled)
    this.#waiting.set(id, request)
    try {
      // Whoever is there right before it is in the bus has it before them. It may wait in the outbox for long.
      const before = () => {
        asked = this.#owner.subscribersOf(to)
      }
      const after = () => request.wasPutTo(asked)
      this.#owner.publishInside(handle, to, wrapped(this.#member, id, body), { before, after })
    } catch (error) {
      request.fail(error)
    }
    return request.answer
  }

  /** Nobody waits any more for what a handle has asked. */
  abandon(handle, error) {
    for (const request of [...this.#waiting.values()]) if (request.handle === handle) request.fail(error)
  }

  /** With an error: the bus is lost. */
  close(error) {
    this.#ceaseLooking()
    for (const request of [...this.#waiting.values()]) request.fail(error)
  }

  #ceaseLooking() {
    clearInterval(this.#looks)
    this.#looks = undefined
  }

  #newId() {
    do this.#lastId = (this.#lastId % LAST_ID) + 1
    while (this.#waiting.has(this.#lastId))
    return this.#lastId
  }

  #settled = (id) => {
    this.#waiting.delete(id)
  }

  #listen() {
    this.#idleLooks = 0
    if (this.#subscription === undefined) {
      const options = { reads: this.#replyTo, echo: true, once: false, raw: false }
      const subscription = new Subscription(this.#replyTo.name, this.#hear, options, {
        ended() {},
        referenceChanged() {},
      })
      this.#owner.read(subscription)
      this.#subscription = subscription
    }
    this.#looks ??= setInterval(this.#look, LOOK).unref()
  }

  #hear = (envelope, meta) => {
    if (!isEnvelope(envelope)) return
    const [id, kind, value] = envelope
    // None: its time was over, or another's answer came first.
    const request = this.#waiting.get(id)
    if (request === undefined) return
    const { member } = meta.publisher
    if (kind === COUNT) request.expect(member, value)
    else if (kind === VALUE) request.take(member, { status: 'fulfilled', value })
    else if (kind === ERROR) request.take(member, { status: 'rejected', reason: revived(value) })
  }

  #look = () => {
    if (this.#waiting.size === 0) {
      if (++this.#idleLooks >= IDLE_LOOKS) this.#rest()
      return
    }
    const asked = new Set()
    for (const { owing } of this.#waiting.values()) for (const member of owing) asked.add(member)
    const gone = asked.size === 0 ? [] : this.#owner.gone([...asked])
    // What they said before is in the bus, and may not have been heard yet.
    if (gone.length > 0) this.#owner.whenRead(() => this.#gone(gone))
  }

  #gone(members) {
    for (const request of [...this.#waiting.values()]) for (const member of members) request.gone(member)
  }

  #rest() {
    this.#ceaseLooking()
    this.#subscription.unsubscribe()
    this.#owner.unread(this.#subscription)
    this.#subscription = undefined
  }
}

module.exports = { Requests }

'use strict'

// The asking half of request and respond: what this thread has asked and waits for. Who is to answer, the registry knows; that
// an answer does not come, a look at those who were asked tells, or the time.

const { encode } = require('./codec')
const { COUNT, ERROR, HELD, isCount, isEnvelope, revived, VALUE, wrapped } = require('./envelopes')
const { askTopic, Insides, replyTopic } = require('./inside')
const { noResponders, Request } = require('./request')
const { Subscription } = require('./subscription')

/** How often, in ms, it is looked whether those who were asked still live, and read. */
const LOOK = 50
/** Looks without a request, after which answers are not listened to any more: nobody is held back by a thread that asks seldom. */
const IDLE_LOOKS = 20
const LAST_ID = 0xffffffff

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
  /** The ids of those that were in the bus when answers were missed, until it is known which are lost for good. */
  #inDoubt = []

  /**
   * @param {object} owner `check` throws when nothing can be done; `read` and `unread` begin and end a subscription;
   *   `publishInside` takes bytes, and `publishedTo` is past where they are; `asked` says who is subscribed and what groups there are,
   *   `readersOf` who reads, `gone` who of some has gone, `lostInGroups` what nobody of a group has; `whenRead` acts once
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
    // User code may have run in it, and have closed this bus, or this handle of it.
    this.#owner.check()
    handle.check()
    const to = this.#asks.of(topic)
    let asked = this.#owner.asked(to)
    if (asked.members.length === 0 && asked.groups.length === 0) {
      if (options.all) return Promise.resolve([])
      throw noResponders(topic, 'Nobody responds to')
    }
    this.#listen()
    const id = this.#newId()
    const found = asked.members.length + asked.groups.length
    const request = new Request(id, handle, topic, to, { ...options, found }, this.#settled)
    this.#waiting.set(id, request)
    try {
      // Whoever is there right before it is in the bus has it before them. It may wait in the outbox for long.
      const before = () => {
        asked = this.#owner.asked(to)
      }
      const after = () => {
        request.wasPutTo(asked, asked.groups.length > 0 ? this.#owner.publishedTo() - 1 : undefined)
      }
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

  /** Answers are lost for good. True: `subscription` is what hears them. */
  missed(subscription, { lost }) {
    if (subscription !== this.#subscription) return false
    for (const id of this.#inDoubt.splice(0)) this.#waiting.get(id)?.mayHaveLost(lost)
    return true
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
      const options = { reads: this.#replyTo, echo: true, once: false, raw: false, fellBehind: this.#fellBehind }
      const subscription = new Subscription(this.#replyTo.name, this.#hear, options, {
        ended() {},
        referenceChanged() {},
      })
      this.#owner.read(subscription)
      this.#subscription = subscription
    }
    this.#looks ??= setInterval(this.#look, LOOK).unref()
  }

  /** This thread was cut off: what it missed is looked for in the slab. */
  #fellBehind = () => {
    this.#inDoubt = [...this.#waiting.values()].filter(({ isPut }) => isPut).map(({ id }) => id)
  }

  #hear = (envelope, meta) => {
    if (!isEnvelope(envelope)) return
    const [id, kind, value] = envelope
    // None: its time was over, or another's answer came first.
    const request = this.#waiting.get(id)
    if (request === undefined) return
    const { member } = meta.publisher
    if (kind === COUNT) {
      if (isCount(value)) request.expect(member, value)
    } else if (kind === HELD) request.isHeldBy(member, value)
    else if (kind === VALUE) request.take(member, { status: 'fulfilled', value })
    else if (kind === ERROR) request.take(member, { status: 'rejected', reason: revived(value) })
  }

  #look = () => {
    if (this.#waiting.size === 0) {
      if (++this.#idleLooks >= IDLE_LOOKS) this.#rest()
      return
    }
    const losses = [...this.#gone(), ...this.#ceased(), ...this.#lostInGroups()]
    if (losses.length === 0) return
    // What they said before is in the bus, and may not have been heard yet: or, where this thread fell behind, not for a while.
    this.#owner.whenRead(() => {
      if (this.#subscription && this.#owner.isLive(this.#subscription)) for (const lose of losses) lose()
    })
  }

  /** What is lost with those who have died or left: what to do about it, each. */
  #gone() {
    const asked = new Set()
    for (const { owing } of this.#waiting.values()) for (const member of owing) asked.add(member)
    const members = asked.size === 0 ? [] : this.#owner.gone([...asked])
    const all = [...this.#waiting.values()]
    return members.flatMap((member) => all.map((request) => () => request.gone(member)))
  }

  /** With those who read no more what was put to them. */
  #ceased() {
    const losses = []
    const readers = new Map()
    for (const request of this.#waiting.values()) {
      const { to } = request
      for (const member of request.owing) {
        if (request.hasHeardOf(member)) continue
        if (!readers.has(to)) readers.set(to, new Set(this.#owner.readersOf(to)))
        if (!readers.get(to).has(member)) losses.push(() => request.ceased(member))
      }
    }
    return losses
  }

  /** With members of groups. */
  #lostInGroups() {
    const byTopic = new Map()
    for (const request of this.#waiting.values()) {
      const { to, position, groups } = request
      if (groups.size > 0 && !byTopic.has(to)) byTopic.set(to, [])
      for (const row of groups) byTopic.get(to).push({ request, row, position })
    }
    return [...byTopic].flatMap(([to, all]) => {
      const lost = this.#owner.lostInGroups(to, all)
      return lost.map((at) => () => all[at].request.lostIn(all[at].row))
    })
  }

  #rest() {
    this.#ceaseLooking()
    this.#subscription.unsubscribe()
    this.#owner.unread(this.#subscription)
    this.#subscription = undefined
  }
}

module.exports = { Requests }

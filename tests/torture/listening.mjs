// The subscriptions of one thread, of each kind there is: how they begin and end, what is noted of them, and whether they have all
// there is. A replay and a durable subscription have a handle of their own each, so that it is known whose a gap is.

import { account } from './messages.mjs'
import { DURABLES, durableOf, GROUPS, groupIn, groupOf, matchedBy, nameOf, PATTERNS, topicOf } from './names.mjs'
import { KIND, now } from './notes.mjs'

/** Of one thread at the most; of those with a handle of their own, and of patterns. */
const MOST = 24
const MOST_FOLLOWING = 4
const MOST_PATTERNS = 2
/** Topics with groups and durable subscriptions: few, so that several threads are at the same ones. */
const SHARED = 3
const REASONS = ['stalled', 'overwritten']

export class Listening {
  #about
  #round
  #notes
  #next
  #owner
  #all = new Map()
  /** The number of the last message delivered or told as missed, per topic; and the same per group this thread was ever in. */
  #last = []
  #taken = new Map()
  #settle
  #isSettled = false
  #isCalm = false

  /**
   * @param {{ about: object, round: object, notes: Notebook, next: () => number }} what as the actor has it
   * @param {object} owner `id()` gives a number; `open(handle)` a bus with its events heard; `handles` its buses; `closes(promise)` hears
   *   of one that closes; `dies()` may end the thread; `came(topic, publisher, n)`, `missed(topic)` and `acts(id, topic)` hear of what is
   *   delivered; `say(what, facts)` tells the one who runs the round
   */
  constructor({ about, round, notes, next }, owner) {
    this.#about = about
    this.#round = round
    this.#notes = notes
    this.#next = next
    this.#owner = owner
  }

  get ids() {
    return [...this.#all.keys()]
  }

  /** A subscription to the topic, perhaps one that is to get the same message next. */
  idsOf(topic) {
    return [...this.#all].filter(([, one]) => one.topic === topic).map(([id]) => id)
  }

  /** Begins a subscription of any kind. */
  any(topic) {
    if (this.#all.size >= MOST || this.#owner.handles.size === 0) return
    const what = this.#next()
    if (what < 0.42) this.plain(topic)
    else if (what < 0.52) this.#pattern()
    else if (what < 0.65) this.#follow(topic)
    else if (what < 0.83) this.#hold(topic % SHARED)
    else this.#join(topic % SHARED)
  }

  plain(topic, handle = this.#anyHandle()) {
    const id = this.#owner.id()
    const once = !this.#about.witness && this.#next() < 0.1
    const one = { topic, handle, once }
    const before = now()
    one.subscription = this.#bus(handle).subscribe(nameOf(topic), this.#listener(id, one), { once })
    this.#notes.note(KIND.SUBSCRIBED, before, now(), id, topic, handle, once ? 1 : 0)
    this.#all.set(id, one)
    this.#last[topic] ??= 0
  }

  #pattern() {
    if (this.#count('pattern') >= MOST_PATTERNS) return
    const pattern = this.#below(PATTERNS.length)
    const handle = this.#anyHandle()
    const id = this.#owner.id()
    const one = { pattern, handle }
    const before = now()
    one.subscription = this.#bus(handle).psubscribe(PATTERNS[pattern].glob, this.#listener(id, one))
    this.#notes.note(KIND.PSUBSCRIBED, before, now(), id, pattern, handle)
    this.#all.set(id, one)
    for (const topic of matchedBy(pattern, this.#round.topics)) this.#last[topic] ??= 0
  }

  #join(topic) {
    const group = this.#below(GROUPS)
    const handle = this.#anyHandle()
    const id = this.#owner.id()
    const one = { topic, handle, group, key: `${topic}/${group}` }
    const before = now()
    one.subscription = this.#bus(handle).subscribe(nameOf(topic), this.#listener(id, one), { group: groupOf(group) })
    this.#notes.note(KIND.JOINED, before, now(), id, topic, handle, group)
    this.#all.set(id, one)
  }

  #follow(topic) {
    const replay = this.#next() < 0.5 ? this.#below(this.#next() < 0.5 ? 10 : 1000) : -1
    const after = replay === -1 ? this.#below(1 + (this.#last[topic] ?? 0)) : -1
    this.#alone(topic, replay === -1 ? { after } : { replay }, (id, handle, before) =>
      this.#notes.note(KIND.FOLLOWED, before, now(), id, topic, handle, replay, after),
    )
  }

  #hold(topic) {
    const name = this.#below(DURABLES)
    this.#alone(
      topic,
      { durable: durableOf(name) },
      (id, handle, before) => this.#notes.note(KIND.HELD, before, now(), id, topic, handle, name),
      {
        tries: (id) => this.#notes.note(KIND.TRIED, id, topic, name),
        refused: (id, before, error) =>
          this.#notes.note(KIND.REFUSED, before, id, topic, name, error.code === 'ERR_IN_USE' ? 1 : 0),
      },
    )
  }

  /** A subscription with a handle of its own. */
  #alone(topic, options, noteBegun, { tries, refused } = {}) {
    if (this.#count('own') >= MOST_FOLLOWING) return
    const handle = this.#owner.id()
    const bus = this.#owner.open(handle)
    const id = this.#owner.id()
    const one = { topic, handle, own: bus, durable: options.durable !== undefined, last: 0 }
    const before = now()
    tries?.(id)
    try {
      one.subscription = bus.subscribe(nameOf(topic), this.#listener(id, one), options)
    } catch (error) {
      refused?.(id, before, error)
      this.#owner.closes(bus.close())
      // Somebody else holds it: that it is so, the judge looks at.
      if (error.code === 'ERR_IN_USE') return
      throw error
    }
    noteBegun(id, handle, before)
    this.#all.set(id, one)
  }

  /** Ends one; a durable one by closing its handle, so that the next goes on, or for good. */
  end(id, forget = this.#next() < 0.25) {
    const one = this.#all.get(id)
    if (!one) return
    if (one.durable) this.#notes.note(KIND.ENDING, id, forget ? 1 : 0)
    else if (one.key) this.#notes.note(KIND.ENDING, id, 1)
    if (forget || !one.durable) one.subscription.unsubscribe()
    if (one.own) this.#owner.closes(one.own.close())
    this.#ended(id)
  }

  /** A handle is about to close, and ends these. */
  endWith(handle, close) {
    const ending = [...this.#all].filter(([, one]) => one.handle === handle)
    for (const [id, one] of ending) if (one.key) this.#notes.note(KIND.ENDING, id, 1)
    const closed = close()
    for (const [id] of ending) this.#ended(id)
    return closed
  }

  /** Those with a handle of their own, as a program does that closes what it opened. */
  closeOwn() {
    for (const [id, one] of [...this.#all]) if (one.own) this.end(id, false)
  }

  #ended(id) {
    this.#notes.note(KIND.UNSUBSCRIBED, id)
    this.#all.delete(id)
  }

  #listener(id, one) {
    const listener = (received, meta) => this.#received(id, one, received, meta)
    return listener
  }

  #received(id, one, received, meta) {
    if (this.#owner.dies()) return
    const { publisher, n, length, crc, raw } = account(received)
    const { position, sequence, timestamp, redelivered = false } = meta
    const age = Date.now() - timestamp
    const { member } = meta.publisher
    const topic = one.topic ?? topicOf(meta.topic)
    const about = [topic, publisher, n, position, sequence, member, length, crc, raw, age, redelivered ? 1 : 0]
    this.#notes.note(KIND.RECEIVED, id, ...about)
    if (meta.topic !== nameOf(topic)) this.#notes.fault(`a message of ${meta.topic} was delivered as ${nameOf(topic)}`)
    if (meta.pattern !== PATTERNS[one.pattern]?.glob) this.#notes.fault(`a message came by the pattern ${meta.pattern}`)
    if (one.once) this.#ended(id)
    this.#reached(one, topic, sequence)
    this.#owner.came(topic, publisher, n)
    this.#owner.acts(id, topic)
    if (one.durable) return this.#handle(id, sequence)
  }

  /** At once, or later by a promise: mostly one is in its hands when its thread is killed. */
  #handle(id, sequence) {
    const handled = () => this.#notes.note(KIND.HANDLED, id, sequence)
    const how = this.#isCalm ? 0 : this.#next()
    if (how < 0.5) return handled()
    const wait = how < 0.75 ? setImmediate : (act) => setTimeout(act, this.#next() ** 3 * 300)
    return new Promise((resolve) => {
      wait(() => {
        handled()
        resolve()
      })
    })
  }

  /** A gap that was told to a handle. */
  missed(handle, { topic: name, from, to, lost, reason, group }) {
    const topic = topicOf(name)
    if (!REASONS.includes(reason)) this.#notes.fault(`a gap for the reason ${reason}`)
    const shared = group === undefined ? -1 : groupIn(group)
    this.#notes.note(KIND.GAP, handle, topic, from, to, lost, REASONS.indexOf(reason), shared)
    const own = [...this.#all.values()].find((one) => one.own && one.handle === handle)
    this.#reached(own ?? { key: shared === -1 ? undefined : `${topic}/${shared}` }, topic, to)
    if (!own && shared === -1) this.#owner.missed(topic)
  }

  #reached(one, topic, sequence) {
    if (one.own) one.last = sequence
    else if (one.key) this.#taken.set(one.key, Math.max(this.#taken.get(one.key) ?? 0, sequence))
    else this.#last[topic] = sequence
    if (!this.#settle) return
    if (one.key) this.#sayTaken(one.key)
    this.#sayIfSettled()
  }

  // The end of a round

  /** From now on no listener is slow. */
  calm() {
    this.#isCalm = true
  }

  get last() {
    return this.#last
  }

  /** Says so when it has everything up to these numbers, of the topics it listens to; what its groups take, all members say. */
  settle(last) {
    this.#settle = last
    const groups = [...this.#all.values()].filter((one) => one.key).map((one) => one.key)
    this.#owner.say('works', { groups })
    for (const key of this.#taken.keys()) this.#sayTaken(key)
    this.#sayIfSettled()
  }

  #sayTaken(key) {
    if (this.#taken.get(key) >= this.#settle[Number.parseInt(key, 10)]) this.#owner.say('took', { key })
  }

  #sayIfSettled() {
    for (const one of this.#all.values()) {
      if (one.key) continue
      const topics = one.topic === undefined ? matchedBy(one.pattern, this.#round.topics) : [one.topic]
      for (const topic of topics) if ((one.own ? one.last : this.#last[topic]) < this.#settle[topic]) return
    }
    // Once: what comes later of groups settles nothing.
    if (!this.#isSettled) {
      this.#isSettled = true
      this.#notes.note(KIND.SETTLED)
      this.#owner.say('settled')
    }
  }

  #count(what) {
    return [...this.#all.values()].filter((one) => one[what] !== undefined).length
  }

  #bus(handle) {
    return this.#owner.handles.get(handle)
  }

  #anyHandle() {
    const handles = [...this.#owner.handles.keys()]
    return handles[this.#below(handles.length)]
  }

  #below(end) {
    return Math.floor(this.#next() * end)
  }
}

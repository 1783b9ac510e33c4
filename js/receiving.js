'use strict'

// The receiving half of a membership: from a wake-up to the listeners. `wake` is the page to read: take, drain, decode,
// dispatch.

const { decode } = require('./codec')
const { Following } = require('./following')
const { Groups, NONE, YIELD } = require('./groups')
const hot = require('./hot')
const { NOTHING, Parcel } = require('./inbox')
const { spelled } = require('./inside')
const { Patterns } = require('./patterns')
const { deliver, fellBehind, hears, past, queue, reads, rethrow, wantsMeta, within } = require('./subscription')

const { ALL, MORE, DRAINED, NEEDED, TOLD, GAPS, NEWS, REUSED, FLAG_RAW, META, orThrow } = hot
const { AT_TOPIC, AT_OFFSET, AT_LENGTH, AT_FLAGS, AT_SEQUENCE, AT_POSITION, AT_MEMBER, AT_PID, AT_TIME } = hot

/** Drains of one turn of the event loop: timers and sockets are served in between. */
const DRAINS_PER_TURN = 16

/** In ms. */
const LINGER = 3

/** A topic this thread listens to. */
class Reading {
  /** By its name. Replaced, never changed: whoever goes through it sees it as it was. */
  subscriptions = []
  /** Those of them that keep messages for later. */
  queues = []
  /** With those of patterns, as it was found when the patterns' epoch was `asked`. */
  all = []
  asked = -1

  /** Without words: patterns alone match it. */
  constructor(name, words) {
    this.name = name
    this.words = words
  }

  replace(subscriptions) {
    this.subscriptions = subscriptions
    this.queues = subscriptions.map(({ subscription, following }) => following ?? subscription[queue]).filter(Boolean)
    this.asked = -1
  }
}

class Receiving {
  #member
  #number
  #hot
  #owner
  #groups
  /** By name, and by the index of the topic's entry. */
  #readings = new Map()
  #byIndex = []
  #patterns
  #again
  /** Between a wake-up and falling asleep again: also while listeners are called. */
  #isAwake = false
  /** Of a batch whose next message came too soon for somebody: { at, count, bytes }. It goes on in the next turn. */
  #rest
  /** Who waits until all before a position was handed out: { until, act }. */
  #readers = []

  /**
   * @param {{ closed: boolean, corrupt: Function, lose: Function, gap: Function, gapOf: Function, gapOfGroup: Function, isReferenced: Function,
   *   tellNews: Function }} owner
   * @param {number} number the member's, to tell its own messages
   */
  constructor(member, number, hot, owner) {
    this.#member = member
    this.#number = number
    this.#hot = hot
    this.#owner = owner
    this.#patterns = new Patterns(member)
    this.#groups = new Groups(member, hot, owner, {
      deliver: (reading, bytes) => this.#deliver(reading, 0, bytes),
      tellGaps: () => this.#tellGaps(),
    })
  }

  /** Adds a subscription; returns the words of its topic. */
  subscribe(subscription) {
    const name = spelled(subscription[reads])
    if (subscription.group !== undefined) {
      const words = this.#groups.subscribe(subscription, name)
      this.arm()
      return words
    }
    let reading = this.#readings.get(name)
    const begun = this.#begin(subscription, name, reading?.words)
    if (!reading) {
      reading = new Reading(name, begun.topic)
      this.#readings.set(name, reading)
      this.#byIndex[reading.words.index] = reading
      this.arm()
    }
    const entry = { subscription, from: begun.from, before: begun.before }
    if (subscription[past] !== undefined)
      entry.following = new Following(subscription, begun, this.#source(reading, entry))
    reading.replace([...reading.subscriptions, entry])
    return reading.words
  }

  psubscribe(subscription) {
    this.#patterns.subscribe(subscription)
    this.arm()
  }

  /**
   * Where a subscription begins: `from` that position, after the topic's number `before`; a further one too, to the topic of
   * `words`.
   */
  #begin(subscription, name, words) {
    if (subscription[past]?.durable !== undefined) return this.#beginDurable(subscription, name)
    if (subscription[past] !== undefined) {
      return orThrow(
        words === undefined
          ? this.#member.subscribeFrom(name, subscription[past])
          : this.#member.catchUp(words, subscription[past]),
      )
    }
    if (words !== undefined) return this.#member.subscribeAgain(words)
    const topic = orThrow(this.#member.subscribe(name))
    return { topic, from: topic.from, before: topic.before }
  }

  /** A live subscription goes on after a number that it has heard. */
  #goBack(reading, entry, after) {
    const source = this.#source(reading, entry)
    const begun = source.catchUp(after)
    if (begun === undefined) return
    entry.following = new Following(entry.subscription, begun, source)
    reading.replace([...reading.subscriptions])
  }

  /** Whether a subscription gets what comes at once: nothing is left that came before. */
  isLive(subscription) {
    const reading = this.#readings.get(spelled(subscription[reads]))
    return reading.subscriptions.find((entry) => entry.subscription === subscription).following === undefined
  }

  #beginDurable(subscription, name) {
    const { durable } = subscription[past]
    const { following, bookmark, begun } = orThrow(this.#member.subscribeDurable(name, durable))
    const mark = {
      begun,
      begin: (sequence) => this.#member.beginMessage(bookmark, sequence),
      handle: (sequence) => this.#member.handleMessage(bookmark, sequence),
      letGo: (forget) => this.#member.letGo(bookmark, forget),
    }
    return { ...following, mark }
  }

  /** What a subscription that follows its topic from its past on goes by. */
  #source(reading, entry) {
    const { subscription } = entry
    return {
      take: (id) => this.#member.takePast(id),
      forget: (id) => this.#member.forgetPast(id),
      open: (parcel) => this.open(parcel),
      isOwn: (meta) => meta.publisher.member === this.#number,
      isReferenced: () => this.#owner.isReferenced(subscription),
      gap: (gap) => this.#owner.gapOf(subscription, gap),
      catchUp: (after) => {
        try {
          const begun = orThrow(this.#member.catchUp(reading.words, { after }))
          entry.from = begun.from
          entry.before = begun.before
          return begun
        } catch (error) {
          this.#owner.lose(error)
          return undefined
        }
      },
      live: () => {
        entry.following = undefined
        reading.replace([...reading.subscriptions])
      },
    }
  }

  /** Armed from now on, so that who has something posts; awake it is so when it falls asleep again. */
  arm() {
    if (!this.#isAwake && this.#mustRead()) this.#member.postSelf()
  }

  subscriptionsTo(name) {
    const plain = this.#readings.get(name)?.subscriptions ?? []
    return [...plain.map((entry) => entry.subscription), ...this.#groups.subscriptionsTo(name)]
  }

  /** True: it was the last one to its topic. `forget`: where it stopped, if it is durable. */
  unsubscribe(subscription, forget) {
    if (subscription.pattern !== undefined) {
      this.#punsubscribe(subscription)
      return false
    }
    const name = spelled(subscription[reads])
    if (subscription.group !== undefined) {
      this.#groups.unsubscribe(subscription, name)
      return !this.#hasAny(name)
    }
    const reading = this.#readings.get(name)
    if (!reading) return false
    reading.subscriptions.find((entry) => entry.subscription === subscription)?.following?.end(forget)
    reading.replace(reading.subscriptions.filter((entry) => entry.subscription !== subscription))
    if (reading.subscriptions.length > 0) return false
    this.#readings.delete(name)
    this.#byIndex[reading.words.index] = undefined
    // As long as the highest index there ever was.
    if (this.#readings.size === 0) this.#byIndex = []
    if (!this.#owner.closed) this.#member.unsubscribe(reading.words)
    return !this.#hasAny(name)
  }

  #hasAny(name) {
    return this.#readings.has(name) || this.#groups.subscriptionsTo(name).length > 0
  }

  #punsubscribe(subscription) {
    this.#patterns.unsubscribe(subscription, this.#owner.closed)
    if (!this.#patterns.isEmpty) return
    // What patterns alone matched is not kept.
    for (const [index, reading] of this.#byIndex.entries()) if (!reading?.words) this.#byIndex[index] = undefined
  }

  /** From the event loop: the semaphore was posted, or was left so for this turn. */
  wake() {
    this.#isAwake = true
    try {
      this.#read()
    } finally {
      this.#isAwake = false
    }
  }

  #read() {
    this.#hot.calls.rouse()
    for (let drains = 0; drains < DRAINS_PER_TURN; drains++) {
      const more = this.#rest === undefined ? this.#drain() : this.#goOn()
      if (this.#owner.closed) return
      if (this.#rest !== undefined) break
      if (this.#readers.length > 0) this.#tellReaders()
      const left = this.#groups.isEmpty ? NONE : this.#groups.work()
      if (this.#owner.closed) return
      // Whoever was woken for more is to have it.
      if (left === YIELD) break
      if (!more && left === NONE && this.#hot.calls.sleep() === 1) {
        this.#linger()
        return
      }
    }
    // Others have waited long enough, or have to run first; the semaphore stays posted for the next turn.
    this.#member.postSelf()
  }

  /** From which position on one that joins a subscription now is its, and the topic's last number before that. */
  beginning(subscription) {
    return this.#member.subscribeAgain(this.#readings.get(spelled(subscription[reads])).words)
  }

  /** Says whether a subscription counts as one by name to who looks; throws if the registry is not to be had within `wait` ms. */
  setNamed(subscription, on, wait) {
    const { words } = this.#readings.get(spelled(subscription[reads]))
    orThrow(this.#member.setNamed(words, on, wait) ?? undefined)
  }

  /** Acts once all that is in the bus by now was handed out; this thread reads something until then. */
  whenRead(act) {
    this.#readers.push({ until: this.#member.position(), act })
    this.#member.postSelf()
  }

  #tellReaders() {
    const cursor = this.#member.cursor()
    const isDue = ({ until }) => until <= cursor
    const due = this.#readers.filter(isDue)
    this.#readers = this.#readers.filter((reader) => !isDue(reader))
    for (const { act } of due) if (!this.#owner.closed) act()
  }

  /** Asleep: one more look, after a while. Who woke us may owe the post of its burst's end, and be busy or stopped. */
  #linger() {
    if (this.#again === undefined) {
      this.#again = setTimeout(this.#look, LINGER)
      this.#again.unref()
    } else this.#again.refresh()
  }

  #look = () => {
    if (!this.#owner.closed && this.#mustRead()) this.wake()
  }

  /** Falls asleep, unless there is something to read: what is left of a batch is, and its listeners have not returned yet. */
  #mustRead() {
    return this.#rest !== undefined || this.#hot.calls.sleep() === 0
  }

  close() {
    clearTimeout(this.#again)
    for (const { subscriptions } of this.#readings.values())
      for (const { following } of subscriptions) following?.end(false)
  }

  /** Drains one batch and hands it out. True: there is more. */
  #drain() {
    const { calls, registers, bytes } = this.#hot
    const status = calls.drain()
    if (status !== ALL && status !== MORE) {
      this.#owner.corrupt('drain', status)
      return false
    }
    const count = registers[DRAINED]
    const needed = registers[NEEDED]
    const told = registers[TOLD]
    if (told & REUSED) this.#patterns.epoch++
    if (told & GAPS) this.#tellGaps()
    if (told & NEWS) this.#owner.tellNews()
    if (count > 0) this.#dispatch(count, bytes)
    else if (needed > bytes.length) return this.#drainLarge(needed)
    return status === MORE
  }

  /** One message larger than the buffer of all: it gets one of its own. */
  #drainLarge(needed) {
    const large = Buffer.allocUnsafeSlow(needed)
    const status = this.#hot.drainInto(large)
    const { [DRAINED]: count, [TOLD]: told } = this.#hot.registers
    if (told & REUSED) this.#patterns.epoch++
    if (status !== ALL && status !== MORE) this.#owner.corrupt('drain', status)
    else if (count > 0) this.#dispatch(count, large)
    return true
  }

  /** What is left of a batch; then there may be more. */
  #goOn() {
    const { at, count, bytes } = this.#rest
    this.#rest = undefined
    this.#dispatch(count, bytes, at)
    return true
  }

  /** Hands out a batch. Messages that follow each other to one listener are handed out in one go. */
  #dispatch(count, bytes, start = 0) {
    const { meta } = this.#hot
    const end = count * META
    for (let at = start; at < end; ) {
      const reading = this.#at(meta[at + AT_TOPIC])
      // None: the last listener left in the middle of this batch.
      if (reading === undefined) at += META
      else if (reading.queues.some((waiting) => waiting.mustWait(meta[at + AT_LENGTH]))) {
        this.#rest = { at, count, bytes }
        return
      } else if (reading.all.length === 1 && reading.queues.length === 0) {
        const [{ subscription }] = reading.all
        at = subscription[within](this.#deliverRun, this, reading, at, end, bytes)
      } else {
        this.#deliver(reading, at, bytes)
        at += META
      }
      if (this.#owner.closed) return
    }
  }

  /** Who listens to the topic of an entry. */
  #at(index) {
    const reading = this.#byIndex[index]
    return reading?.asked === this.#patterns.epoch ? reading : this.#ask(index, reading)
  }

  /** As `#at`, of what may not hold any more. */
  #ask(index, known) {
    const matched = this.#patterns.of(index)
    let reading = known?.words && known
    if (reading === undefined) {
      // Another one: the entry may be another topic's by now.
      reading = matched && new Reading(matched.name)
      this.#byIndex[index] = reading
      if (reading === undefined) return undefined
    }
    reading.all = matched ? [...reading.subscriptions, ...matched.entries] : reading.subscriptions
    reading.asked = this.#patterns.epoch
    return reading
  }

  /** In the context of a reading's only subscription: the messages from `at` on that are its. Returns where others begin. */
  #deliverRun(reading, at, end, bytes) {
    const { meta } = this.#hot
    const index = meta[at + AT_TOPIC]
    const { asked } = reading
    const [{ subscription, from }] = reading.all
    const { raw, pattern } = subscription
    const isTold = subscription[wantsMeta]
    do {
      const isMine = meta[at + AT_POSITION] >= from && subscription[hears](meta[at + AT_MEMBER] === this.#number)
      if (isMine) {
        const isRaw = raw || (meta[at + AT_FLAGS] & FLAG_RAW) !== 0
        const message = isRaw ? this.#body(at, bytes) : this.#decode(bytes, meta[at + AT_OFFSET], meta[at + AT_LENGTH])
        if (message !== NOTHING) subscription[deliver](message, isTold ? this.#about(reading, at, pattern) : undefined)
      }
      at += META
      // A listener may have subscribed, unsubscribed or closed.
    } while (at < end && meta[at + AT_TOPIC] === index && reading.asked === asked && !this.#owner.closed)
    return at
  }

  /** Hands one message to each of its listeners: decoded once, whoever listens. */
  #deliver(reading, at, bytes) {
    const { meta } = this.#hot
    const position = meta[at + AT_POSITION]
    const isRaw = (meta[at + AT_FLAGS] & FLAG_RAW) !== 0
    const own = meta[at + AT_MEMBER] === this.#number
    let shared
    let value
    let body
    for (const { subscription, from, following } of reading.all) {
      // From before it subscribed. One that follows its topic passes in its turn what it does not hear.
      if (position < from || (following === undefined && !subscription[hears](own))) continue
      const waiting = following ?? subscription[queue]
      let about
      if (subscription.pattern !== undefined) about = this.#about(reading, at, subscription.pattern)
      else if (waiting !== undefined || subscription[wantsMeta]) about = shared ??= this.#about(reading, at)
      if (waiting !== undefined) {
        body ??= this.#body(at, bytes)
        waiting.add(new Parcel(body, isRaw || subscription.raw, about))
        if (this.#owner.closed) return
        continue
      }
      let message
      if (isRaw || subscription.raw) message = body ??= this.#body(at, bytes)
      else {
        // It may be null or undefined.
        value ??= [this.#decode(bytes, meta[at + AT_OFFSET], meta[at + AT_LENGTH])]
        message = value[0]
        if (this.#owner.closed) return
        if (message === NOTHING) continue
      }
      subscription[within](deliverTo, undefined, subscription, message, about)
      if (this.#owner.closed) return
    }
  }

  /** The message in a parcel, or NOTHING. */
  open({ body, isRaw }) {
    return isRaw ? body : this.#decode(body, 0, body.length)
  }

  #about(reading, at, pattern) {
    const { meta } = this.#hot
    const about = {
      topic: reading.name,
      sequence: meta[at + AT_SEQUENCE],
      position: meta[at + AT_POSITION],
      publisher: { member: meta[at + AT_MEMBER], pid: meta[at + AT_PID] },
      timestamp: meta[at + AT_TIME],
    }
    if (pattern !== undefined) about.pattern = pattern
    return about
  }

  /** A copy of its bytes, as they are. */
  #body(at, bytes) {
    const start = this.#hot.meta[at + AT_OFFSET]
    return Buffer.from(bytes.subarray(start, start + this.#hot.meta[at + AT_LENGTH]))
  }

  /**
   * One body's value, or NOTHING. Bytes that nobody of slabcast's writes lose the bus. What is a value, but one that cannot be
   * built here (a string longer than V8's), is as if its listeners had thrown: the bus goes on.
   */
  #decode(bytes, start, length) {
    try {
      return decode(bytes, start, start + length)
    } catch (error) {
      if (error.code === 'ERR_CORRUPT' && error.cause === undefined) this.#owner.lose(error)
      else process.nextTick(rethrow, error.cause ?? error)
      return NOTHING
    }
  }

  #tellGaps() {
    const gaps = this.#member.takeGaps()
    // As they are now: who subscribes in a listener of a gap missed nothing of it.
    const whose = gaps.map(({ topic, index }) => {
      const reading = this.#at(index)
      return reading?.name === topic ? reading.all : []
    })
    for (const [at, gap] of gaps.entries()) {
      if (gap.group !== undefined) {
        this.#groups.tellGap(gap)
        continue
      }
      // Who is not live, or not any more, finds in the slab what is still there, and tells what is not.
      for (const entry of whose[at]) {
        entry.subscription[fellBehind]?.()
        if (entry.following !== undefined) entry.following.fallBehind()
        else if (entry.subscription[fellBehind] !== undefined) this.#goBack(this.#at(gap.index), entry, gap.from - 1)
        if (this.#owner.closed) return
      }
      this.#owner.gap(
        gap,
        whose[at].filter((entry) => entry.following === undefined),
      )
    }
  }
}

const deliverTo = (subscription, message, about) => subscription[deliver](message, about)

module.exports = { Receiving }

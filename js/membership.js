'use strict'

// This thread's place on one bus, shared by all its handles of that bus: who they are, when it begins and ends. What it does
// for them is in publishing.js and receiving.js, and, standing on these, in requests.js and responding.js.

const { isMainThread, threadId } = require('node:worker_threads')
const { Encoder } = require('./codec')
const { SlabcastError } = require('./errors')
const { CLOSED, CORRUPT, Hot, KEEP, NOTE, orThrow, POSTS_DUE, SUSPECTS } = require('./hot')
const { spelled } = require('./inside')
const native = require('./native')
const { Publishing } = require('./publishing')
const { Receiving } = require('./receiving')
const { Requests } = require('./requests')
const { Responding } = require('./responding')
const { answers, isReferenced, reads } = require('./subscription')

/** How often, in ms, a member looks after the bus though nobody woke it. */
const TICK = 1000

/** What is due when the JavaScript that runs has returned. */
const SETTLED = Promise.resolve()

class Membership {
  #member
  #publishing
  #receiving
  #requests
  #responding
  #hot
  #registers
  #handles = new Set()
  #tick
  #referenced = false
  #lost
  /** MEMBERS, INTEREST. */
  #watched = 0
  /** `endBurst` follows. */
  #isInBurst = false
  /** The longest of its handles. */
  #spin = 0

  closed = false

  constructor(options) {
    const { Member } = native()
    const here = { thread: isMainThread ? 0 : threadId, threadWake: native.threadWake }
    this.#member = orThrow(Member.open({ ...options, ...here }, this.#wake, setImmediate))
    const facts = orThrow(this.#member.facts())
    const encoder = new Encoder({ maxBytes: facts.maxMessage })
    const hot = new Hot(this.#member, encoder.bytes)
    this.#hot = hot
    this.#registers = hot.registers
    this.#publishing = new Publishing(this.#member, facts, encoder, hot, this)
    this.#receiving = new Receiving(this.#member, facts.member, hot, this)
    this.#requests = new Requests(facts, this)
    this.#responding = new Responding(facts, this)
    this.#tick = setInterval(this.#onTick, TICK)
    this.#tick.unref()
  }

  // For its handles

  add(handle) {
    this.#handles.add(handle)
    this.#spinChanged()
  }

  /** Takes a handle off; the last one ends the membership. True: it has ended. */
  remove(handle) {
    this.#handles.delete(handle)
    this.#publishing.forget(handle)
    if (this.#handles.size === 0) this.#close()
    else this.#spinChanged()
    return this.closed
  }

  publish(handle, name, message, raw) {
    return this.#publishing.publish(handle, name, message, raw)
  }

  publishMany(handle, name, messages) {
    return this.#publishing.publishMany(handle, name, messages)
  }

  subscribe(handle, subscription) {
    this.check()
    if (subscription[answers]) this.#responding.add(handle, subscription)
    else this.read(subscription)
  }

  unsubscribe(subscription, forget) {
    if (subscription[answers]) this.#responding.remove(subscription)
    else this.unread(subscription, forget)
  }

  /** Asks those who respond to a topic. */
  request(handle, topic, message, options) {
    return this.#requests.ask(handle, topic, message, options)
  }

  /** What a handle that closes has asked is not waited for. */
  abandon(handle, error) {
    this.#requests.abandon(handle, error)
  }

  /** Whether all that was published here was consumed by those who read, or they are gone. */
  isSettled() {
    this.check()
    return this.#publishing.isFlushed && this.#member.isSettled()
  }

  /** The message in a parcel of a queue, or NOTHING. */
  openParcel(parcel) {
    return this.#receiving.open(parcel)
  }

  /** Of all handles. */
  subscriptionsTo(name) {
    return this.#receiving.subscriptionsTo(name)
  }

  topics(pattern) {
    this.check()
    return orThrow(this.#member.topics(pattern))
  }

  members() {
    this.check()
    return orThrow(this.#member.members())
  }

  /** From now on its handles are told of MEMBERS or INTEREST. */
  watch(what) {
    this.check()
    if ((this.#watched & what) === what) return
    this.#watched |= what
    this.#member.watch(what)
    this.#receiving.arm()
  }

  stats() {
    this.check()
    return { ...orThrow(this.#member.stats()), outbox: this.#publishing.waiting }
  }

  get outboxIsEmpty() {
    return this.#publishing.isFlushed
  }

  tellWhenEmpty(handle) {
    this.#publishing.tellWhenEmpty(handle)
  }

  /** Whether any handle has a subscription that keeps the process alive. */
  referenceChanged() {
    if (this.closed) return
    let referenced = false
    for (const handle of this.#handles) referenced ||= handle.holdsProcess()
    if (referenced === this.#referenced) return
    this.#referenced = referenced
    this.#member.setRef(referenced)
  }

  // For its parts

  /** Begins a subscription; returns the words of its topic, or of its group. */
  read(subscription) {
    return this.#orLose(() => {
      if (subscription.pattern !== undefined) return this.#receiving.psubscribe(subscription)
      const words = this.#receiving.subscribe(subscription)
      this.#publishing.know(subscription[reads], words)
      return words
    })
  }

  unread(subscription, forget) {
    // A name that nobody here listens to any more is not kept for that.
    if (this.#receiving.unsubscribe(subscription, forget)) this.#publishing.forgetName(subscription[reads])
  }

  /** From where on one that joins a subscription of `read` now is its. */
  beginning(subscription) {
    return this.#receiving.beginning(subscription)
  }

  /** Says whether a subscription of `read` counts as one by name to who looks. */
  setNamed(subscription, on, wait) {
    this.#orLose(() => this.#receiving.setNamed(subscription, on, wait))
  }

  #orLose(act) {
    try {
      return act()
    } catch (error) {
      if (error.code === 'ERR_CORRUPT') this.lose(error)
      throw error
    }
  }

  publishInside(handle, topic, bytes, sending) {
    return this.#publishing.publishInside(handle, topic, bytes, sending)
  }

  /** The members that are subscribed to a topic by its name, and the rows of its groups. */
  asked(topic) {
    return this.#member.asked(spelled(topic))
  }

  /** The members that read a topic. */
  readersOf(topic) {
    return this.#member.readersOf(spelled(topic))
  }

  /** Of what was published to groups of a topic, { row, position } each, the places of that which nobody of them has or will have. */
  lostInGroups(topic, all) {
    const [rows, positions] = [all.map(({ row }) => row), all.map(({ position }) => position)]
    return this.#member.lostInGroups(spelled(topic), rows, positions)
  }

  /** Past what this thread has published. */
  publishedTo() {
    return this.#member.publishedTo()
  }

  /** Whether a subscription of `read` has nothing before it that came before. */
  isLive(subscription) {
    return this.#receiving.isLive(subscription)
  }

  /** Those of some members that have left or died. */
  gone(members) {
    return this.#member.gone(members)
  }

  /** What was taken from groups counts as held until the outbox is empty: that it is so held waits there. */
  keepTaken() {
    this.#registers[KEEP] = 1
  }

  /** The outbox is empty. */
  flushed() {
    if (this.#registers[KEEP] === 0) return
    this.#registers[KEEP] = 0
    // It is looked at when this thread is about to sleep.
    this.#member.postSelf()
  }

  /** Acts once all that is in the bus by now was handed out here. */
  whenRead(act) {
    this.#receiving.whenRead(act)
  }

  /** The position of the next message of the bus. */
  position() {
    return this.#member.position()
  }

  /** Throws when nothing can be done any more. */
  check() {
    if (this.#lost) throw this.#lost
    if (this.closed) throw new SlabcastError('ERR_CLOSED', 'The bus is closed: open it anew to go on')
  }

  /** Tells each handle what its own subscriptions to the topic missed: nothing of what came before them. */
  gap({ topic, from, to, reason }, subscriptions) {
    for (const handle of this.#handles) {
      let first = Infinity
      let name = topic
      for (const { subscription, before } of subscriptions) {
        // Requests are missed by who responds, and under the name it knows.
        const asked = this.#responding.missedBy(handle, subscription)
        if (asked !== undefined) name = subscription.topic
        else if (!handle.has(subscription)) continue
        first = Math.min(first, Math.max(from, before + 1, (asked ?? 0) + 1))
      }
      if (first <= to) handle.gap({ topic: name, from: first, to, lost: to - first + 1, reason })
    }
  }

  /** Tells the handle of one of a group's subscriptions what its members missed together. */
  gapOfGroup({ topic, group, from, to }, reader) {
    // Of requests who responds is told, under the name it knows.
    const handler = this.#responding.handlerOf(reader)
    const subscription = handler ?? reader
    const gap = { topic: handler?.topic ?? topic, group, from, to, lost: to - from + 1, reason: 'stalled' }
    for (const handle of this.#handles) if (handle.has(subscription)) handle.gap(gap)
  }

  /** Tells the handle of a subscription what that missed. */
  gapOf(subscription, { topic, from, to, reason }) {
    if (this.#requests.missed(subscription, { lost: to - from + 1 })) return
    for (const handle of this.#handles) {
      if (handle.has(subscription)) handle.gap({ topic, from, to, lost: to - from + 1, reason })
    }
  }

  /** Whether a subscription keeps the process alive. */
  isReferenced(subscription) {
    return this.#referenced && subscription[isReferenced]
  }

  tellNews() {
    for (const { event, ...facts } of this.#member.takeNews()) {
      for (const handle of this.#handles) handle.news(event, { ...facts })
    }
  }

  corrupt(during, status) {
    if (status === CLOSED || this.closed) return
    const message = `The segment is corrupt (${during}, ${status}): end every process of this bus and start anew`
    this.lose(new SlabcastError('ERR_CORRUPT', message))
  }

  /** The binding has left a note. */
  noted() {
    const note = this.#registers[NOTE]
    this.#registers[NOTE] = 0
    // Somebody could not be woken: who is dead is looked for in the next turn, not in a second.
    if (note & SUSPECTS) setImmediate(this.#onTick)
    if (note & POSTS_DUE && !this.#isInBurst) {
      this.#isInBurst = true
      SETTLED.then(this.#endBurst)
    }
  }

  /** The bus is lost: every handle is told once, every later call throws. */
  lose(error) {
    if (this.#lost) return
    this.#lost = error
    this.#close()
    for (const handle of this.#handles) process.nextTick(() => handle.lose(error))
  }

  #close() {
    if (this.closed) return
    this.closed = true
    clearInterval(this.#tick)
    this.#publishing.close()
    this.#requests.close(this.#lost)
    this.#receiving.close()
    this.#member.close()
  }

  #spinChanged() {
    let spin = 0
    for (const handle of this.#handles) spin = Math.max(spin, handle.spin)
    if (this.closed || spin === this.#spin) return
    this.#spin = spin
    this.#member.setSpin(spin)
  }

  #endBurst = () => {
    this.#isInBurst = false
    if (!this.closed) this.#hot.calls.endBurst()
  }

  #wake = () => {
    if (!this.closed) this.#receiving.wake()
  }

  #onTick = () => {
    if (this.closed) return
    const status = this.#member.tick()
    if (this.#registers[NOTE] !== 0) this.noted()
    if (status === CORRUPT) this.corrupt('tick', status)
    else if (status !== 0) this.#wake()
    if (!this.closed && this.#member.takeSplit()) {
      process.emitWarning(
        'The files of the bus were removed and another bus of its name was made, so that there are two: end the processes of one of them',
        { type: 'SlabcastWarning', code: 'SLABCAST_SPLIT' },
      )
    }
    const reason = this.closed ? null : this.#member.takeUnkept()
    if (reason) {
      process.emitWarning(
        `The files of the bus were removed and cannot be put back, so that nobody can open it (${reason})`,
        { type: 'SlabcastWarning', code: 'SLABCAST_FILES' },
      )
    }
  }
}

// One membership per bus in this thread.
const memberships = new Map()

/** The membership of this thread for checked options, made if need be, with one more handle. */
function join(options, handle) {
  const key = `${options.mode}:${options.name}`
  let membership = memberships.get(key)
  // Lost, and its handles about to be told: whoever opens the bus now has a new one.
  if (!membership || membership.closed) {
    const { name, size, maxMessage, topics, members, mode } = options
    membership = new Membership({ name, size, maxMessage, topics, members, mode })
    memberships.set(key, membership)
  }
  membership.add(handle)
  return membership
}

/** Takes a handle off its membership. */
function leave(membership, handle) {
  if (!membership.remove(handle)) return
  for (const [key, value] of memberships) if (value === membership) memberships.delete(key)
}

module.exports = { join, leave }

// One thread on the bus: what it does follows from a seed, what it did and saw stands in its notes.

import { open } from '../../js/index.mjs'
import random from '../crash/random.js'
import { account, lengthOf, message, says } from './messages.mjs'
import { KIND, Notebook, now } from './notes.mjs'
import { optionsOf } from './plan.mjs'

/** Subscriptions of one thread at the most. */
const SUBSCRIPTIONS = 24
/** What may go wrong while others are stopped, and is tried again: the registry is held by one of them. */
const BUSY = 'ERR_TIMEOUT'

/** What topic number `at` of a round is called. */
const nameOf = (topic) => `topic:${topic}`

export class Actor {
  #about
  #round
  #notes
  #next
  #say
  #die
  #handles = new Map()
  #subscriptions = new Map()
  #ids = 0
  #n = 0
  /** publish() gave false, and 'drain' has not come. */
  #full = false
  #phase = 'begin'
  #dying = false
  /** The sequence of the last message delivered or told as missed, per topic. */
  #last = []
  #settle
  #closing = new Set()
  /** Bytes to publish before the closing messages: nobody dead may hold the slab. */
  #unpushed = 0

  /**
   * @param {object} about its part of the plan: id, seed, witness, pause (ms), storm, heavy, burst
   * @param {object} round the plan's: bus, topics; and the folder of the notes
   * @param {(what: string, facts?: object) => void} say tells the one who runs the round
   * @param {() => void} die ends this thread at once
   */
  constructor(about, round, say, die) {
    this.#about = about
    this.#round = round
    this.#say = say
    this.#die = die
    this.#next = random.generator(about.seed)
    this.#notes = new Notebook(round.folder, about.id)
    process.on('uncaughtException', (error) => this.#fault('an uncaught exception', error))
  }

  /** Opens the bus at the moment `at`, as all others do. */
  open(at) {
    const wait = at - now()
    if (wait > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, wait)
    if (this.#phase !== 'begin' || !this.#open()) return
    if (this.#about.witness) for (let topic = 0; topic < this.#round.heard; topic++) this.#subscribe(0, topic)
    else if (this.#next() < 0.7) this.#act('subscribing', () => this.#subscribe(0, this.#anyTopic()))
    this.#say('opened')
  }

  begin() {
    if (this.#phase !== 'begin') return
    this.#phase = 'going'
    this.#turn()
  }

  /** Publishes no more; says so when everything it published is in the slab. */
  stop() {
    if (this.#phase === 'leaving') return
    this.#phase = 'quiet'
    if (this.#handles.size === 0) this.#open()
    this.#sayQuiet()
  }

  /** Tells the sequence of the last message of each topic, when it has them all: one of its own ends each topic. */
  last() {
    for (let topic = 0; topic < this.#round.topics; topic++) {
      if (topic >= this.#round.heard) this.#subscribe(0, topic)
      this.#closing.add(topic)
    }
    this.#unpushed = 2 * this.#round.bus.size
    this.#publishClosing()
  }

  /** Says so when it has everything up to these sequences, of the topics it listens to. */
  settle(last) {
    this.#settle = last
    this.#sayIfSettled()
  }

  /** Ends as a program does that closes what it opened, or one that just has nothing left to do. */
  async leave(how) {
    this.#phase = 'leaving'
    if (how === 'close') {
      await Promise.all([...this.#handles.keys()].map((handle) => this.#close(handle)))
    } else {
      for (const id of [...this.#subscriptions.keys()]) this.#unsubscribe(id)
    }
  }

  /** Ends in the middle of what it does next, in a listener if one is called. */
  exit() {
    this.#dying = true
    setTimeout(() => this.#die(), 50)
  }

  #turn = () => {
    if (this.#phase !== 'going') return
    if (this.#dying && this.#next() < 0.3) return this.#die()
    this.#act('its turn', () => this.#choose(this.#next()))
    const { pause } = this.#about
    if (pause === 0 || this.#next() < 0.5) setImmediate(this.#turn)
    else setTimeout(this.#turn, this.#next() < 0.02 ? 150 : this.#next() * pause)
  }

  #choose(what) {
    if (this.#handles.size === 0) return void this.#open()
    const { storm, witness, heavy } = this.#about
    if (witness || heavy || what < (storm ? 0.3 : 0.8)) return this.#publishSome()
    if (what < 0.9) {
      for (let count = storm ? 1 + this.#next() * 12 : 1; count > 0; count--) {
        if (this.#next() < 0.52) this.#subscribe(this.#anyHandle(), this.#anyTopic())
        else this.#unsubscribe(this.#any([...this.#subscriptions.keys()]))
      }
      return
    }
    if (what < 0.94) return void this.#open()
    if (what < 0.98) return void this.#close(this.#anyHandle())
    // A blocked event loop.
    const end = now() + this.#next() * 30
    while (now() < end);
  }

  #open() {
    if (this.#handles.size >= 4) return false
    const handle = ++this.#ids
    return this.#act('opening', () => {
      const before = now()
      const bus = open(optionsOf(this.#round.bus))
      this.#notes.note(KIND.OPENED, before, now(), handle)
      bus.on('gap', (gap) => this.#gap(handle, gap))
      bus.on('drain', () => this.#drained(this.#n))
      bus.on('error', (error) => this.#fault('the bus is lost', error))
      this.#handles.set(handle, bus)
    })
  }

  async #close(handle) {
    const bus = this.#handles.get(handle)
    if (!bus) return
    this.#handles.delete(handle)
    const n = this.#n
    const closed = bus.close()
    for (const [id, entry] of this.#subscriptions) if (entry.handle === handle) this.#ended(id)
    await closed
    this.#notes.note(KIND.CLOSED, handle)
    this.#drained(n)
  }

  #publishSome() {
    // Now and then it goes on although it was told to slow down.
    if (this.#full && this.#next() < 0.9) return
    const topic = this.#about.heavy ? this.#round.heavy : this.#anyTopic()
    const bus = this.#handles.get(this.#anyHandle())
    let count = 1 + Math.floor(this.#next() ** 2 * this.#about.burst)
    while (count-- > 0) if (!this.#publish(bus, topic) && this.#next() < 0.8) return
  }

  #publish(bus, topic) {
    const n = this.#n + 1
    const what = message(this.#about.id, topic, n, this.#round)
    const before = now()
    let isIn
    try {
      isIn = bus.publish(nameOf(topic), what.message, { raw: what.raw })
    } catch (error) {
      // Nothing of it was accepted; the outbox tells when it has room.
      if (error.code !== 'ERR_OUTBOX_FULL') this.#fault('publishing', error)
      this.#full = true
      return false
    }
    this.#n = n
    this.#notes.note(KIND.PUBLISHED, before, now(), n, topic, isIn ? 1 : 0)
    if (!isIn) this.#full = true
    return isIn
  }

  #drained(n) {
    this.#notes.note(KIND.DRAINED, n)
    this.#full = n < this.#n && this.#full
    if (this.#phase === 'quiet') this.#sayQuiet()
    if (this.#closing.size > 0) this.#publishClosing()
  }

  #sayQuiet() {
    if (!this.#full) this.#say('quiet', { n: this.#n })
  }

  #subscribe(handle, topic) {
    if (this.#subscriptions.size >= SUBSCRIPTIONS && !this.#about.witness) return
    const bus = this.#handles.get(handle) ?? this.#handles.values().next().value
    const key = [...this.#handles].find(([, value]) => value === bus)[0]
    const id = ++this.#ids
    const once = !this.#about.witness && this.#next() < 0.1
    const before = now()
    const subscription = bus.subscribe(
      nameOf(topic),
      (received, meta) => this.#received(id, topic, once, received, meta),
      { once },
    )
    this.#notes.note(KIND.SUBSCRIBED, before, now(), id, topic, key, once ? 1 : 0)
    this.#subscriptions.set(id, { subscription, handle: key, topic })
    this.#last[topic] ??= 0
  }

  #unsubscribe(id) {
    const entry = this.#subscriptions.get(id)
    if (!entry) return
    entry.subscription.unsubscribe()
    this.#ended(id)
  }

  #ended(id) {
    this.#notes.note(KIND.UNSUBSCRIBED, id)
    this.#subscriptions.delete(id)
  }

  #received(id, topic, once, received, meta) {
    if (this.#dying && this.#next() < 0.5) return this.#die()
    const { publisher, n, length, crc, raw } = account(received)
    const { position, sequence, timestamp } = meta
    const age = Date.now() - timestamp
    const { member } = meta.publisher
    this.#notes.note(KIND.RECEIVED, id, topic, publisher, n, position, sequence, member, length, crc, raw, age)
    if (meta.topic !== nameOf(topic)) this.#notes.fault(`a message of ${meta.topic} was delivered as ${nameOf(topic)}`)
    if (once) this.#ended(id)
    this.#last[topic] = sequence
    if (publisher === this.#about.id) this.#closingCame(topic, n)
    if (this.#settle) this.#sayIfSettled()
    // From inside a listener, as users do.
    if (this.#phase === 'going' && !this.#about.witness) {
      const what = this.#next()
      if (what < 0.01) this.#unsubscribe(id)
      else if (what < 0.02) this.#unsubscribe(this.#anyOf(topic))
      else if (what < 0.04) this.#act('in a listener', () => this.#subscribe(0, what < 0.03 ? topic : this.#anyTopic()))
      else if (what < 0.05) this.#act('in a listener', () => this.#publishSome())
    }
  }

  #gap(handle, { topic: name, from, to, lost, reason }) {
    const topic = Number(name.split(':')[1])
    if (reason !== 'stalled') this.#notes.fault(`a gap for the reason ${reason}`)
    this.#notes.note(KIND.GAP, handle, topic, from, to, lost)
    this.#last[topic] = to
    this.#settleGap(topic)
  }

  // The end of a round

  /** The numbers of the closing messages: those after it was quiet. */
  #ends = new Map()

  #publishClosing() {
    const bus = this.#handles.values().next().value
    while (this.#unpushed > 0 && !this.#full) {
      // A frame has at least a block of header.
      this.#unpushed -= 64 + lengthOf(this.#about.id, 0, this.#n + 1, this.#round)
      this.#publish(bus, 0)
    }
    for (const topic of this.#closing) {
      if (this.#full) return
      if (this.#ends.has(topic)) continue
      // One that says whose it is: another, if the one before was too short for that.
      while (!this.#ends.has(topic) && !this.#full) {
        const n = this.#n + 1
        this.#publish(bus, topic)
        if (this.#n === n && says(this.#about.id, topic, n, this.#round)) this.#ends.set(topic, n)
      }
    }
  }

  #closingCame(topic, n) {
    if (this.#ends.get(topic) !== n || !this.#closing.delete(topic)) return
    if (this.#closing.size === 0) this.#say('last', { last: this.#last })
  }

  /** The closing message itself may be what was missed: another one. */
  #settleGap(topic) {
    if (this.#settle) this.#sayIfSettled()
    if (!this.#closing.has(topic)) return
    this.#ends.delete(topic)
    this.#publishClosing()
  }

  #sayIfSettled() {
    for (const { topic } of this.#subscriptions.values()) if (this.#last[topic] < this.#settle[topic]) return
    this.#settle = undefined
    this.#notes.note(KIND.SETTLED)
    this.#say('settled')
  }

  // Choices and errors

  #any(list) {
    return list[Math.floor(this.#next() * list.length)]
  }

  /** A subscription to the topic, perhaps one that is to get the same message next. */
  #anyOf(topic) {
    return this.#any([...this.#subscriptions].filter(([, one]) => one.topic === topic).map(([id]) => id))
  }

  #anyHandle() {
    return this.#any([...this.#handles.keys()])
  }

  #anyTopic() {
    return Math.floor(this.#next() * this.#round.topics)
  }

  /** Whether it was done: it may be that a stopped process holds the registry. */
  #act(what, act) {
    try {
      act()
      return true
    } catch (error) {
      if (error.code === BUSY) this.#say('busy', { what })
      else this.#fault(what, error)
      return false
    }
  }

  #fault(what, error) {
    this.#notes.fault(`${what}: ${error.code ?? ''} ${error.stack}`.replaceAll('\n', ' | '))
    this.#say('fault')
  }
}

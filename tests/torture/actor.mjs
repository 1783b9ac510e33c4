// One thread on the bus: what it does follows from a seed, what it did and saw stands in its notes.

import { open } from '../../js/index.mjs'
import random from '../crash/random.js'
import { Asking } from './asking.mjs'
import { Listening } from './listening.mjs'
import { lengthOf, message, says } from './messages.mjs'
import { nameOf } from './names.mjs'
import { KIND, Notebook, now } from './notes.mjs'
import { optionsOf } from './plan.mjs'

/** What may go wrong while others are stopped, and is tried again: the registry is held by one of them. */
const BUSY = 'ERR_TIMEOUT'

export class Actor {
  #about
  #round
  #notes
  #next
  #say
  #die
  #handles = new Map()
  #listening
  #asking
  #ids = 0
  #n = 0
  /** publish() gave false, and 'drain' has not come. */
  #full = false
  #phase = 'begin'
  #dying = false
  #closing = new Set()
  /** Of handles with one subscription each, which are closing. */
  #closes = new Set()
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
    this.#listening = new Listening({ about, round, notes: this.#notes, next: this.#next }, this.#listener())
    this.#asking = new Asking({ about, round, notes: this.#notes, next: this.#next }, this.#asker())
    process.on('uncaughtException', (error) => this.#fault('an uncaught exception', error))
  }

  /** Opens the bus at the moment `at`, as all others do. */
  open(at) {
    const wait = at - now()
    if (wait > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, wait)
    if (this.#phase !== 'begin' || !this.#open()) return
    if (this.#about.witness) for (let topic = 0; topic < this.#round.heard; topic++) this.#listening.plain(topic)
    else
      for (let count = 0; count < 2 && this.#next() < 0.7; count++)
        this.#act('subscribing', () => this.#listening.any(this.#anyTopic()))
    if (this.#round.asks && this.#next() < 0.3) this.#act('responding', () => this.#asking.respond(...this.#anyBus()))
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
    this.#listening.calm()
    this.#asking.stop()
    if (this.#handles.size === 0) this.#open()
    this.#sayQuiet()
  }

  /** Tells the sequence of the last message of each topic, when it has them all: one of its own ends each topic. */
  last() {
    for (let topic = 0; topic < this.#round.topics; topic++) {
      if (topic >= this.#round.heard) this.#listening.plain(topic)
      this.#closing.add(topic)
    }
    this.#unpushed = 2 * this.#round.bus.size
    this.#publishClosing()
  }

  /** Says so when it has everything up to these sequences, of the topics it listens to. */
  settle(last) {
    this.#listening.settle(last)
  }

  /** Ends as a program does that closes what it opened, or one that just has nothing left to do. */
  async leave(how) {
    this.#phase = 'leaving'
    this.#asking.stop()
    if (how === 'close') {
      this.#listening.closeOwn()
      await Promise.all([...this.#handles.keys()].map((handle) => this.#close(handle)))
    } else {
      for (const id of this.#listening.ids) this.#listening.end(id, true)
      this.#asking.endAll()
    }
    await Promise.all(this.#closes)
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
    if (this.#round.asks && !heavy && this.#next() < 0.08) return this.#asking.any(...this.#anyBus())
    if (witness || heavy || what < (storm ? 0.3 : 0.8)) return this.#publishSome()
    if (what < 0.9) {
      for (let count = storm ? 1 + this.#next() * 12 : 1; count > 0; count--) {
        if (this.#next() < 0.52) this.#listening.any(this.#anyTopic())
        else this.#listening.end(this.#any(this.#listening.ids))
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
    return this.#act('opening', () => this.#handles.set(handle, this.#bus(handle)))
  }

  /** One more handle of the bus, heard. */
  #bus(handle) {
    const before = now()
    const bus = open(optionsOf(this.#round.bus))
    this.#notes.note(KIND.OPENED, before, now(), handle)
    bus.on('gap', (gap) => this.#gap(handle, gap))
    bus.on('drain', () => this.#drained(this.#n))
    bus.on('error', (error) => this.#fault('the bus is lost', error))
    return bus
  }

  async #close(handle) {
    const bus = this.#handles.get(handle)
    if (!bus) return
    this.#handles.delete(handle)
    const n = this.#n
    this.#asking.endWith(handle)
    await this.#listening.endWith(handle, () => bus.close())
    this.#notes.note(KIND.CLOSED, handle)
    this.#drained(n)
  }

  #publishSome() {
    // Now and then it goes on although it was told to slow down.
    if (this.#full && this.#next() < 0.9) return
    const topic = this.#about.heavy ? this.#round.heavy : this.#anyTopic()
    const bus = this.#handles.get(this.#anyHandle())
    if (!bus) return
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
    if (!this.#full && this.#asking.isQuiet) this.#say('quiet', { n: this.#n })
  }

  // What its subscriptions and its requests know of it

  #listener() {
    return {
      id: () => ++this.#ids,
      open: (handle) => this.#bus(handle),
      handles: this.#handles,
      closes: (closed) => {
        const known = closed.then(() => this.#closes.delete(known))
        this.#closes.add(known)
      },
      dies: () => this.#dies(),
      came: (topic, publisher, n) => publisher === this.#about.id && this.#closingCame(topic, n),
      missed: (topic) => this.#missed(topic),
      acts: (id, topic) => this.#actInListener(id, topic),
      say: (what, facts) => this.#say(what, facts),
    }
  }

  #asker() {
    return {
      id: () => ++this.#ids,
      dies: () => this.#dies(),
      quiet: () => this.#phase === 'quiet' && this.#sayQuiet(),
      fault: (what, error) => this.#fault(what, error),
    }
  }

  #dies() {
    if (!this.#dying || this.#next() > 0.5) return false
    this.#die()
    return true
  }

  /** As users do. */
  #actInListener(id, topic) {
    if (this.#phase !== 'going' || this.#about.witness) return
    const what = this.#next()
    if (what < 0.01) this.#listening.end(id)
    else if (what < 0.02) this.#listening.end(this.#any(this.#listening.idsOf(topic)))
    else if (what < 0.04) this.#act('in a listener', () => this.#listening.any(what < 0.03 ? topic : this.#anyTopic()))
    else if (what < 0.05) this.#act('in a listener', () => this.#publishSome())
  }

  #gap(handle, gap) {
    if (!gap.topic.startsWith('ask:')) this.#listening.missed(handle, gap)
    else if (gap.lost !== gap.to - gap.from + 1 || gap.lost < 1)
      this.#notes.fault(`a gap of ${gap.topic} does not add up`)
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
    if (this.#closing.size === 0) this.#say('last', { last: this.#listening.last })
  }

  /** The closing message itself may be what was missed: another one. */
  #missed(topic) {
    if (!this.#closing.has(topic)) return
    this.#ends.delete(topic)
    this.#publishClosing()
  }

  // Choices and errors

  #any(list) {
    return list[Math.floor(this.#next() * list.length)]
  }

  #anyHandle() {
    return this.#any([...this.#handles.keys()])
  }

  /** A handle's number, and its bus. */
  #anyBus() {
    const handle = this.#anyHandle()
    return [handle, this.#handles.get(handle)]
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

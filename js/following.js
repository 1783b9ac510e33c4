'use strict'

// A subscription on its way from its topic's past to what is live: the past first, a part of it in each turn of the event loop,
// and what comes meanwhile waits behind it, so that all comes in order, once. A durable one stays on that way: each message waits
// until the listener is done with the one before.

const { Inbox, NOTHING, Parcel } = require('./inbox')
const { FLAG_RAW } = require('./hot')
const { deliver, hears, queue, wantsMeta, within } = require('./subscription')

/** Bytes that wait behind the past. What comes beyond them is looked for in the slab again when all that waits was delivered. */
const WAITING = 16 * 1024 * 1024

/** Messages and bytes of one turn: timers and sockets are served in between. */
const TURN = 256
const TURN_BYTES = 256 * 1024

/** Numbers per message of a chunk, as in src/node/following.rs. */
const CHUNK_META = 7

class Following {
  #subscription
  #source
  /** What native has copied of the past, 0: nothing. */
  #past
  /** Of what is lost of it, what is not told yet. */
  #gaps
  /** The part of the past that is being delivered. */
  #chunk = []
  #at = 0
  /** The next message, for which a loop had no room. */
  #held
  #waiting = new Inbox(WAITING)
  /** The number of the last that waits or was delivered. */
  #last
  /** What comes is not kept: it is looked for after `#last`, when that was delivered. */
  #isBehind = false
  #isDue = false
  #isOver = false
  /** Of a durable one: its bookmark, until that is let go. */
  #mark
  /** The listener has not returned yet, or its promise not settled. */
  #isBusy = false

  /**
   * @param {object} subscription
   * @param {{ past: number, gaps: object[], before: number, mark?: object }} begun `mark`: { begun, begin(sequence),
   *   handle(sequence), letGo(forget) }
   * @param {{ take: Function, forget: Function, catchUp: Function, open: Function, isOwn: Function, isReferenced: Function,
   *   gap: Function, live: () => void }} source of its messages; `live` is told that what comes from now on need not wait
   */
  constructor(subscription, { past, gaps, before, mark }, source) {
    this.#subscription = subscription
    this.#source = source
    this.#past = past
    this.#gaps = gaps
    this.#last = before
    this.#mark = mark
    this.#goOn()
  }

  /** Never: it has room, or knows where to find what it has none for. */
  mustWait() {
    return false
  }

  /** A message that is live. */
  add(parcel) {
    if (this.#isBehind) return
    if (this.#waiting.hasRoom(parcel.body.length)) {
      this.#waiting.add(parcel)
      this.#last = parcel.meta.sequence
    } else this.#isBehind = true
    this.#goOn()
  }

  /** This thread was cut off: what of it is still there is found in the slab. */
  fallBehind() {
    this.#isBehind = true
    this.#goOn()
  }

  /** `forget`: for good, if it is durable. */
  end(forget) {
    this.#isOver = true
    // In the hands of its listener, a message is still this one's: nobody else takes it up meanwhile.
    if (forget || !this.#isBusy) this.#letGo(forget)
    if (this.#past !== 0) this.#source.forget(this.#past)
    this.#chunk = []
    this.#waiting.clear()
  }

  /** In a turn of its own. A timer, where the process may end meanwhile: only an immediate that keeps it alive runs at once. */
  #goOn() {
    if (this.#isDue || this.#isBusy || this.#isOver) return
    this.#isDue = true
    if (this.#source.isReferenced()) setImmediate(this.#turn)
    else setTimeout(this.#turn, 0).unref()
  }

  #turn = () => {
    this.#isDue = false
    // It was due when a listener had returned; the next one, called in that turn, may not have yet.
    if (this.#isBusy || this.#isOver) return
    let bytes = 0
    for (let count = 0; count < TURN && bytes < TURN_BYTES; count++) {
      const parcel = this.#next()
      if (this.#isOver) return
      if (parcel === undefined) {
        if (this.#mark === undefined) this.#source.live()
        return
      }
      const loop = this.#subscription[queue]
      if (loop !== undefined && !loop.canTake(parcel.body.length, this.#roused)) {
        this.#held = parcel
        return
      }
      bytes += parcel.body.length
      this.#hand(parcel)
      if (this.#isBusy || this.#isOver) return
    }
    this.#goOn()
  }

  #roused = () => this.#goOn()

  /** The next message, after it was told what is lost before it. Undefined: from now on what comes is live. */
  #next() {
    for (;;) {
      for (const gap of this.#gaps.splice(0)) {
        this.#source.gap(gap)
        this.#mark?.handle(gap.to)
        if (this.#isOver) return undefined
      }
      if (this.#held !== undefined) {
        const held = this.#held
        this.#held = undefined
        return held
      }
      if (this.#at < this.#chunk.length) return this.#chunk[this.#at++]
      if (this.#past !== 0) {
        this.#read(this.#source.take(this.#past))
        continue
      }
      const parcel = this.#waiting.take()
      if (parcel !== undefined || !this.#isBehind) return parcel
      this.#catchUp()
      if (this.#isOver) return undefined
    }
  }

  #read(chunk) {
    this.#at = 0
    this.#chunk = []
    if (chunk === null) {
      this.#past = 0
      return
    }
    const { topic, raw } = this.#subscription
    const { meta, bytes } = chunk
    let start = 0
    for (let at = 0; at < meta.length; at += CHUNK_META) {
      const [length, flags, sequence, position, member, pid, timestamp] = meta.slice(at, at + CHUNK_META)
      const body = bytes.subarray(start, start + length)
      start += length
      const isRaw = raw || (flags & FLAG_RAW) !== 0
      const about = { topic, sequence, position, publisher: { member, pid }, timestamp }
      // A message of bytes is its listener's for good, and its alone.
      this.#chunk.push(new Parcel(isRaw ? Buffer.from(body) : body, isRaw, about))
    }
  }

  #catchUp() {
    this.#isBehind = false
    const begun = this.#source.catchUp(this.#last)
    if (begun === undefined) return
    this.#past = begun.past
    this.#gaps = begun.gaps
    this.#last = begun.before
  }

  #hand(parcel) {
    const subscription = this.#subscription
    if (!subscription[hears](this.#source.isOwn(parcel.meta))) {
      this.#mark?.handle(parcel.meta.sequence)
      return
    }
    if (subscription[queue] !== undefined) {
      subscription[queue].add(parcel)
      return
    }
    const message = this.#source.open(parcel)
    if (this.#isOver) return
    if (this.#mark !== undefined) this.#handDurably(message, parcel.meta)
    else if (message !== NOTHING) this.#deliver(message, parcel.meta)
  }

  #deliver(message, meta) {
    const subscription = this.#subscription
    return subscription[within](deliverTo, undefined, subscription, message, subscription[wantsMeta] ? meta : undefined)
  }

  /** One that throws has returned. What cannot be built here never can be. */
  #handDurably(message, meta) {
    const { sequence } = meta
    const { begun } = this.#mark
    this.#isBusy = true
    this.#mark.begin(sequence)
    const about = sequence <= begun ? { ...meta, redelivered: true } : meta
    const result = message === NOTHING ? undefined : this.#deliver(message, about)
    // A rejection stays unhandled, as that of any listener.
    if (isThenable(result)) Promise.resolve(result).finally(() => this.#handled(sequence))
    else this.#handled(sequence)
  }

  #handled(sequence) {
    this.#isBusy = false
    this.#mark?.handle(sequence)
    if (this.#isOver) this.#letGo(false)
    else this.#goOn()
  }

  #letGo(forget) {
    this.#mark?.letGo(forget)
    this.#mark = undefined
  }
}

const deliverTo = (subscription, message, about) => subscription[deliver](message, about)

function isThenable(value) {
  try {
    return (typeof value === 'object' || typeof value === 'function') && typeof value?.then === 'function'
  } catch {
    return false
  }
}

module.exports = { Following }

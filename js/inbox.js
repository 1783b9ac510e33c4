'use strict'

// Messages that wait for somebody slow, in order, as the bytes they came in, and never more of them than a bound allows. It
// does not know for whom they wait.

/** What a parcel costs beside its bytes: measured, for a bound is one of memory. */
const OVERHEAD = 384

/** What stands for a message that cannot be had. */
const NOTHING = Symbol('nothing')

/** A message that is not opened yet: its body, what stands beside it, and whether the body is the message itself. */
class Parcel {
  constructor(body, isRaw, meta) {
    this.body = body
    this.isRaw = isRaw
    this.meta = meta
  }
}

class Inbox {
  #limit
  #parcels = []
  #head = 0
  #bytes = 0
  /** What the oldest that had to go were: { from, to, lost }. They stand before the first that waits. */
  #missed

  /** @param {number} limit bytes; the newest parcel is kept, however large */
  constructor(limit) {
    this.#limit = limit
  }

  get isEmpty() {
    return this.#head === this.#parcels.length
  }

  /** What waits counts so many bytes against the bound. */
  get bytes() {
    return this.#bytes
  }

  /** Whether a body of so many bytes has room beside those that wait. */
  hasRoom(length) {
    return this.isEmpty || this.#bytes + length + OVERHEAD <= this.#limit
  }

  /** Adds one; the oldest go where there is no room for all. */
  add(parcel) {
    const { length } = parcel.body
    while (!this.hasRoom(length)) this.#miss(this.take())
    this.#parcels.push(parcel)
    this.#bytes += length + OVERHEAD
  }

  /** The oldest, which waits no longer; undefined: there is none. */
  take() {
    if (this.isEmpty) return undefined
    const parcel = this.#parcels[this.#head]
    this.#parcels[this.#head++] = undefined
    this.#bytes -= parcel.body.length + OVERHEAD
    if (this.#head > 1024 && this.#head * 2 > this.#parcels.length) {
      this.#parcels = this.#parcels.slice(this.#head)
      this.#head = 0
    }
    return parcel
  }

  /** What had to go since this was asked last: sequences of the first and the last, and how many; undefined: nothing. */
  takeMissed() {
    const missed = this.#missed
    this.#missed = undefined
    return missed
  }

  clear() {
    this.#parcels = []
    this.#head = 0
    this.#bytes = 0
    this.#missed = undefined
  }

  #miss({ meta: { sequence } }) {
    this.#missed ??= { from: sequence, to: sequence, lost: 0 }
    this.#missed.to = sequence
    this.#missed.lost++
  }
}

module.exports = { Inbox, NOTHING, Parcel }

'use strict'

// What could not go into the slab yet, in order, and the timer that tries again. It does not know the bus: it is given
// the function that tries to put a message there.

const FIRST_WAIT = 1
const LONGEST_WAIT = 16
/** Bytes flushed in one turn of the event loop. */
const TURN = 1 << 20
/** What an entry costs beside its bytes: measured, for `outbox` bounds memory. */
const OVERHEAD = 192

class Outbox {
  #entries = []
  #head = 0
  #bytes = 0
  #wait = FIRST_WAIT
  #timer
  #immediate
  #flush
  #emptied

  /**
   * @param {(entry: object, waited: number) => boolean} flush tries to put an entry into the slab; `waited` ms have
   *   passed since the last try without progress, 0 = none. If the bus is lost meanwhile, this is cleared.
   * @param {() => void} emptied everything is out
   */
  constructor(flush, emptied) {
    this.#flush = flush
    this.#emptied = emptied
  }

  get isEmpty() {
    return this.#head === this.#entries.length
  }

  get messages() {
    return this.#entries.length - this.#head
  }

  /** What it counts against its bound. */
  get bytes() {
    return this.#bytes
  }

  /** How long `count` messages that are added under `limit` may be together; below 0: none. */
  available(count, limit) {
    return limit - this.#bytes - count * OVERHEAD
  }

  /** Whether `count` messages of `length` bytes together may be held under `limit`: an empty outbox takes any one message. */
  takes(length, count, limit) {
    return (this.isEmpty && count === 1) || length <= this.available(count, limit)
  }

  /** @param {{ bytes: Buffer }} entry its bytes are the outbox's own from now on */
  add(entry) {
    this.#entries.push(entry)
    this.#bytes += entry.bytes.length + OVERHEAD
    // Not unref'd: the process lives until everything it was told is accepted is out.
    if (!this.#immediate) this.#timer ??= setTimeout(this.#turn, this.#wait)
  }

  clear() {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
    this.#timer = this.#immediate = undefined
    this.#entries = []
    this.#head = 0
    this.#bytes = 0
  }

  #turn = () => {
    this.#timer = this.#immediate = undefined
    let moved = 0
    while (!this.isEmpty && moved < TURN) {
      const entry = this.#entries[this.#head]
      const isOut = this.#flush(entry, moved > 0 ? 0 : this.#wait)
      // Flushing may run nothing of the user's, but a lost bus clears the outbox.
      if (this.isEmpty) return
      if (!isOut) break
      this.#entries[this.#head++] = undefined
      moved += entry.bytes.length + OVERHEAD
      this.#bytes -= entry.bytes.length + OVERHEAD
    }
    if (this.isEmpty) {
      this.clear()
      this.#wait = FIRST_WAIT
      this.#emptied()
      return
    }
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head)
      this.#head = 0
    }
    this.#wait = moved > 0 ? FIRST_WAIT : Math.min(this.#wait * 2, LONGEST_WAIT)
    if (moved >= TURN) this.#immediate = setImmediate(this.#turn)
    else this.#timer = setTimeout(this.#turn, this.#wait)
  }
}

module.exports = { Outbox }

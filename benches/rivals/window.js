'use strict'

/** How many may be on their way where a system has no bound of its own, or tells of it only by acknowledging each. */
const MOST = 1024

class Window {
  #onTheirWay = 0
  #room
  #opened

  /** One more is on its way. Undefined, or a promise of room. */
  take() {
    this.#onTheirWay++
    if (this.#onTheirWay < MOST) return undefined
    this.#room ??= new Promise((resolve) => {
      this.#opened = resolve
    })
    return this.#room
  }

  /** One has arrived. For use as a callback. */
  give = () => {
    this.#onTheirWay--
    if (this.#room === undefined || this.#onTheirWay > MOST / 2) return
    this.#opened()
    this.#room = undefined
  }
}

module.exports = { Window }

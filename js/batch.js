'use strict'

// Messages gathered to be published at once: their bodies one after the other, and how long each is.

const FIRST_BYTES = 4096
const FIRST_LENGTHS = 64

class Batch {
  count = 0
  size = 0
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES)
  #lengths = new Uint32Array(FIRST_LENGTHS)

  /** Adds the first `length` of these bytes. */
  add(bytes, length) {
    if (this.size + length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.size + length, this.#bytes.length * 2))
      this.#bytes.copy(larger, 0, 0, this.size)
      this.#bytes = larger
    }
    if (this.count === this.#lengths.length) {
      const longer = new Uint32Array(this.count * 2)
      longer.set(this.#lengths)
      this.#lengths = longer
    }
    bytes.copy(this.#bytes, this.size, 0, length)
    this.#lengths[this.count++] = length
    this.size += length
  }

  get bytes() {
    return this.#bytes.subarray(0, this.size)
  }

  get lengths() {
    return this.#lengths.subarray(0, this.count)
  }

  /** Each body alone. They share the memory of all. */
  *bodies() {
    let end = 0
    for (const length of this.lengths) {
      end += length
      yield this.#bytes.subarray(end - length, end)
    }
  }
}

module.exports = { Batch }

'use strict'

// The start and end of an encode: whose bytes are written, how many there may be, and what is left behind when it
// fails. User code runs inside (getters, toJSON) and may publish: every encode puts back what it found.

const { out, use, allocate, HARD_MAX } = require('./output')
const { tooLarge, told } = require('./refusal')
const { writeValue } = require('./write')
require('./walk')

const INITIAL_BYTES = 64 * 1024

/** After so many encodes the buffer is fitted to the largest of them. */
const WINDOW = 128

/** Shows what for-in adds to every plain object. */
const PROBE = {}

function isClean() {
  for (const _ in PROBE) return false
  return true
}

class Encoder {
  #max
  #largest = 0
  #count = 0

  constructor({ maxBytes = HARD_MAX } = {}) {
    this.#max = Math.min(maxBytes, HARD_MAX)
    /** Where the last value is; replaced when it grows or shrinks. */
    this.bytes = allocate(INITIAL_BYTES)
    /** An encode is under way: whoever comes meanwhile takes `encode`. */
    this.busy = false
  }

  get maxBytes() {
    return this.#max
  }

  set maxBytes(bytes) {
    this.#max = Math.min(bytes, HARD_MAX)
  }

  /** @returns {number} the value is bytes[0 .. returned) until the next call */
  encode(value) {
    if (this.busy) throw new Error('an Encoder was asked to encode while it does: look at busy')
    if (this.bytes.length > INITIAL_BYTES) this.#fit()
    const length = run(this, value, this.#max)
    if (length > this.#largest) this.#largest = length
    return length
  }

  #fit() {
    if (++this.#count < WINDOW) return
    const wanted = Math.max(INITIAL_BYTES, this.#largest * 2)
    if (wanted * 2 <= this.bytes.length) this.bytes = allocate(wanted)
    this.#count = 0
    this.#largest = 0
  }
}

/** Encodes under way, each inside the getter of another. */
let nesting = 0

function run(encoder, value, max) {
  const outer = nesting > 0 ? { bytes: out.bytes, max: out.max, clean: out.clean } : null
  encoder.busy = true
  nesting++
  try {
    use(encoder.bytes, max)
    out.clean = isClean()
    const length = writeValue(value, 0, 0)
    if (length > max) throw tooLarge(length, max)
    return length
  } catch (error) {
    throw told(error)
  } finally {
    if (out.bytes !== encoder.bytes) encoder.bytes = out.bytes
    encoder.busy = false
    nesting--
    if (outer !== null) {
      use(outer.bytes, outer.max)
      out.clean = outer.clean
    }
  }
}

/** Encoders that `encode` borrows: more than one only while user code inside one encode starts another. */
const spare = []

/** @returns {Buffer} one of its own */
function encode(value, maxBytes = HARD_MAX) {
  const encoder = spare.pop() ?? new Encoder()
  encoder.maxBytes = maxBytes
  try {
    const length = encoder.encode(value)
    const bytes = Buffer.allocUnsafe(length)
    encoder.bytes.copy(bytes, 0, 0, length)
    return bytes
  } finally {
    if (spare.length < 4) spare.push(encoder)
  }
}

module.exports = { Encoder, encode }

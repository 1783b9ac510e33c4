'use strict'

// The bytes being written: one scratch buffer at a time, and the room left in it. Every writer takes the position
// to write at and returns the next one; whoever writes more than a byte or two asks `room` first.
// Not an encoder: it knows nothing of values. Whoever starts an encode (encoder.js) puts its own buffer in here.

const { tooLarge } = require('./refusal')

// Bytes kept free behind `end`: keys are written in whole words and may run over by less than this.
const SLACK = 16

// No MessagePack length reaches beyond 32 bits.
const HARD_MAX = 0xffffffff - SLACK

const out = {
  bytes: Buffer.alloc(SLACK),
  view: new DataView(new ArrayBuffer(SLACK)),
  /** Positions below it are free to write without asking. */
  end: 0,
  /** Bytes one encoded value may have. */
  max: 0,
  /** Object.prototype is as the language made it: no enumerable property that for-in would show. */
  clean: true,
}

const allocate = (length) => Buffer.allocUnsafeSlow(length)

function use(bytes, max) {
  if (out.bytes !== bytes) {
    out.bytes = bytes
    out.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }
  out.max = max
  out.end = Math.min(bytes.length - SLACK, max)
}

/** Makes `need` bytes from `p` on writable; `need` may be generous, `p` itself is what the value has by now. */
function room(p, need) {
  const { max } = out
  if (p > max) throw tooLarge(p, max)
  const wanted = p + need + SLACK
  const { length } = out.bytes
  if (wanted <= length) return
  const larger = Math.max(wanted, Math.min(length * 2, max + SLACK))
  let bytes
  try {
    bytes = allocate(larger)
  } catch (cause) {
    throw tooLarge(wanted, length, cause)
  }
  out.bytes.copy(bytes, 0, 0, p)
  use(bytes, max)
}

/** As `room`, when `need` bytes will certainly be written: refuses before anything is. */
function exactRoom(p, need) {
  if (p + need > out.max) throw tooLarge(p + need, out.max)
  if (p + need > out.end) room(p, need)
}

module.exports = { out, use, room, exactRoom, allocate, SLACK, HARD_MAX }

'use strict'

// The bytes being read: where reading stands and how far it may go. Nothing here decodes.
//
// `limit` is more than the end of the bytes: whoever opens an array of n elements takes n off, a byte for each that
// must still come, and gives one back before reading each. So no header can promise, at any depth, more elements than
// there are bytes, and what is allocated is in proportion to what was sent.

const { SlabcastError } = require('../errors')

/** Underlying buffers up to this size may stay referenced between two decodes. */
const KEPT = 1 << 20

const input = {
  bytes: Buffer.alloc(0),
  view: new DataView(new ArrayBuffer(0)),
  p: 0,
  limit: 0,
  /** From this depth on nothing recurses; 0 while a value is read that would not fit the stack. */
  deep: 0,
  /** The bytes may stay referenced when the decode is over. */
  keep: true,
}

const NOTHING = { bytes: input.bytes, view: input.view }

/** The last buffer too large to keep: seen again, it is one that someone reuses, and is kept. */
let large = null

function take(bytes) {
  input.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  input.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  input.keep = bytes.buffer.byteLength <= KEPT || large?.deref() === bytes
  if (!input.keep) large = new WeakRef(bytes)
}

/** After a decode: lets go of a large buffer that nobody else may need. */
function forget() {
  input.bytes = NOTHING.bytes
  input.view = NOTHING.view
}

function corrupt(what, p, cause) {
  const sentence = `These bytes are no MessagePack value: ${what} at byte ${p}. Were they written by something else?`
  return new SlabcastError('ERR_CORRUPT', sentence, cause === undefined ? { offset: p } : { offset: p, cause })
}

const truncated = (p) => corrupt('they end too soon, or a length is too large', p)

const notText = (p) => corrupt('a string is not UTF-8', p)

module.exports = { input, take, forget, corrupt, truncated, notText }

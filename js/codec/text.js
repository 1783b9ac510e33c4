'use strict'

// Strings: MessagePack str, both ways. The cheapest way differs by length, and was measured (benches/node/codec.js):
// a loop over the characters for short ones, V8's UTF-8 for middling ones, a plain copy for long ASCII.
// Lone surrogates are refused when written, bytes that are no UTF-8 when read.

const { isAscii, isUtf8 } = require('node:buffer')
const v8 = require('node:v8')
const { out, room } = require('./output')
const { refuse, tooLarge } = require('./refusal')
const { compileTextMakers } = require('./compile')

const LOOPED = 24
const COPIED = 4096
const CACHED = 16
const CACHE_SIZE = 1024
const CACHE_SHIFT = 22
const CODE_LOOP = 48

/** Whether V8 holds its characters, all below U+0100, in a byte each. Node 20 cannot tell: undefined. */
const isOneByte = v8.isStringOneByteRepresentation ?? (() => undefined)

const headerLength = (bytes) => (bytes < 32 ? 1 : bytes < 0x100 ? 2 : bytes < 0x10000 ? 3 : 5)

function writeHeader(length, p) {
  const { bytes, view } = out
  if (length < 32) bytes[p] = 0xa0 | length
  else if (length < 0x100) {
    bytes[p] = 0xd9
    bytes[p + 1] = length
  } else if (length < 0x10000) {
    bytes[p] = 0xda
    view.setUint16(p + 1, length)
  } else {
    bytes[p] = 0xdb
    view.setUint32(p + 1, length)
  }
}

/** Any string. Makes its own room. */
function writeText(text, p) {
  const { length } = text
  if (length > LOOPED) return writeLong(text, length, p)
  if (p + 3 * LOOPED > out.end) room(p, 3 * LOOPED + 5)
  const { bytes } = out
  let q = p + 1
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return writeLong(text, length, p)
    bytes[q++] = code
  }
  bytes[p] = 0xa0 | length
  return q
}

function writeLong(text, length, p) {
  if (length >= COPIED || p + length * 3 + 5 > out.end) return writeMeasured(text, length, p)
  // Most are ASCII: leave the header that fits then, and move the bytes in the rare other case.
  const guess = headerLength(length)
  const written = out.bytes.utf8Write(text, p + guess, length * 3)
  if (written !== length) {
    if (!text.isWellFormed()) throw loneSurrogate()
    const header = headerLength(written)
    if (header !== guess) out.bytes.copyWithin(p + header, p + guess, p + guess + written)
    writeHeader(written, p)
    return p + header + written
  }
  writeHeader(length, p)
  return p + guess + length
}

function writeMeasured(text, length, p) {
  // Each UTF-16 unit takes a byte at least: refuse before looking at them.
  const least = p + headerLength(length) + length
  if (least > out.max) throw tooLarge(least, out.max)
  // Most are ASCII, which is seen sooner afterwards than counted before. If it is not, it is written over.
  const oneByte = isOneByte(text)
  if (oneByte !== false) {
    if (least > out.end) room(p, least - p)
    const at = least - length
    const written = oneByte ? out.bytes.latin1Write(text, at, length) : out.bytes.utf8Write(text, at, length)
    if (written === length && isAscii(out.bytes.subarray(at, least))) {
      writeHeader(length, p)
      return least
    }
  }
  const size = Buffer.byteLength(text, 'utf8')
  const header = headerLength(size)
  if (size !== length && !text.isWellFormed()) throw loneSurrogate()
  if (p + header + size > out.max) throw tooLarge(p + header + size, out.max)
  if (p + header + size > out.end) room(p, header + size)
  writeHeader(size, p)
  p += header
  if (size === length) out.bytes.latin1Write(text, p, size)
  else out.bytes.utf8Write(text, p, size)
  return p + size
}

const loneSurrogate = () =>
  refuse('holds a lone surrogate, which UTF-8 cannot carry: see String.prototype.toWellFormed')

// Short strings come again and again: each is kept beside its bytes, which as words make comparing cheap and exact.
// Two overlapping words are all of a string up to 8 bytes, four of one up to 16.
const cached = new Array(CACHE_SIZE).fill('')
const words = new Int32Array(CACHE_SIZE * 4)

/** Makes a string of as many one-byte characters as its index says; where nothing can be generated, V8's own does. */
const makers = compileTextMakers(CACHED)

/** The string of `length` < 32 bytes at `start`, or undefined where they are no UTF-8. The bytes are there. */
function readShort(bytes, view, start, length) {
  if (length > CACHED || length === 0) return length === 0 ? '' : readLong(bytes, start, length)
  let a
  let b = 0
  let c = 0
  let d = 0
  if (length < 4) a = bytes[start] | (bytes[start + (length >> 1)] << 8) | (bytes[start + length - 1] << 16)
  else {
    a = view.getInt32(start, true)
    b = view.getInt32(start + length - 4, true)
    if (length > 8) {
      c = view.getInt32(start + 4, true)
      d = view.getInt32(start + length - 8, true)
    }
  }
  // The top bits of a product depend on all bits below them.
  const rest = length > 8 ? Math.imul(c + Math.imul(d, 0x27d4eb2f), 0xc2b2ae35) : length
  const hash = Math.imul(a + Math.imul(b + rest, 0x85ebca6b), 0x9e3779b1) >>> CACHE_SHIFT
  const at = hash << 2
  const known = cached[hash]
  if (known.length === length && words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) {
    return known
  }
  // Only in ASCII does the length of the string tell the length of its bytes.
  if (((a | b | c | d) & 0x80808080) !== 0) return readLong(bytes, start, length)
  const text = makers === null ? bytes.latin1Slice(start, start + length) : makers[length](bytes, start)
  words[at] = a
  words[at + 1] = b
  words[at + 2] = c
  words[at + 3] = d
  cached[hash] = text
  return text
}

/** As readShort, for any length. */
function readLong(bytes, start, length) {
  const end = start + length
  if (length <= CODE_LOOP) {
    let all = 0
    for (let i = start; i < end; i++) all |= bytes[i]
    if (all < 0x80) return bytes.latin1Slice(start, end)
  } else if (length >= COPIED && isAscii(bytes.subarray(start, end))) return bytes.latin1Slice(start, end)
  const text = bytes.utf8Slice(start, end)
  // Bytes that are no UTF-8 turn into U+FFFD; so does U+FFFD itself.
  return text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end)) ? undefined : text
}

module.exports = { writeText, readShort, readLong }

'use strict'

// Numbers and BigInts, written. Integers up to 32 bits take the shortest MessagePack integer; larger ones are float64,
// because other readers turn 64-bit integers into BigInts. BigInts are 64-bit integers where no number would do,
// and extension 0x42 elsewhere, so that each comes back as what it was.

const { out, room, exactRoom } = require('./output')

const EXT_BIGINT = 0x42
const SAFE = BigInt(Number.MAX_SAFE_INTEGER)
const MAX_UINT64 = 2n ** 64n - 1n
const MIN_INT64 = -(2n ** 63n)

/** Writes at most 9 bytes; the caller has made room for them. */
function writeNumber(value, p) {
  const { bytes, view } = out
  const integer = value | 0
  if (integer === value && (integer !== 0 || 1 / value > 0)) {
    if (integer >= 0) {
      if (integer < 0x80) bytes[p++] = integer
      else if (integer < 0x100) {
        bytes[p] = 0xcc
        bytes[p + 1] = integer
        p += 2
      } else if (integer < 0x10000) {
        bytes[p] = 0xcd
        view.setUint16(p + 1, integer)
        p += 3
      } else {
        bytes[p] = 0xce
        view.setUint32(p + 1, integer)
        p += 5
      }
    } else if (integer >= -32) bytes[p++] = integer & 0xff
    else if (integer >= -0x80) {
      bytes[p] = 0xd0
      bytes[p + 1] = integer & 0xff
      p += 2
    } else if (integer >= -0x8000) {
      bytes[p] = 0xd1
      view.setInt16(p + 1, integer)
      p += 3
    } else {
      bytes[p] = 0xd2
      view.setInt32(p + 1, integer)
      p += 5
    }
    return p
  }
  if (value > 0 && value >>> 0 === value) {
    bytes[p] = 0xce
    view.setUint32(p + 1, value)
    return p + 5
  }
  bytes[p] = 0xcb
  view.setFloat64(p + 1, value)
  return p + 9
}

/** Any BigInt. Makes its own room. */
function writeBigInt(value, p) {
  if (value > SAFE ? value <= MAX_UINT64 : value < -SAFE && value >= MIN_INT64) {
    exactRoom(p, 9)
    out.bytes[p] = value > 0n ? 0xcf : 0xd3
    out.view.setBigUint64(p + 1, BigInt.asUintN(64, value))
    return p + 9
  }
  // Two's complement, big end first: a negative number is the complement of its complement's bytes.
  const negative = value < 0n
  let hex = (negative ? ~value : value).toString(16)
  if (hex.length % 2 === 1) hex = `0${hex}`
  if (hex.charCodeAt(0) >= 0x38) hex = `00${hex}`
  const length = hex.length / 2
  p = writeExtensionHeader(EXT_BIGINT, length, p)
  out.bytes.write(hex, p, length, 'hex')
  if (negative) for (let i = p; i < p + length; i++) out.bytes[i] ^= 0xff
  return p + length
}

/** Also makes room for the payload. A header longer than two bytes runs into the slack behind `end`. */
function writeExtensionHeader(type, length, p) {
  exactRoom(p, length + 2)
  const { bytes, view } = out
  if (length === 1 || length === 2 || length === 4 || length === 8 || length === 16) {
    bytes[p++] = 0xd4 + Math.log2(length)
  } else if (length < 0x100) {
    bytes[p] = 0xc7
    bytes[p + 1] = length
    p += 2
  } else if (length < 0x10000) {
    bytes[p] = 0xc8
    view.setUint16(p + 1, length)
    p += 3
  } else {
    bytes[p] = 0xc9
    view.setUint32(p + 1, length)
    p += 5
  }
  bytes[p++] = type & 0xff
  return p
}

/** Of an array (0x90, 0xdc) or a map (0x80, 0xde): `fix` is the first of its fixed headers, `wide` its 16-bit one. */
function writeCount(count, fix, wide, p) {
  if (p + 5 > out.end) room(p, 5)
  const { bytes, view } = out
  if (count < 16) bytes[p++] = fix | count
  else if (count < 0x10000) {
    bytes[p] = wide
    view.setUint16(p + 1, count)
    p += 3
  } else {
    bytes[p] = wide + 1
    view.setUint32(p + 1, count)
    p += 5
  }
  return p
}

module.exports = { EXT_BIGINT, writeNumber, writeBigInt, writeExtensionHeader, writeCount }

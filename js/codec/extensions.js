'use strict'

// What MessagePack lacks and has no parts of its own: Date, RegExp, ArrayBuffer and its views, undefined, and the
// extension types of others. docs/format.md lists the numbers; undefined, BigInt and bytes have msgpackr's numbers and
// payloads. (Its others are no extensions to anyone else: their contents follow behind.) Map, Set and Error contain values and are walk.js' (written) and deep.js' (read).

const { types } = require('node:util')
const { out, exactRoom } = require('./output')
const { EXT_BIGINT, writeExtensionHeader } = require('./numbers')
const { writeText, readLong } = require('./text')
const { refuse } = require('./refusal')

const EXT = {
  undefined: 0x00,
  bigint: EXT_BIGINT,
  invalidDate: 0x44,
  error: 0x45,
  map: 0x4d,
  set: 0x53,
  bytes: 0x74,
  regexp: 0x58,
  timestamp: -1,
}

// The first byte of a 0x74 payload.
const ARRAYS = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
  'Float16Array',
]
const ARRAY_BUFFER = 16
const DATA_VIEW = 17

const MAX_TIME = 8.64e15

/** An extension type of another writer that means nothing here: kept as it came, and written as it came. */
class Extension {
  #own = true

  /** @param {number} type -128 to 127 @param {Buffer} data */
  constructor(type, data) {
    this.type = type
    this.data = data
  }

  static is(value) {
    return #own in value
  }
}

function writeUndefined(p) {
  p = writeExtensionHeader(EXT.undefined, 1, p)
  out.bytes[p] = 0
  return p + 1
}

const timeOf = Date.prototype.getTime

function writeDate(date, p) {
  const time = timeOf.call(date)
  if (Number.isNaN(time)) {
    p = writeExtensionHeader(EXT.invalidDate, 1, p)
    out.bytes[p] = 0
    return p + 1
  }
  const seconds = Math.floor(time / 1000)
  const nanoseconds = (time - seconds * 1000) * 1e6
  const length = seconds < 0 || seconds >= 2 ** 34 ? 12 : nanoseconds !== 0 || seconds >= 2 ** 32 ? 8 : 4
  p = writeExtensionHeader(EXT.timestamp, length, p)
  const { view } = out
  if (length === 4) view.setUint32(p, seconds)
  else if (length === 8) {
    view.setUint32(p, nanoseconds * 4 + Math.floor(seconds / 2 ** 32))
    view.setUint32(p + 4, seconds >>> 0)
  } else {
    view.setUint32(p, nanoseconds)
    view.setBigInt64(p + 4, BigInt(seconds))
  }
  return p + length
}

function writeRegExp(regexp, p) {
  const { source, flags } = regexp
  exactRoom(p, source.length + 8)
  const start = p
  p = writeText(flags, writeText(source, p + 7))
  patchContainer(EXT.regexp, start, p)
  out.bytes[start + 6] = 0x92
  return p
}

/** A 32-bit header before a payload whose length was not known: six bytes were left at `start`. */
function patchContainer(type, start, end) {
  out.bytes[start] = 0xc9
  out.view.setUint32(start + 1, end - start - 6)
  out.bytes[start + 5] = type
}

function writeBin(bytes, p) {
  const { length } = bytes
  const header = length < 0x100 ? 2 : length < 0x10000 ? 3 : 5
  exactRoom(p, header + length)
  out.bytes[p] = header === 2 ? 0xc4 : header === 3 ? 0xc5 : 0xc6
  if (header === 2) out.bytes[p + 1] = length
  else if (header === 3) out.view.setUint16(p + 1, length)
  else out.view.setUint32(p + 1, length)
  out.bytes.set(bytes, p + header)
  return p + header + length
}

const nameOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get

/** A typed array (not a Buffer: that is bin), DataView or ArrayBuffer. */
function writeBytes(value, p) {
  const isView = ArrayBuffer.isView(value)
  const buffer = isView ? value.buffer : value
  if (types.isSharedArrayBuffer(buffer)) throw refuse('is on a SharedArrayBuffer, which only this process can see')
  let bytes
  try {
    bytes = isView ? new Uint8Array(buffer, value.byteOffset, value.byteLength) : new Uint8Array(buffer)
  } catch {
    throw refuse('is on a detached ArrayBuffer: its bytes are gone')
  }
  if (Buffer.isBuffer(value)) return writeBin(bytes, p)
  const code = isView ? (types.isDataView(value) ? DATA_VIEW : ARRAYS.indexOf(nameOf.call(value))) : ARRAY_BUFFER
  if (code < 0) throw refuse('is a typed array of a kind this version does not know')
  p = writeExtensionHeader(EXT.bytes, bytes.length + 1, p)
  out.bytes[p] = code
  out.bytes.set(bytes, p + 1)
  return p + 1 + bytes.length
}

function writeExtension(extension, p) {
  const { type, data } = extension
  p = writeExtensionHeader(type, data.length, p)
  out.bytes.set(data, p)
  return p + data.length
}

function readBytes(bytes, start, end) {
  const code = bytes[start]
  const buffer = bytes.buffer.slice(bytes.byteOffset + start + 1, bytes.byteOffset + end)
  if (code === ARRAY_BUFFER) return buffer
  if (code === DATA_VIEW) return new DataView(buffer)
  const Class = globalThis[ARRAYS[code]]
  // Float16Array, where this version of Node has none: kept for someone who has.
  if (Class === undefined && code < ARRAYS.length)
    return new Extension(EXT.bytes, Buffer.from(bytes.subarray(start, end)))
  return Class === undefined || buffer.byteLength % Class.BYTES_PER_ELEMENT !== 0 ? undefined : new Class(buffer)
}

function readTimestamp(view, start, length) {
  let seconds
  let nanoseconds = 0
  if (length === 4) seconds = view.getUint32(start)
  else if (length === 8) {
    const high = view.getUint32(start)
    nanoseconds = high >>> 2
    seconds = (high & 3) * 2 ** 32 + view.getUint32(start + 4)
  } else if (length === 12) {
    nanoseconds = view.getUint32(start)
    seconds = Number(view.getBigInt64(start + 4))
  } else if (length === 1) {
    // msgpackr's way to write an invalid date.
    return new Date(Number.NaN)
  }
  const time = seconds * 1000 + Math.floor(nanoseconds / 1e6)
  return nanoseconds < 1e9 && Math.abs(time) <= MAX_TIME ? new Date(time) : undefined
}

function readBigInt(bytes, start, end) {
  const negative = bytes[start] >= 0x80
  const own = Uint8Array.prototype.slice.call(bytes, start, end)
  if (negative) for (let i = 0; i < own.length; i++) own[i] ^= 0xff
  const magnitude = BigInt(`0x${Buffer.from(own.buffer).hexSlice()}`)
  return negative ? ~magnitude : magnitude
}

function readString(bytes, p, end) {
  const header = bytes[p]
  let length = header - 0xa0
  let from = p + 1
  if (header === 0xd9) {
    length = bytes[p + 1]
    from = p + 2
  } else if (header === 0xda) {
    length = bytes[p + 1] * 0x100 + bytes[p + 2]
    from = p + 3
  } else if (header === 0xdb) {
    length = bytes.readUInt32BE(p + 1)
    from = p + 5
  }
  if (!(length >= 0 && from + length <= end) || (header < 0xd9 && length > 31)) return undefined
  const text = readLong(bytes, from, length)
  return text === undefined ? undefined : { text, next: from + length }
}

function readRegExp(bytes, start, end) {
  const source = bytes[start] === 0x92 ? readString(bytes, start + 1, end) : undefined
  const flags = source && readString(bytes, source.next, end)
  if (flags?.next !== end) return undefined
  try {
    return new RegExp(source.text, flags.text)
  } catch {
    return undefined
  }
}

/** undefined is a value too: FAILED says that the payload is not what the type promises. */
const FAILED = Symbol('failed')

/** A value without parts. The payload, start to end, lies within `bytes`. */
function readLeaf(type, bytes, view, start, end) {
  let value
  switch (type) {
    case EXT.undefined:
      if (end - start === 1 && bytes[start] === 0) return undefined
      break
    case EXT.invalidDate:
      if (end - start === 1 && bytes[start] === 0) return new Date(Number.NaN)
      break
    case EXT.timestamp:
      value = readTimestamp(view, start, end - start)
      return value === undefined ? FAILED : value
    case EXT.bigint:
      return end > start ? readBigInt(bytes, start, end) : FAILED
    case EXT.bytes:
      value = end > start ? readBytes(bytes, start, end) : undefined
      return value === undefined ? FAILED : value
    case EXT.regexp:
      value = readRegExp(bytes, start, end)
      return value === undefined ? FAILED : value
  }
  return new Extension(type, Buffer.from(bytes.subarray(start, end)))
}

module.exports = {
  EXT,
  FAILED,
  Extension,
  writeUndefined,
  writeDate,
  writeRegExp,
  writeBin,
  writeBytes,
  writeExtension,
  patchContainer,
  readLeaf,
}

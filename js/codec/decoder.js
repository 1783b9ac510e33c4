'use strict'

// Bytes to a value, the recursive way, for the depths messages have. Objects of a known shape go to their compiled
// decoder; what has parts and is an extension, and what is deep, is deep.js'. The value never refers to the bytes.
// A depth is the number of containers around a value.

const { input, take, forget, corrupt, truncated, notText } = require('./input')
const { SlabcastError } = require('../errors')
const { readShort, readLong } = require('./text')
const { Sightings, MAX_KEYS } = require('./shapes')
const { put, forgetPrototype } = require('./properties')
const compile = require('./compile')

const DEEP = 32
const BUCKETS = 64
const BUCKET_SHAPES = 32

/** deep.js, which needs this module: it puts itself here. */
const slow = { read: null, extension: null }

/** Compiled decoders, by the number of keys, and then by what the first looks like. */
const buckets = Array.from({ length: MAX_KEYS + 1 }, () => new Array(BUCKETS).fill(null))
let sightings = new Sightings()

function reset() {
  for (const row of buckets) row.fill(null)
  sightings = new Sightings()
}

const bucketOf = (length, first, last) => (length * 29 + first * 7 + last) & (BUCKETS - 1)

/** The value at input.p. */
function readValue(depth) {
  const { bytes, p } = input
  const header = bytes[p]
  if (header < 0x80) {
    input.p = p + 1
    return header
  }
  if (header < 0x90) return readMap(header & 0x0f, p + 1, depth)
  if (header < 0xa0) return readArray(header & 0x0f, p + 1, depth)
  if (header < 0xc0) return readText(header & 0x1f, p + 1)
  if (header >= 0xe0) {
    input.p = p + 1
    return header - 0x100
  }
  return readOther(header, p + 1, depth)
}

/** Headers 0xc0 to 0xdf. */
function readOther(header, p, depth) {
  switch (header) {
    case 0xc0:
      input.p = p
      return null
    case 0xc2:
    case 0xc3:
      input.p = p
      return header === 0xc3
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return readBin(readLength(header - 0xc4, p), input.p)
    case 0xd9:
    case 0xda:
    case 0xdb:
      return readText(readLength(header - 0xd9, p), input.p)
    case 0xdc:
    case 0xdd:
      return readArray(readLength(header - 0xdb, p), input.p, depth)
    case 0xde:
    case 0xdf:
      return readMap(readLength(header - 0xdd, p), input.p, depth)
    case 0xc7:
    case 0xc8:
    case 0xc9:
      return slow.extension(readLength(header - 0xc7, p), depth)
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      input.p = p
      return slow.extension(1 << (header - 0xd4), depth)
  }
  return readNumber(header, p)
}

/** How many bytes numbers take behind headers 0xca to 0xd3. */
const WIDTHS = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8]

function readNumber(header, p) {
  const width = WIDTHS[header - 0xca]
  if (width === undefined) throw header === undefined ? truncated(p - 1) : corrupt('a byte stands for nothing', p - 1)
  if (p + width > input.limit) throw truncated(p)
  const { view } = input
  input.p = p + width
  switch (header) {
    case 0xca:
      return view.getFloat32(p)
    case 0xcb:
      return view.getFloat64(p)
    case 0xcc:
      return view.getUint8(p)
    case 0xcd:
      return view.getUint16(p)
    case 0xce:
      return view.getUint32(p)
    case 0xd0:
      return view.getInt8(p)
    case 0xd1:
      return view.getInt16(p)
    case 0xd2:
      return view.getInt32(p)
  }
  const high = header === 0xcf ? view.getUint32(p) : view.getInt32(p)
  const number = high * 2 ** 32 + view.getUint32(p + 4)
  if (Number.isSafeInteger(number)) return number
  return header === 0xcf ? view.getBigUint64(p) : view.getBigInt64(p)
}

/** A length of 1, 2 or 4 bytes (`size` 0, 1, 2); moves input.p behind it. */
function readLength(size, p) {
  if (p + (1 << size) > input.limit) throw truncated(p)
  input.p = p + (1 << size)
  return size === 0 ? input.bytes[p] : size === 1 ? input.view.getUint16(p) : input.view.getUint32(p)
}

function readText(length, p) {
  if (p + length > input.limit) throw truncated(p)
  input.p = p + length
  const text = length < 32 ? readShort(input.bytes, input.view, p, length) : readLong(input.bytes, p, length)
  if (text === undefined) throw notText(p)
  return text
}

function readBin(length, p) {
  if (p + length > input.limit) throw truncated(p)
  input.p = p + length
  const bytes = Buffer.allocUnsafe(length)
  input.bytes.copy(bytes, 0, p, p + length)
  return bytes
}

function readArray(length, p, depth) {
  if (depth >= input.deep) return slow.read(false, length, p, depth)
  const { limit, bytes } = input
  if (length > limit - p) throw truncated(p)
  input.p = p
  const array = []
  for (let left = length - 1; left >= 0; left--) {
    const header = bytes[input.p]
    if (header < 0x80) {
      input.p++
      array.push(header)
    } else {
      input.limit = limit - left
      array.push(readValue(depth + 1))
    }
  }
  input.limit = limit
  return array
}

function readMap(count, p, depth) {
  if (depth >= input.deep) return slow.read(true, count, p, depth)
  const { limit, bytes } = input
  if (count * 2 > limit - p) throw truncated(p)
  if (count === 0) {
    input.p = p
    return {}
  }
  if (count <= MAX_KEYS) {
    const length = bytes[p] & 0x1f
    const bucket = buckets[count][bucketOf(length, bytes[p + 1], bytes[p + length])]
    if (bucket) return bucket.read(p, limit, depth)
  }
  return readEntries(p, count, limit, [], [], depth)
}

/** The entries of a map from the one on that follows `keys`, whose values are there already. */
function readEntries(p, count, limit, keys, values, depth) {
  const object = {}
  const all = keys.slice()
  for (let i = 0; i < keys.length; i++) put(object, keys[i], values[i])
  input.p = p
  for (let left = count - keys.length - 1; left >= 0; left--) {
    input.limit = limit - 2 * left - 1
    const header = input.bytes[input.p]
    if (header === undefined || (header & 0xe0) !== 0xa0) {
      if (header !== 0xd9 && header !== 0xda && header !== 0xdb) return readMixed(all, object, left, limit, depth)
    }
    const key = readValue(depth + 1)
    input.limit = limit - 2 * left
    put(object, key, readValue(depth + 1))
    all.push(key)
  }
  input.limit = limit
  if (compile.mode.generating && sightings.due(all)) learn(all)
  return object
}

/** A key that is no string: the whole is a Map. */
function readMixed(keys, object, left, limit, depth) {
  const map = new Map()
  for (const key of keys) map.set(key, object[key])
  for (; left >= 0; left--) {
    input.limit = limit - 2 * left - 1
    const key = readValue(depth + 1)
    input.limit = limit - 2 * left
    map.set(key, readValue(depth + 1))
  }
  input.limit = limit
  return map
}

const parts = {
  input,
  text: readShort,
  value: readValue,
  map: readMap,
  rest: readEntries,
  notText(p) {
    throw notText(p)
  },
}

function learn(keys) {
  if (sightings.stale) return reset()
  const [key] = keys
  if (new Set(keys).size < keys.length) return
  const row = buckets[keys.length]
  const index = bucketOf(key.length, key.charCodeAt(0), key.charCodeAt(key.length - 1))
  const lists = row[index]?.lists ?? []
  // They are there already where another writer gives their keys a longer header.
  if (lists.length === BUCKET_SHAPES || lists.some((list) => list.join() === keys.join())) return
  const next = [...lists, keys]
  const read = compile.compileDecoder(next, parts)
  if (read !== null) row[index] = { lists: next, read }
}

function readWhole(start, end, deep) {
  input.p = start
  input.limit = end
  input.deep = deep
  forgetPrototype()
  const value = readValue(0)
  if (input.p !== end) throw input.p > end ? truncated(end) : corrupt('more follows a whole value', input.p)
  return value
}

/**
 * @param {Buffer} bytes
 * @returns {unknown} a value that owns all it holds
 */
function decode(bytes, start = 0, end = bytes.length) {
  if (input.bytes !== bytes) take(bytes)
  if (!(start >= 0 && start < end && end <= bytes.length)) throw corrupt('there are none', start)
  try {
    return readWhole(start, end, DEEP)
  } catch (error) {
    if (error instanceof SlabcastError) throw error
    // Compiled code looks at bytes before it knows that they are there, and the caller may have left little stack:
    // once more, the slow way that does neither.
    return readAgain(start, end)
  } finally {
    if (!input.keep) forget()
  }
}

function readAgain(start, end) {
  try {
    return readWhole(start, end, 0)
  } catch (error) {
    throw error instanceof SlabcastError ? error : corrupt('something cannot be built', input.p, error)
  }
}

module.exports = { slow, decode, reset, readValue, readLength }

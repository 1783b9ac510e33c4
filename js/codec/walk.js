'use strict'

// Objects that need a closer look than write.js gives them: which of the kinds they are, toJSON, what cannot travel;
// and all containers that lie deep, walked with frames of our own instead of the stack's.

const { types } = require('node:util')
const { out, room } = require('./output')
const { MAX_LEVELS, MapStep, KeyStep, refuse, tooDeep, trace } = require('./refusal')
const { writeText } = require('./text')
const { writeCount } = require('./numbers')
const { EXT, Extension, writeDate, writeRegExp, writeBytes, writeExtension, patchContainer } = require('./extensions')
const { DEEP, slow, writeValue, writeArray, writeProperties } = require('./write')
const { describeError } = require('./errors')

const ARRAY = 0
const OBJECT = 1
const MAP = 2
const SET = 3
const ERROR = 4

const { isArray } = Array
const tagOf = Object.prototype.toString
const mapForEach = Map.prototype.forEach
const setForEach = Set.prototype.forEach

class Frame {
  index = 0
  /** For an error: where the second of its two maps begins, and how many properties that has. */
  split = -1
  own = 0

  constructor(kind, container, items, length, start) {
    this.kind = kind
    this.container = container
    this.items = items
    this.length = length
    /** Where six bytes wait for the header of an extension; -1: it is none. */
    this.start = start
  }

  /** How the path goes from the container to the item being written. */
  get step() {
    const at = this.index - 1
    if (this.kind === ARRAY || this.kind === SET) return at
    if (this.kind === OBJECT) return this.items[at]
    if (this.kind === ERROR) return this.items[at - (at % 2)]
    return at % 2 === 1 ? new MapStep(this.items[at - 1]) : new KeyStep(at / 2)
  }
}

const UNBOX = [
  [types.isNumberObject, Number.prototype.valueOf],
  [types.isStringObject, String.prototype.valueOf],
  [types.isBooleanObject, Boolean.prototype.valueOf],
  [types.isBigIntObject, BigInt.prototype.valueOf],
  [types.isSymbolObject, Symbol.prototype.valueOf],
]

const unbox = (value) => UNBOX.find(([is]) => is(value))[1].call(value)

function isWeakRef(value) {
  try {
    WeakRef.prototype.deref.call(value)
    return true
  } catch {
    return false
  }
}

function refuseExotic(value, tag) {
  if (types.isPromise(value)) throw refuse('is a promise: await it first')
  if (types.isWeakMap(value) || types.isWeakSet(value) || (tag === '[object WeakRef]' && isWeakRef(value))) {
    throw refuse('holds its contents weakly, so that they cannot be listed')
  }
  if (types.isSharedArrayBuffer(value)) throw refuse('is a SharedArrayBuffer, which only this process can see')
  if (
    types.isGeneratorObject(value) ||
    types.isMapIterator(value) ||
    types.isSetIterator(value) ||
    types.isExternal(value)
  ) {
    throw refuse('has no properties to send: make it an array first')
  }
}

/** The walk of one value and all below it. */
class Walk {
  #frames = []
  #depth

  constructor(depth) {
    this.#depth = depth
  }

  run(root, p) {
    const frames = this.#frames
    try {
      p = this.#open(root, p)
      while (frames.length > 0) p = this.#step(frames[frames.length - 1], p)
      return p
    } catch (error) {
      for (let i = frames.length - 1; i >= 0; i--) trace(error, frames[i].container, frames[i].step)
      throw error
    }
  }

  /** One item of a container, or its end. */
  #step(frame, p) {
    const { kind, items } = frame
    const at = frame.index
    if (at === frame.split) {
      // Once: an error's second map begins.
      frame.split = -1
      return writeCount(frame.own, 0x80, 0xde, p)
    }
    if (at === frame.length) {
      this.#frames.pop()
      if (frame.start >= 0) patchContainer(kind === MAP ? EXT.map : kind === SET ? EXT.set : EXT.error, frame.start, p)
      return p
    }
    frame.index++
    if (kind === OBJECT) {
      p = writeText(items[at], p)
      return this.#item(frame.container[items[at]], p)
    }
    return this.#item(items[at], p)
  }

  #item(value, p) {
    const depth = this.#depth + this.#frames.length
    if (depth < DEEP || typeof value !== 'object' || value === null) return writeValue(value, p, depth)
    return this.#open(value, p)
  }

  /** Writes an object that has no parts, or the header of one that has, and steps into it. */
  #open(object, p) {
    // Its bytes and its date are what these are; their own toJSON would make them something else.
    if (ArrayBuffer.isView(object) || types.isArrayBuffer(object)) return writeBytes(object, p)
    if (types.isDate(object)) return writeDate(object, p)
    const { toJSON } = object
    // It is called once; what it returns is taken as it is, as JSON does.
    if (typeof toJSON === 'function') {
      const result = toJSON.call(object, '')
      if (typeof result !== 'object' || result === null) return writeValue(result, p, MAX_LEVELS)
      if (ArrayBuffer.isView(result) || types.isArrayBuffer(result)) return writeBytes(result, p)
      if (types.isDate(result)) return writeDate(result, p)
      return this.#enter(result, p)
    }
    return this.#enter(object, p)
  }

  #enter(object, p) {
    const depth = this.#depth + this.#frames.length
    // What has no parts is no level: it comes from as deep as a number does.
    if (depth >= MAX_LEVELS && !types.isRegExp(object) && !Extension.is(object)) throw tooDeep()
    if (isArray(object)) {
      if (depth < DEEP) return writeArray(object, p, depth)
      const { length } = object
      if (p + length > out.end) room(p + length, 0)
      p = writeCount(length, 0x90, 0xdc, p)
      return this.#push(new Frame(ARRAY, object, object, length, -1), p)
    }
    const prototype = Object.getPrototypeOf(object)
    if (prototype === Object.prototype || prototype === null)
      return this.#properties(object, Object.keys(object), p, depth)
    const tag = tagOf.call(object)
    if (tag !== '[object Object]') return this.#special(object, tag, p, depth)
    if (Extension.is(object)) return writeExtension(object, p)
    return this.#properties(object, Object.keys(object), p, depth)
  }

  #properties(object, keys, p, depth) {
    if (depth < DEEP) return writeProperties(object, keys, p, depth)
    p = writeCount(keys.length, 0x80, 0xde, p)
    return this.#push(new Frame(OBJECT, object, keys, keys.length, -1), p)
  }

  /** What has a tag of its own; a tag alone proves nothing. */
  #special(object, tag, p, depth) {
    if (types.isMap(object)) return this.#map(object, p)
    if (types.isSet(object)) return this.#set(object, p)
    if (types.isRegExp(object)) return writeRegExp(object, p)
    if (types.isNativeError(object) || object instanceof Error) return this.#error(object, p)
    if (types.isBoxedPrimitive(object)) return writeValue(unbox(object), p, depth)
    refuseExotic(object, tag)
    return this.#properties(object, Object.keys(object), p, depth)
  }

  #push(frame, p) {
    this.#frames.push(frame)
    return p
  }

  #map(map, p) {
    const items = []
    let plain = false
    mapForEach.call(map, (value, key) => {
      items.push(key, value)
      // Only these cannot come back as a string: a map with such a key is told from an object as it is.
      plain ||= key === null || typeof key === 'number' || typeof key === 'boolean' || typeof key === 'bigint'
    })
    const start = plain ? -1 : p
    if (!plain) p = reserve(p)
    p = writeCount(items.length / 2, 0x80, 0xde, p)
    return this.#push(new Frame(MAP, map, items, items.length, start), p)
  }

  #set(set, p) {
    const items = []
    setForEach.call(set, (value) => items.push(value))
    const start = p
    p = writeCount(items.length, 0x90, 0xdc, reserve(p))
    return this.#push(new Frame(SET, set, items, items.length, start), p)
  }

  #error(error, p) {
    const { base, hidden, own } = describeError(error)
    const start = p
    p = reserve(p)
    out.bytes[p] = 0x93
    p = writeText(base, p + 1)
    p = writeCount(hidden.length / 2, 0x80, 0xde, p)
    const items = hidden.concat(own)
    const frame = new Frame(ERROR, error, items, items.length, start)
    frame.split = hidden.length
    frame.own = own.length / 2
    return this.#push(frame, p)
  }
}

/** Six bytes for the header of an extension whose length is not known yet. */
function reserve(p) {
  if (p + 8 > out.end) room(p, 8)
  return p + 6
}

slow.walk = (object, p, depth) => new Walk(depth).run(object, p)

'use strict'

// Read with frames of our own instead of the stack's: all containers that lie deep, and at any depth the extensions
// that contain values (Map, Set, Error). Also the way that looks before it reads, for bytes the fast one stumbled on.

const { input, corrupt, truncated } = require('./input')
const { MAX_LEVELS } = require('./refusal')
const { EXT, FAILED, readLeaf } = require('./extensions')
const { slow, readValue, readLength } = require('./decoder')
const { put } = require('./properties')
const { buildError } = require('./errors')

const ARRAY = 0
const OBJECT = 1
const MAP = 2
const SET = 3
const ERROR = 4

/** The depth a walk passes to readValue where it wants a container announced, not read. */
const ANNOUNCE = Number.MAX_SAFE_INTEGER

/** What readValue returns then; the rest is here. */
const ANNOUNCED = Symbol('announced')
const announced = { open: null, argument: 0, p: 0 }

class Frame {
  /** Of an object: its keys, should it turn out to be a Map; of an error: its second list of properties. */
  more = []
  key = undefined
  base = ''
  second = false

  constructor(kind, items, target, end, limit) {
    this.kind = kind
    /** Keys and values count one each. */
    this.left = items
    this.target = target
    /** Where the extension around it ends and the limit outside; end is -1 where there is none. */
    this.end = end
    this.limit = limit
  }
}

class Walk {
  #frames = []
  #depth

  constructor(depth) {
    this.#depth = depth
  }

  run(open, argument, p) {
    const frames = this.#frames
    this[open](argument, p)
    for (;;) {
      const frame = frames[frames.length - 1]
      let value
      if (frame.left === 0) {
        if (frame.kind === ERROR && !frame.second) {
          this.#openSecond(frame)
          continue
        }
        frames.pop()
        value = close(frame)
        if (frames.length === 0) return value
        deliver(frames[frames.length - 1], value)
        continue
      }
      frame.left--
      input.limit++
      const depth = this.#depth + frames.length
      value = readValue(depth < input.deep ? depth : ANNOUNCE)
      if (value === ANNOUNCED) this[announced.open](announced.argument, announced.p)
      else deliver(frame, value)
    }
  }

  array(count, p) {
    this.#push(ARRAY, count, p, [], -1, 0)
  }

  map(count, p) {
    this.#push(OBJECT, count * 2, p, {}, -1, 0)
  }

  /** `start` is behind the type of an extension that contains values; its payload has `length` bytes. */
  extension(length, start) {
    const { limit } = input
    const end = start + length
    const type = input.bytes[start - 1]
    input.limit = end
    if (type === EXT.map) this.#push(MAP, readCount(0x80, 0xde, start) * 2, input.p, new Map(), end, limit)
    else if (type === EXT.set) this.#push(SET, readCount(0x90, 0xdc, start), input.p, [], end, limit)
    else {
      input.p = start + 1
      const base = input.bytes[start] === 0x93 ? readValue(ANNOUNCE) : undefined
      if (typeof base !== 'string') throw corrupt('an error without a class', start)
      this.#push(ERROR, readCount(0x80, 0xde, input.p) * 2, input.p, [], end, limit).base = base
    }
  }

  #openSecond(frame) {
    const items = readCount(0x80, 0xde, input.p) * 2
    if (items > input.limit - input.p) throw truncated(input.p)
    input.limit -= items
    frame.left = items
    frame.more = frame.target
    frame.target = []
    frame.second = true
  }

  #push(kind, items, p, target, end, limit) {
    if (this.#depth + this.#frames.length >= MAX_LEVELS) throw corrupt(`more than ${MAX_LEVELS} levels`, p)
    if (items > input.limit - p) throw truncated(p)
    input.p = p
    input.limit -= items
    const frame = new Frame(kind, items, target, end, limit)
    this.#frames.push(frame)
    return frame
  }
}

/** The count in an array's or a map's header at p: `fix` the first of the short ones, `wide` the 16-bit one. */
function readCount(fix, wide, p) {
  if (p >= input.limit) throw truncated(p)
  const header = input.bytes[p]
  input.p = p + 1
  if (header >= fix && header < fix + 16) return header - fix
  if (header === wide || header === wide + 1) return readLength(header - wide + 1, p + 1)
  throw corrupt('an extension does not contain what its type says', p)
}

function deliver(frame, value) {
  const { kind, target } = frame
  if (kind === ARRAY || kind === SET) target.push(value)
  else if (frame.left % 2 === 1) {
    frame.key = value
    if (typeof value === 'string') {
      if (kind === OBJECT) frame.more.push(value)
    } else if (kind === ERROR) throw corrupt('an error with a property that has no name', input.p)
    else if (kind === OBJECT) {
      frame.kind = MAP
      frame.target = new Map(frame.more.map((key) => [key, target[key]]))
    }
  } else if (kind === OBJECT) put(target, frame.key, value)
  else if (kind === MAP) target.set(frame.key, value)
  else target.push(frame.key, value)
}

function close(frame) {
  if (frame.end >= 0) {
    if (input.p !== frame.end) throw corrupt('an extension is longer or shorter than its contents', input.p)
    input.limit = frame.limit
  }
  if (frame.kind === SET) return new Set(frame.target)
  if (frame.kind !== ERROR) return frame.target
  const error = buildError(frame.base, frame.more, frame.target)
  if (error === undefined) throw corrupt('an error of an unknown class', input.p)
  return error
}

const isContainer = (type) => type === EXT.map || type === EXT.set || type === EXT.error

function announce(open, argument, p) {
  announced.open = open
  announced.argument = argument
  announced.p = p
  return ANNOUNCED
}

/** The elements or entries at p. */
slow.read = (isMap, count, p, depth) => {
  const open = isMap ? 'map' : 'array'
  return depth === ANNOUNCE ? announce(open, count, p) : new Walk(depth).run(open, count, p)
}

/** An extension whose type is at input.p. */
slow.extension = (length, depth) => {
  const { p, bytes, view } = input
  const start = p + 1
  const end = start + length
  if (end > input.limit) throw truncated(p)
  const type = view.getInt8(p)
  if (isContainer(type)) {
    return depth === ANNOUNCE ? announce('extension', length, start) : new Walk(depth).run('extension', length, start)
  }
  input.p = end
  const value = readLeaf(type, bytes, view, start, end)
  if (value === FAILED) throw corrupt('an extension does not contain what its type says', start)
  return value
}

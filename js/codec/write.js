'use strict'

// Any value, written: the recursive way, for the depths messages have. Objects of a known shape go to their compiled
// encoder, other plain objects and arrays are walked here; what is deep or rare is walk.js'.
// A depth is the number of containers around a value.

const { out, room } = require('./output')
const { refuse, trace } = require('./refusal')
const { writeText } = require('./text')
const { writeNumber, writeBigInt, writeCount } = require('./numbers')
const { writeUndefined, writeBin, writeBytes } = require('./extensions')
const { Shapes } = require('./shapes')
const compile = require('./compile')

/** From this depth on nothing recurses: the stack a value takes is bounded, whatever its caller has used. */
const DEEP = 32

const { isArray } = Array
const { isView } = ArrayBuffer
const { getPrototypeOf } = Object
const ObjectPrototype = Object.prototype
const BufferPrototype = Buffer.prototype

const shapes = new Shapes()

/** walk.js, which needs this module: it puts itself here. */
const slow = { walk: null }

function writeByte(byte, p) {
  if (p + 1 > out.end) room(p, 1)
  out.bytes[p] = byte
  return p + 1
}

function writeValue(value, p, depth) {
  switch (typeof value) {
    case 'string':
      return writeText(value, p)
    case 'number':
      if (p + 9 > out.end) room(p, 9)
      return writeNumber(value, p)
    case 'object':
      return value === null ? writeByte(0xc0, p) : writeObject(value, p, depth)
    case 'boolean':
      return writeByte(value ? 0xc3 : 0xc2, p)
    case 'undefined':
      return writeUndefined(p)
    case 'bigint':
      return writeBigInt(value, p)
    default:
      throw refuse(
        `is a ${typeof value}, which cannot leave the process: leave it out, or give what holds it a toJSON()`,
      )
  }
}

function writeObject(object, p, depth) {
  if (isArray(object)) {
    if (depth < DEEP && object.toJSON === undefined) return writeArray(object, p, depth)
  } else {
    const isShallow = depth < DEEP && !isView(object)
    if (isShallow) {
      // The keys come first: who has those of a known shape is told by its encoder, cheaply, whether it is what it looks like.
      const write = out.clean ? shapes.of(object) : null
      const next = write === null ? -1 : write(object, p, depth, false)
      if (next >= 0) return next
    }
    const prototype = getPrototypeOf(object)
    if (prototype === BufferPrototype) return writeBytes(object, p)
    if (isShallow && (prototype === ObjectPrototype || prototype === null) && object.toJSON === undefined)
      return writeProperties(object, Object.keys(object), p, depth)
  }
  return slow.walk(object, p, depth)
}

function writeArray(array, p, depth) {
  const { length } = array
  // Each element takes a byte at least: an absurd length is told before it is looped over.
  if (p + length > out.end) room(p + length, 0)
  p = writeCount(length, 0x90, 0xdc, p)
  let i = 0
  try {
    for (; i < length; i++) {
      const value = array[i]
      if (typeof value === 'number') {
        if (p + 9 > out.end) room(p, 9)
        p = writeNumber(value, p)
      } else p = typeof value === 'string' ? writeText(value, p) : writeValue(value, p, depth + 1)
    }
  } catch (error) {
    throw trace(error, array, i)
  }
  return p
}

/** An object's own enumerable properties. `keys` are its own, as they are now. */
function writeProperties(object, keys, p, depth) {
  const { length } = keys
  const write = compile.mode.generating ? shapes.ofKeys(keys) : null
  const next = write === null ? -1 : write(object, p, depth, true)
  if (next >= 0) return next
  if (compile.mode.generating) shapes.seen(keys, compileFor)
  p = writeCount(length, 0x80, 0xde, p)
  let i = 0
  try {
    for (; i < length; i++) {
      p = writeText(keys[i], p)
      p = writeValue(object[keys[i]], p, depth + 1)
    }
  } catch (error) {
    throw trace(error, object, keys[i])
  }
  return p
}

const parts = { out, room, number: writeNumber, text: writeText, value: writeValue, trace }

const compileFor = (keys) => compile.compileEncoder(keys, DEEP, parts)

module.exports = { DEEP, slow, shapes, writeValue, writeArray, writeProperties, writeBin }

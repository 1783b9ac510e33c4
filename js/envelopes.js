'use strict'

// What requests and answers are wrapped in, as docs/format.md draws it: arrays of three, of which the last is the user's.

const { encode } = require('./codec')

/**
 * Kinds of answers: a value; an error; how many answers are to be expected of the thread that says so; that it has it, of the group with
 * that row, or (undefined) to answer to though it responds no more.
 */
const VALUE = 0
const ERROR = 1
const COUNT = 2
const HELD = 3

const ARRAY_OF_3 = 0x93

/** [one, two, value], of a value that is encoded already: what it may not hold was told as a part of `message`. */
function wrapped(one, two, body) {
  const head = encode([one, two])
  const bytes = Buffer.allocUnsafe(head.length + body.length)
  head.copy(bytes)
  bytes[0] = ARRAY_OF_3
  body.copy(bytes, head.length)
  return bytes
}

const isUint32 = (value) => Number.isInteger(value) && value >= 0 && value <= 0xffffffff

/** Whoever may publish there may publish anything: what is no envelope is passed over. */
const isEnvelope = (value) => Array.isArray(value) && value.length === 3 && isUint32(value[0]) && isUint32(value[1])

/** More answers than this no thread gives to one request. */
const COUNT_MAX = 0xffff

const isCount = (value) => isUint32(value) && value <= COUNT_MAX

const text = (value) => String(value).toWellFormed()

/** What of anything that was thrown travels: the same whoever threw it, and nothing that cannot be encoded. */
function described(thrown) {
  try {
    if (typeof thrown !== 'object' || thrown === null) return { name: 'Error', message: text(thrown) }
    const { name, message, code, stack } = thrown
    const described = { name: text(name ?? 'Error'), message: text(message ?? thrown) }
    if (typeof code === 'string') described.code = text(code)
    if (typeof code === 'number') described.code = code
    if (typeof stack === 'string') described.stack = text(stack)
    return described
  } catch {
    // A getter or toString of the user's threw.
    return { name: 'Error', message: 'The handler threw what cannot be read' }
  }
}

/** Characters of each text of a description that did not fit as it was. */
const SHORT = 200

/** A description that takes less: the beginnings of its texts, and no stack; undefined: it is as short as one gets. */
function shortened({ stack, ...rest }) {
  let isShorter = stack !== undefined
  const shorter = {}
  for (const [key, value] of Object.entries(rest)) {
    const isLong = typeof value === 'string' && value.length > SHORT
    isShorter ||= isLong
    shorter[key] = isLong ? `${value.slice(0, SHORT - 3)}...`.toWellFormed() : value
  }
  return isShorter ? shorter : undefined
}

/** The error of a handler in another thread, as one of this: of what can be none of its parts nothing is made. */
function revived(described) {
  const { name, message, code, stack } = Object(described)
  const error = new Error(typeof message === 'string' ? message : '')
  for (const [key, value] of Object.entries({ name, stack }))
    if (typeof value === 'string') Object.defineProperty(error, key, { value, writable: true, configurable: true })
  if (typeof code === 'string' || typeof code === 'number') error.code = code
  return error
}

module.exports = { COUNT, described, ERROR, HELD, isCount, isEnvelope, revived, shortened, VALUE, wrapped }

'use strict'

// What clients may send, checked and cleaned. Whatever else comes is refused with a sentence that goes back to them.

class Refusal extends Error {}

const MAX_NAME = 32 // characters
const MAX_TEXT = 2000 // characters
const ROOM = /^room:[\p{L}\p{N}_-]{1,32}$/u

const readers = {
  enter({ room, name }) {
    if (typeof room !== 'string' || !ROOM.test(room))
      throw new Refusal('a room is `room:` and 1 to 32 letters or digits')
    return { room, name: line(name, 'name', MAX_NAME) }
  },
  say({ text }) {
    return { text: clean(text, 'text', MAX_TEXT) }
  },
  kill({ pid }) {
    if (!Number.isSafeInteger(pid)) throw new Refusal('`pid` is a whole number')
    return { pid }
  },
}

function parse(data, isBinary) {
  const request = isBinary ? null : json(data)
  if (request === null || typeof request !== 'object') throw new Refusal('a request is a JSON object, sent as text')
  if (!Object.hasOwn(readers, request.type))
    throw new Refusal(`a request is of type ${Object.keys(readers).join(', ')}`)
  return { type: request.type, ...readers[request.type](request) }
}

function json(data) {
  try {
    return JSON.parse(data)
  } catch {
    return null
  }
}

// Without control characters but for new lines and tabs, and without halves of surrogate pairs.
function clean(value, what, max) {
  if (typeof value !== 'string') throw new Refusal(`\`${what}\` is a string`)
  const text = value
    .toWellFormed()
    .replace(/[^\P{Cc}\n\t]/gu, '')
    .trim()
  if (text === '' || text.length > max) throw new Refusal(`\`${what}\` has 1 to ${max} characters`)
  return text
}

// One line, and nothing invisible in it: names must not turn or hide what stands beside them.
function line(value, what, max) {
  return clean(typeof value === 'string' ? value.replace(/[\s\p{Cf}]+/gu, ' ') : value, what, max)
}

// A page from elsewhere must not speak here in its visitor's name; what is not a browser sends no origin.
function sameOrigin({ origin, req }) {
  return origin === undefined || origin.replace(/^https?:\/\//, '') === req.headers.host
}

module.exports = { Refusal, parse, sameOrigin }

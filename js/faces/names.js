'use strict'

// What a face's host calls by any string, as a topic of the bus: a topic has a longest length, and not every string is one.

const { createHash } = require('node:crypto')

/** In bytes of UTF-8, as docs/api.md says. */
const LONGEST = 255

/**
 * The topic of what is called by these names in a face. No two lists of names have the same one, and one that is no name
 * of anybody's begins as the face's do only if somebody means it.
 *
 * One that can be read, `slabcast:<face>/<name>/<name>`, where that is a topic; else a digest of them.
 *
 * @param {string} face as its sub-path is called
 * @param {...string} names of any length and content; the same number of them for all of a face's
 */
function topicOf(face, ...names) {
  const last = names.at(-1)
  // Only between names a slash has a meaning.
  const before = names.slice(0, -1).map((name) => `${name.replace(/[%/]/g, escaped)}/`)
  const readable = `${before.join('')}${last}`
  const topic = `slabcast:${face}/${readable}`
  // What begins as a digest does is told by its digest.
  return readable.startsWith('#') || !isTopic(topic) ? `slabcast:${face}/#${digest(names)}` : topic
}

/** What the topics of a face begin with that can be read: the names follow. */
const readableOf = (face) => `slabcast:${face}/`

/** A pattern of all topics of a face that cannot be read: of which names they are, no pattern tells. */
const unreadableOf = (face) => `slabcast:${face}/#*`

/** A name as the codec carries it: one that is not well-formed as its bytes. `nameOf` gives it back, and of others' values none. */
const carried = (name) => (name.isWellFormed() ? name : Buffer.from(name, 'utf16le'))

const nameOf = (name) =>
  Buffer.isBuffer(name) ? name.toString('utf16le') : typeof name === 'string' ? name : undefined

const escaped = (character) => (character === '/' ? '%2F' : '%25')

const isTopic = (text) => text.isWellFormed() && !text.includes('\0') && Buffer.byteLength(text) <= LONGEST

/** JSON keeps lone surrogates apart, and where a name ends. */
const digest = (names) => createHash('sha256').update(JSON.stringify(names)).digest('base64url')

module.exports = { carried, nameOf, readableOf, topicOf, unreadableOf }

// The message number `n` of a publisher: its size, its kind and each of its bytes follow from (publisher, topic, n), so
// that who receives it can tell what it has to be.

import { crc32 } from 'node:zlib'
import random from '../crash/random.js'

/** Larger than any message, twice: where its bytes begin in it says whose they are. */
const TABLE = makeTable(1 << 22)
/** publisher, topic, n, length: what a raw message begins with, if it is long enough. */
const HEAD = 16
/** What a value costs beside its content, and a little more. */
const VALUE = 96

function makeTable(length) {
  const next = random.generator(20)
  const words = new Uint32Array(length / 4)
  for (let at = 0; at < words.length; at++) words[at] = next() * 2 ** 32
  return Buffer.from(words.buffer)
}

function hash(publisher, topic, n) {
  let h = Math.imul(publisher + 1, 0x9e3779b1) ^ Math.imul(topic + 1, 0x85ebca6b) ^ Math.imul(n + 1, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d)
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39)
  return (h ^ (h >>> 15)) >>> 0
}

/**
 * Whether it is raw, and how long: mostly small, a few as large as the bus takes. Those of the heavy topic are large, so that
 * who publishes there is mostly in the middle of it.
 * @param {{ maxMessage: number, heavy?: number }} round
 */
function shape(publisher, topic, n, { maxMessage, heavy }) {
  const h = hash(publisher, topic, n)
  const raw = topic === heavy || (h & 1) === 1
  const kind = (h >>> 1) % 1000
  const part = hash(publisher, topic, ~n) / 2 ** 32
  const largest = raw ? maxMessage : maxMessage - VALUE
  if (topic === heavy) return { raw, length: maxMessage - Math.floor(part * (maxMessage / 2)) }
  const within = (limit) => Math.floor(part * Math.min(limit, largest))
  if (kind < 100) return { raw, length: within(HEAD) }
  if (kind < 700) return { raw, length: HEAD + within(300) }
  if (kind < 900) return { raw, length: HEAD + within(4000) }
  if (kind < 970) return { raw, length: HEAD + within(maxMessage / 8) }
  if (kind < 992) return { raw, length: HEAD + within(maxMessage - HEAD - VALUE) }
  return { raw, length: largest - (kind % 4) }
}

export const lengthOf = (publisher, topic, n, round) => shape(publisher, topic, n, round).length

/** Whether the message is long enough to say whose it is. */
export function says(publisher, topic, n, round) {
  const { raw, length } = shape(publisher, topic, n, round)
  return !raw || length >= HEAD
}

function content(publisher, topic, n, length) {
  const start = hash(publisher, topic, n ^ 0x5bd1e995) % (TABLE.length / 2)
  return TABLE.subarray(start, start + length)
}

/** The message as it is published. */
export function message(publisher, topic, n, round) {
  const { raw, length } = shape(publisher, topic, n, round)
  if (!raw) return { raw, message: { publisher, topic, n, content: content(publisher, topic, n, length) } }
  const bytes = Buffer.from(content(publisher, topic, n, length))
  if (length >= HEAD) [publisher, topic, n, length].forEach((word, at) => void bytes.writeUInt32LE(word, at * 4))
  return { raw, message: bytes }
}

/** What a received message says it is, and the check sum of its bytes. */
export function account(received) {
  if (Buffer.isBuffer(received)) {
    const says = received.length >= HEAD
    return {
      publisher: says ? received.readUInt32LE(0) : -1,
      n: says ? received.readUInt32LE(8) : -1,
      length: received.length,
      crc: crc32(received),
      raw: 1,
    }
  }
  const { publisher, n, content: bytes } = received
  return { publisher, n, length: bytes.length, crc: crc32(bytes), raw: 0 }
}

/** What `account` has to give. */
export function expected(publisher, topic, n, round) {
  return account(message(publisher, topic, n, round).message)
}

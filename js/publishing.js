'use strict'

// The publishing half of a membership: a message becomes bytes, the bytes go into the slab, or wait in the outbox. `publish`
// is the page to read.

const { isSharedArrayBuffer } = require('node:util/types')
const { Batch } = require('./batch')
const { encode } = require('./codec')
const { invalidArgType, SlabcastError } = require('./errors')
const { CLOSED, CORRUPT, failed, FLAG_RAW, FULL, LENGTH, MOVED, NOTE, PUBLISHED } = require('./hot')
const { spelled } = require('./inside')
const { topic: checkTopic } = require('./options')
const { Outbox } = require('./outbox')

/** Bytes that are published by way of the encoder's: it has room for these at any time. */
const SMALL = 4096

class Publishing {
  #member
  #hot
  #maxMessage
  #maxAtOnce
  /** Names remembered; beyond it all are looked up anew: the table has long given some to others. */
  #namesMax
  #encoder
  #scratch
  #owner
  /** Topic, named by a user or inside -> the words of its entry, as last looked up. */
  #names = new Map()
  /** The name and words of the last message: most come in runs, and a Map takes longer to ask. */
  #lastName
  #lastWords
  #outbox
  /** The handles that were told `false`, or refused, and wait for 'drain'. */
  #toldFalse = new Set()

  /** @param {{ check: () => void, corrupt: Function, lose: Function, noted: () => void, flushed: () => void }} owner `check` throws when nothing can be published */
  constructor(member, { maxMessage, maxAtOnce, topics }, encoder, hot, owner) {
    this.#member = member
    this.#maxMessage = maxMessage
    this.#maxAtOnce = maxAtOnce
    this.#namesMax = 2 * topics
    this.#encoder = encoder
    this.#scratch = encoder.bytes
    this.#hot = hot
    this.#owner = owner
    this.#outbox = new Outbox(this.#flushOne, this.#emptied)
  }

  /** Publishes for `handle`. True: in the slab. False: in the outbox. Throws when it cannot be accepted. */
  publish(handle, name, message, raw) {
    this.#owner.check()
    const known = name === this.#lastName ? this.#lastWords : this.#names.get(name)
    if (known === undefined) checkTopic(name)
    let flags = 0
    let length
    if (raw) {
      const bytes = bytesOf(message)
      length = bytes.length
      // To copy a few bytes takes less than telling the binding where they are.
      if (length > SMALL || length > this.#maxMessage || this.#encoder.busy)
        return this.#publishBytes(handle, name, unshared(bytes), FLAG_RAW)
      flags = FLAG_RAW
      this.#scratch.set(bytes)
    } else {
      // A getter or toJSON of a message being encoded publishes this one.
      if (this.#encoder.busy) return this.#publishBytes(handle, name, encode(message, this.#maxMessage), 0)
      length = this.#encoder.encode(message)
      // User code may have run in it, and have closed this bus.
      this.#owner.check()
      if (this.#encoder.bytes !== this.#scratch) {
        this.#scratch = this.#encoder.bytes
        this.#hot.useScratch(this.#scratch)
      }
    }
    const words = known ?? this.#lookUp(name)
    this.#lastName = name
    this.#lastWords = words
    if (words !== undefined && this.#outbox.isEmpty) {
      this.#hot.aim(words, flags)
      this.#hot.registers[LENGTH] = length
      const status = this.#hot.calls.publish()
      if (this.#hot.registers[NOTE] !== 0) this.#owner.noted()
      if (status === PUBLISHED) return true
    }
    // Full, moved, busy, or others wait: the bytes get a life of their own.
    return this.#publishLater(handle, name, Buffer.from(this.#scratch.subarray(0, length)), flags)
  }

  /** Publishes each of `messages` for `handle`: all, or none. As `publish`. */
  publishMany(handle, name, messages) {
    this.#owner.check()
    const batch = new Batch()
    // What is not accepted by now is not accepted with more: an endless iterable ends here, too.
    const most = Math.max(handle.outbox, this.#maxAtOnce)
    for (const message of messages) {
      if (this.#encoder.busy) {
        const bytes = encode(message, this.#maxMessage)
        batch.add(bytes, bytes.length)
      } else {
        const length = this.#encoder.encode(message)
        batch.add(this.#encoder.bytes, length)
      }
      if (batch.count > 1 && batch.size > most) throw outboxFull(batch.size, most)
    }
    if (batch.count === 0) return true
    const { bytes, lengths } = batch
    const all = { name, bytes, lengths, flags: 0, stallTimeout: handle.stallTimeout }
    if (this.#outbox.isEmpty && this.#flushOne(all, 0, false)) return true
    this.#owner.check()
    this.#mustTake(handle, batch.size, batch.count)
    for (const body of batch.bodies()) this.#outbox.add({ ...all, bytes: body, lengths: undefined })
    return false
  }

  /**
   * Publishes an encoded message to a topic that users cannot name.
   * @param {{ before?: () => void, after?: () => void, beyond?: number }} [sending] called right before it is tried and right after it is in
   *   the slab; bytes that the outbox may hold beyond its bound for this
   */
  publishInside(handle, topic, bytes, sending) {
    sending?.before?.()
    const isIn = this.#publishBytes(handle, topic, bytes, 0, sending)
    if (isIn) sending?.after?.()
    return isIn
  }

  #publishBytes(handle, name, bytes, flags, sending) {
    this.#owner.check()
    const available = this.#maxMessage
    if (bytes.length > available) {
      const needed = bytes.length
      throw new SlabcastError(
        'ERR_MESSAGE_TOO_LARGE',
        `The message has ${needed} bytes, the bus takes ${available}: open it with a larger maxMessage or size`,
        { needed, available },
      )
    }
    const words = this.#names.get(name) ?? this.#lookUp(name)
    const isOut = words !== undefined && this.#outbox.isEmpty && this.#try(words, { flags, bytes }) === PUBLISHED
    if (isOut) return true
    return this.#publishLater(handle, name, flags === FLAG_RAW ? Buffer.from(bytes) : bytes, flags, sending)
  }

  #try(words, { flags, bytes, lengths }) {
    this.#hot.aim(words, flags)
    const status = lengths ? this.#hot.publishMany(bytes, lengths) : this.#hot.calls.publishFrom(bytes)
    if (this.#hot.registers[NOTE] !== 0) this.#owner.noted()
    return status
  }

  /** A subscription found the topic's words. */
  know(name, words) {
    if (this.#names.size >= this.#namesMax) this.#names.clear()
    this.#names.set(name, words)
    if (name === this.#lastName) this.#lastWords = words
  }

  /** It is to be looked up anew, if it is published to again. */
  forgetName(name) {
    this.#names.delete(name)
    if (name === this.#lastName) this.#lastWords = undefined
  }

  /** The topic's words, looked up or made; undefined while another process holds the registry. */
  #lookUp(name) {
    const words = this.#member.topic(spelled(name), 0)
    if (words.code === undefined) {
      this.know(name, words)
      return words
    }
    if (words.code === 'ERR_TIMEOUT') return undefined
    const error = failed(words)
    if (error.code === 'ERR_CORRUPT') this.#owner.lose(error)
    throw error
  }

  // The outbox

  get isFlushed() {
    return this.#outbox.isEmpty
  }

  /** What waits: messages, and the bytes they count against the option `outbox`. */
  get waiting() {
    return { messages: this.#outbox.messages, bytes: this.#outbox.bytes }
  }

  /** `handle.drained` is called when the outbox is empty. */
  tellWhenEmpty(handle) {
    this.#toldFalse.add(handle)
  }

  forget(handle) {
    this.#toldFalse.delete(handle)
  }

  close() {
    this.#outbox.clear()
  }

  #publishLater(handle, name, bytes, flags, sending) {
    const entry = { name, bytes, flags, sending, stallTimeout: handle.stallTimeout }
    // One more try with all that can be done at once: a moved topic, a dead or (stallTimeout 0) a slow reader.
    if (this.#outbox.isEmpty && this.#flushOne(entry, 0, false)) return true
    this.#owner.check()
    this.#mustTake(handle, bytes.length, 1, sending?.beyond)
    this.#outbox.add(entry)
    return false
  }

  /** Throws unless the outbox takes so many messages of `length` bytes together, `beyond` its bound. */
  #mustTake(handle, length, count, beyond = 0) {
    // Also who is refused waits for 'drain': another handle of this thread may have filled the outbox.
    this.#toldFalse.add(handle)
    const limit = handle.outbox + beyond
    if (!this.#outbox.takes(length, count, limit)) {
      throw outboxFull(length, Math.max(0, this.#outbox.available(count, limit)))
    }
  }

  /**
   * Tries to put a message, or many at once, into the slab. `waited`: ms since the last try that moved nothing; 0 = none. `accepted`: it
   * waits in the outbox; if not, whoever publishes it is told that its topic cannot be had.
   */
  #flushOne = (entry, waited, accepted = true) => {
    let status = MOVED
    if (accepted) entry.sending?.before?.()
    // A moved topic is looked up anew; it moves on only while the table is full of newer ones.
    for (let tries = 0; status === MOVED && tries < 8; tries++) {
      if (tries > 0) this.forgetName(entry.name)
      const words = this.#names.get(entry.name) ?? (accepted ? this.#resolve(entry.name) : this.#lookUp(entry.name))
      if (words === undefined) return false
      status = this.#try(words, entry)
      if (status === FULL) {
        const relieved = this.#member.relieve(entry.bytes.length, waited, entry.stallTimeout)
        if (relieved === CORRUPT) status = CORRUPT
        else if (relieved !== 0) status = this.#try(words, entry)
      }
    }
    if (status === PUBLISHED) {
      if (waited > 0) this.#member.relieved()
      if (accepted) entry.sending?.after?.()
      return true
    }
    if (status !== FULL && status !== MOVED && status !== CLOSED) this.#owner.corrupt('publish', status)
    return false
  }

  /**
   * As #lookUp, for a message that was accepted: whatever refuses its topic now (a full table, no descriptors, removed files)
   * is waited for like a full slab. A corrupt segment #lookUp has told.
   */
  #resolve(name) {
    try {
      return this.#lookUp(name)
    } catch {
      return undefined
    }
  }

  #emptied = () => {
    this.#owner.flushed()
    const told = [...this.#toldFalse]
    this.#toldFalse.clear()
    for (const handle of told) process.nextTick(() => handle.drained())
  }
}

const outboxFull = (needed, available) =>
  new SlabcastError(
    'ERR_OUTBOX_FULL',
    `The outbox has ${available} bytes left for ${needed}: wait for 'drain' after publish() returned false`,
    { needed, available },
  )

/** The bytes a message shows. */
function bytesOf(message) {
  if (message instanceof Uint8Array) return message
  if (ArrayBuffer.isView(message)) return new Uint8Array(message.buffer, message.byteOffset, message.byteLength)
  if (message instanceof ArrayBuffer) return new Uint8Array(message)
  throw invalidArgType(
    'message',
    'an instance of Buffer, TypedArray, DataView or ArrayBuffer, as options.raw is set',
    message,
  )
}

/** Other threads may be writing them: the message is as it was at the call. */
const unshared = (bytes) => (isSharedArrayBuffer(bytes.buffer) ? Uint8Array.from(bytes) : bytes)

module.exports = { Publishing }

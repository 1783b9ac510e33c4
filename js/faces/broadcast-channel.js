'use strict'

// BroadcastChannel as in the HTML standard, across processes. A message goes over the bus as [channel, value], so that a channel
// knows its own.

const { randomBytes } = require('node:crypto')
const ipc = require('../index.js')
const { topicOf } = require('./names')
const { withBus } = require('./options')

/** What this thread's channels are called by: nobody else's begin so. */
const HERE = randomBytes(12).toString('base64url')
let count = 0

class BroadcastChannel extends EventTarget {
  #name
  #bus
  #topic
  #id = `${HERE}${(count++).toString(36)}`
  /** What every message of this channel begins with: its value, here null, is the last of it. */
  #head = ipc.encode([this.#id, null]).subarray(0, -1)
  #subscription
  #isClosed = false
  #handlers = { __proto__: null, message: null, messageerror: null }

  constructor(name, options = {}) {
    // biome-ignore lint/complexity/noArguments: an undefined that is given is a name
    if (arguments.length === 0) throw missing('name')
    super()
    // As the standard has it: a symbol is a TypeError.
    this.#name = `${name}`
    this.#bus = withBus(options).bus
    this.#topic = topicOf('broadcast-channel', this.#name)
    // Undecoded, so that each channel gets a copy of its own.
    this.#subscription = this.#bus.subscribe(this.#topic, (bytes) => this.#receive(bytes), { raw: true })
  }

  get name() {
    return this.#name
  }

  /** Gives a copy of a message to every other open channel of this name, in whatever process or thread. */
  postMessage(message) {
    // biome-ignore lint/complexity/noArguments: an undefined that is given is a message
    if (arguments.length === 0) throw missing('message')
    if (this.#isClosed) throw new DOMException('The BroadcastChannel is closed', 'InvalidStateError')
    try {
      this.#bus.publish(this.#topic, [this.#id, message])
    } catch (error) {
      throw error instanceof ipc.SlabcastError && error.code === 'ERR_NOT_SERIALIZABLE' ? dataCloneError(error) : error
    }
  }

  /** No event is dispatched after this returns; what was posted still reaches the others. */
  close() {
    this.#isClosed = true
    this.#subscription.unsubscribe()
  }

  /** Keeps the process alive while it is open (the default). */
  ref() {
    this.#subscription.ref()
    return this
  }

  /** Lets the process end though it is open. */
  unref() {
    this.#subscription.unref()
    return this
  }

  get onmessage() {
    return this.#handlers.message
  }

  set onmessage(handler) {
    this.#setHandler('message', handler)
  }

  get onmessageerror() {
    return this.#handlers.messageerror
  }

  set onmessageerror(handler) {
    this.#setHandler('messageerror', handler)
  }

  #receive(bytes) {
    if (bytes.subarray(0, this.#head.length).equals(this.#head)) return
    this.dispatchEvent(eventOf(bytes))
  }

  /** A handler is one among the listeners: its place is that of when there was none before. */
  #setHandler(type, handler) {
    const is = typeof handler === 'function' || (typeof handler === 'object' && handler !== null)
    this.#handlers[type] = is ? handler : null
    if (is) this.addEventListener(type, this.#handle)
    else this.removeEventListener(type, this.#handle)
  }

  /** An object is a handler that does nothing. */
  #handle = (event) => {
    const handler = this.#handlers[event.type]
    if (typeof handler === 'function') handler.call(this, event)
  }
}

// As of every interface of the web.
for (const name of ['name', 'postMessage', 'close', 'onmessage', 'onmessageerror'])
  Object.defineProperty(BroadcastChannel.prototype, name, { enumerable: true })
Object.defineProperty(BroadcastChannel.prototype, Symbol.toStringTag, { value: 'BroadcastChannel', configurable: true })

/** Who else publishes on the topic of a name, or has bytes that cannot be decoded here, causes a messageerror. */
function eventOf(bytes) {
  try {
    const message = ipc.decode(bytes)
    if (Array.isArray(message) && message.length === 2) return new MessageEvent('message', { data: message[1] })
  } catch {
    // As below.
  }
  return new MessageEvent('messageerror')
}

const missing = (name) =>
  Object.assign(new TypeError(`The "${name}" argument must be specified`), { code: 'ERR_MISSING_ARGS' })

/** The bus' sentence, which knows the message by its place in what is sent. */
function dataCloneError(cause) {
  const sentence = cause.message.replace(/^message\[1\]/, 'message')
  return new DOMException(sentence, { name: 'DataCloneError', cause })
}

module.exports = { BroadcastChannel }

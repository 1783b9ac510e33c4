'use strict'

// Rooms of sockets, over all workers. Each worker keeps the sockets that it has itself, and one subscription for each room that one of
// them is in: what is published to a room comes to a worker once, and is handed as it came to all who are in it there.

const { randomInt } = require('node:crypto')
const { invalidArgType } = require('../errors')
const { SlabcastError } = require('../index.js')
const { topicOf } = require('./names')
const { withBus } = require('./options')

/** Of a WebSocket's `readyState`: below it connects, above it is closing or closed. */
const OPEN = 1

/** Those that something was published except for, by whatever rooms of this thread: each by a number that nobody else has. */
const numbers = new WeakMap()

class Rooms {
  #bus
  /** By name: { sockets, subscription }, of which somebody here is in. `sockets`: from which position on the bus each is in. */
  #rooms = new Map()
  /** The names of the rooms that each socket is in. */
  #joined = new Map()
  #isClosed = false

  constructor(options) {
    this.#bus = withBus(options).bus
  }

  /** From now on the socket gets what is published to the room, by whom ever: all of it, and nothing from before. */
  join(room, socket) {
    checkRoom(room)
    if (typeof socket?.send !== 'function') throw invalidArgType('socket', 'an object with a method send', socket)
    this.#mustBeOpen()
    const found = this.#rooms.get(room)
    if (found?.sockets.has(socket)) return
    // Who is the first begins with the subscription; what others still wait for in this worker may be older than who comes later.
    if (found) found.sockets.set(socket, this.#bus.stats().position)
    else this.#open(room).sockets.set(socket, 0)
    if (!this.#joined.has(socket)) this.#joined.set(socket, new Set())
    this.#joined.get(socket).add(room)
  }

  #open(room) {
    const sockets = new Map()
    const hand = (message, { position }) => this.#hand(room, sockets, message, position)
    const opened = { sockets, subscription: this.#bus.subscribe(topicOf('rooms', room), hand) }
    this.#rooms.set(room, opened)
    return opened
  }

  /** It gets nothing more after this returns. */
  leave(room, socket) {
    checkRoom(room)
    const found = this.#rooms.get(room)
    if (!found?.sockets.delete(socket)) return
    if (found.sockets.size === 0) {
      this.#rooms.delete(room)
      found.subscription.unsubscribe()
    }
    const rooms = this.#joined.get(socket)
    rooms.delete(room)
    if (rooms.size === 0) this.#joined.delete(socket)
  }

  leaveAll(socket) {
    for (const room of this.#joined.get(socket) ?? []) this.leave(room, socket)
  }

  /** Hands text or bytes to all sockets of the room, in whatever worker, but for one of this worker. Returns and throws as the bus does. */
  publish(room, data, options) {
    checkRoom(room)
    const body = bodyOf(data)
    const except = exceptOf(options)
    this.#mustBeOpen()
    const topic = this.#rooms.get(room)?.subscription.topic ?? topicOf('rooms', room)
    return this.#bus.publish(topic, except === undefined ? body : [body, numberOf(except)])
  }

  /** Nobody here is in a room any more. The bus stays open. */
  close() {
    this.#isClosed = true
    for (const { sockets, subscription } of this.#rooms.values()) {
      sockets.clear()
      subscription.unsubscribe()
    }
    this.#rooms.clear()
    this.#joined.clear()
  }

  #mustBeOpen() {
    if (this.#isClosed) throw new SlabcastError('ERR_CLOSED', 'These rooms are closed: make new ones to go on')
  }

  #hand(room, sockets, message, position) {
    const [data, except] = Array.isArray(message) ? message : [message]
    const isText = typeof data === 'string'
    if (!isText && !ArrayBuffer.isView(data)) {
      warn(
        'SLABCAST_ROOM',
        `What was published to the topic of the room ${JSON.stringify(room)} is no text and no bytes`,
      )
      return
    }
    // A send may have others leave, which are not met any more, or join, from a later position on.
    for (const [socket, from] of sockets) {
      const isExcept = except !== undefined && numbers.get(socket) === except
      if (from <= position && !isExcept) this.#send(socket, data, !isText)
    }
  }

  /**
   * Text as a string and bytes as a Buffer: so whatever has a `send(data)` tells them apart. uWebSockets does by the second argument,
   * in which `ws` sees no options. A socket that cannot be sent to keeps nothing from the others.
   */
  #send(socket, data, isBinary) {
    // What has none, or one that is no number, says by throwing that it is closed.
    const { readyState } = socket
    if (readyState < OPEN) return
    if (readyState > OPEN) {
      this.leaveAll(socket)
      return
    }
    try {
      socket.send(data, isBinary)
    } catch (error) {
      this.leaveAll(socket)
      const message = `A socket was taken out of all rooms, as its send() threw: ${error?.message ?? error}`
      warn('SLABCAST_SOCKET', message, error?.stack)
    }
  }
}

const warn = (code, message, detail) => process.emitWarning(message, { type: 'SlabcastWarning', code, detail })

function checkRoom(room) {
  if (typeof room !== 'string') throw invalidArgType('room', 'of type string', room)
}

/** As a WebSocket would send it: UTF-8 has no lone surrogates, and of bytes it is told no type. */
function bodyOf(data) {
  if (typeof data === 'string') return data.toWellFormed()
  if (Buffer.isBuffer(data)) return data
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  if (data instanceof ArrayBuffer) return Buffer.from(data)
  throw invalidArgType('data', 'of type string or an instance of Buffer, TypedArray, DataView or ArrayBuffer', data)
}

function exceptOf(options = {}) {
  if (typeof options !== 'object' || options === null) throw invalidArgType('options', 'of type object', options)
  const { except } = options
  if (except !== undefined && (typeof except !== 'object' || except === null))
    throw invalidArgType('options.except', 'a socket', except)
  return except
}

function numberOf(socket) {
  let number = numbers.get(socket)
  if (number === undefined) {
    number = randomInt(2 ** 48 - 1)
    numbers.set(socket, number)
  }
  return number
}

module.exports = { Rooms }

'use strict'

// For processes that are no Socket.IO servers: what they emit, the servers of the bus hand out. The calls are those of
// @socket.io/redis-emitter.

const { MessageType } = require('socket.io-adapter')
const { invalidArgType } = require('../../errors')
const { withBus } = require('../options')
const { send, topics } = require('./wire')

/** As in the host: nobody's own name. */
const UID = 'emitter'
const EVENT = 2

/** Names that a client's or server's own events have. */
const RESERVED = new Set(['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'])

const list = (rooms) => (Array.isArray(rooms) ? rooms : [rooms])

/** What is emitted, to whom, so far. Each call that says more of that gives another. */
class BroadcastOperator {
  #bus
  #nsp
  #rooms
  #except
  #flags

  constructor(bus, nsp, rooms = [], except = [], flags = {}) {
    this.#bus = bus
    this.#nsp = nsp
    this.#rooms = rooms
    this.#except = except
    this.#flags = flags
  }

  /** To those who are in a room, or in one of several. */
  to(room) {
    return this.#with({ rooms: [...this.#rooms, ...list(room)] })
  }

  in(room) {
    return this.to(room)
  }

  /** Not to those who are in a room, or in one of several. */
  except(room) {
    return this.#with({ except: [...this.#except, ...list(room)] })
  }

  compress(compress) {
    return this.#with({ flags: { ...this.#flags, compress } })
  }

  /** May be lost where a client is not ready. */
  get volatile() {
    return this.#with({ flags: { ...this.#flags, volatile: true } })
  }

  emit(event, ...args) {
    if (RESERVED.has(event)) throw new Error(`"${String(event)}" is a reserved event name`)
    withoutCallback(args)
    const packet = { type: EVENT, data: [event, ...args], nsp: this.#nsp }
    return this.#send(MessageType.BROADCAST, { packet, opts: this.#opts })
  }

  socketsJoin(rooms) {
    return this.#send(MessageType.SOCKETS_JOIN, { opts: this.#opts, rooms: list(rooms) })
  }

  socketsLeave(rooms) {
    return this.#send(MessageType.SOCKETS_LEAVE, { opts: this.#opts, rooms: list(rooms) })
  }

  disconnectSockets(close = false) {
    return this.#send(MessageType.DISCONNECT_SOCKETS, { opts: this.#opts, close })
  }

  /** To the servers themselves: their `io.on(event)`. */
  serverSideEmit(...args) {
    withoutCallback(args)
    return this.#send(MessageType.SERVER_SIDE_EMIT, { packet: args })
  }

  get #opts() {
    return { rooms: [...new Set(this.#rooms)], except: [...new Set(this.#except)], flags: this.#flags }
  }

  #with({ rooms = this.#rooms, except = this.#except, flags = this.#flags }) {
    return new BroadcastOperator(this.#bus, this.#nsp, rooms, except, flags)
  }

  #send(type, data) {
    return send(this.#bus, topics.namespace(this.#nsp), { uid: UID, nsp: this.#nsp, type, data })
  }
}

class Emitter extends BroadcastOperator {
  #bus

  constructor(options, nsp = '/') {
    if (typeof nsp !== 'string') throw invalidArgType('nsp', 'of type string', nsp)
    const { bus } = withBus(options)
    // As the host calls them all.
    super(bus, nsp.startsWith('/') ? nsp : `/${nsp}`)
    this.#bus = bus
  }

  /** An emitter for another namespace. */
  of(nsp) {
    if (typeof nsp !== 'string') throw invalidArgType('nsp', 'of type string', nsp)
    return new Emitter({ bus: this.#bus }, nsp)
  }
}

function withoutCallback(args) {
  if (typeof args.at(-1) === 'function') throw new Error('Acknowledgements are not supported: there is no server here')
}

module.exports = { BroadcastOperator, Emitter }

'use strict'

// Socket.IO's servers of one bus as one: an adapter on Socket.IO's own ClusterAdapter, which says what there is to be said; here is
// how it reaches the others, who they are, and what becomes of questions when they die.

const { hostOf } = require('./hosts')
// Before those of the face's own that stand on it, too.
const { ClusterAdapter, MessageType } = hostOf('socket.io', 'socket.io-adapter@2', () => require('socket.io-adapter'))
const { withBus } = require('./options')
const { BroadcastOperator, Emitter } = require('./socket.io/emitter')
const { Questions, waitFor } = require('./socket.io/questions')
const { persist, restore, Turns } = require('./socket.io/recovery')
const { Departures, serverId, Servers } = require('./socket.io/servers')
const { received, send, topics } = require('./socket.io/wire')

/** For `new Server({ adapter: createAdapter() })`. */
function createAdapter(options) {
  const { bus } = withBus(options)
  const departures = new Departures(bus)
  // The host calls it by `new`, once for each namespace.
  return function adapter(nsp) {
    return new BusAdapter(nsp, bus, departures)
  }
}

const WARNING = { type: 'SlabcastWarning', code: 'SLABCAST_SOCKET_IO' }

class BusAdapter extends ClusterAdapter {
  #bus
  #topic
  #departures
  /** The others. */
  #servers
  #questions
  #subscriptions = []
  /** The number of the last message of the namespace that was heard here. */
  #heard = 0
  /** Only where states are recovered. */
  #turns

  constructor(nsp, bus, departures) {
    super(nsp)
    this.#bus = bus
    this.#topic = topics.namespace(nsp.name)
    this.uid = serverId(nsp.name, bus.stats(), this.uid)
    this.#servers = new Servers(bus, nsp.name, this.uid)
    this.#departures = departures
    const self = { uid: this.uid, nsp: nsp.name, servers: this.#servers }
    this.#questions = new Questions(bus, self, (message) => this.#take(message))
    if (nsp.server.opts.connectionStateRecovery)
      this.#turns = new Turns(() => this.publish({ type: MessageType.HEARTBEAT }))
    try {
      // In this order nobody is missed: who is not there when it is looked, is told, and who is told of can be asked.
      departures.add(this.#servers)
      this.#subscriptions.push(...this.#questions.begin(), bus.subscribe(this.#topic, this.#hear))
      this.#say(MessageType.INITIAL_HEARTBEAT)
      this.#servers.look()
    } catch (error) {
      this.#leave()
      throw error
    }
  }

  async serverCount() {
    return 1 + this.#servers.size
  }

  #say(type) {
    send(this.#bus, this.#topic, { uid: this.uid, nsp: this.nsp.name, type })
  }

  #hear = (packed, { sequence }) => {
    const message = received(packed)
    const hasMissed = this.#heard > 0 && sequence > this.#heard + 1
    this.#heard = sequence
    if (hasMissed) this.#servers.look()
    const { uid, type } = message
    if (uid === this.uid) this.#turns?.came(message.number ?? 0, `${sequence}`)
    else if (type === MessageType.INITIAL_HEARTBEAT) this.#servers.came(uid)
    else if (type === MessageType.ADAPTER_CLOSE) this.#hasClosed(uid)
    else if (type !== MessageType.HEARTBEAT) this.#take(message, `${sequence}`)
  }

  #hasClosed(uid) {
    this.#servers.gone(uid)
    this.#questions.closed(uid)
  }

  #take(message, offset) {
    if (!this.#turns) this.onMessage(message)
    // What is this server's own goes on in a microtask, too: so all goes in the order of the bus.
    else queueMicrotask(() => this.onMessage(ownPacket(message), offset))
  }

  /** With an offset for it: other servers of this thread, and of a parent namespace, have the same packet. */
  broadcast(packet, opts) {
    return super.broadcast(this.#turns ? { ...packet, data: [...packet.data] } : packet, opts)
  }

  doPublish(message) {
    try {
      if (this.#turns) return this.#turns.take((number) => send(this.#bus, this.#topic, { ...message, number }))
      send(this.#bus, this.#topic, message)
      return Promise.resolve('')
    } catch (error) {
      this.#tell(error)
      return Promise.reject(error)
    }
  }

  async doPublishResponse(requester, response) {
    try {
      this.#questions.respond(requester, response)
    } catch (error) {
      this.#tell(error)
    }
  }

  /** The host's calls give nobody the promise of a broadcast. */
  #tell(error) {
    if (this.listenerCount('error') > 0) this.emit('error', error)
    else process.emitWarning(`Other Socket.IO servers were not told: ${error.message}`, WARNING)
  }

  async fetchSockets(opts) {
    const here = await super.fetchSockets(locally(opts))
    if (opts.flags?.local || this.#servers.size === 0) return here
    const question = { type: MessageType.FETCH_SOCKETS, data: { opts: encoded(opts) } }
    const { error, data } = await this.#questions.askServers(question, waitFor(opts.flags?.timeout))
    if (error) throw error
    return [...here, ...data.flatMap(({ sockets }) => sockets)]
  }

  async serverSideEmit(packet) {
    if (typeof packet.at(-1) !== 'function') return super.serverSideEmit(packet)
    const ack = packet.pop()
    if (this.#servers.size === 0) return ack(null, [])
    const question = { type: MessageType.SERVER_SIDE_EMIT, data: { packet } }
    const found = await this.#questions.askServers(question, waitFor()).catch((error) => ({ error, data: [] }))
    const responses = found.data.map((one) => one.packet)
    ack(found.error, responses)
  }

  broadcastWithAck(packet, opts, count, ack) {
    if (!opts.flags?.local && this.#servers.size > 0) {
      const question = { type: MessageType.BROADCAST, data: { packet, opts: encoded(opts) } }
      const failed = (error) => this.#tell(error)
      this.#questions.askClients(question, waitFor(opts.flags?.timeout), { count, ack, failed })
    }
    super.broadcastWithAck(packet, locally(opts), count, ack)
  }

  persistSession(session) {
    try {
      persist(this.#bus, this.nsp.name, session)
    } catch (error) {
      this.#tell(error)
    }
  }

  restoreSession(pid, offset) {
    const { maxDisconnectionDuration: longest } = this.nsp.server.opts.connectionStateRecovery
    return restore({ bus: this.#bus, nsp: this.nsp.name, heard: () => this.#heard, longest }, pid, offset)
  }

  close() {
    if (this.#subscriptions.length === 0) return
    try {
      // First: who is told of it asks no more.
      this.#say(MessageType.ADAPTER_CLOSE)
    } catch {
      // The bus is full or closed: that nobody is subscribed tells the same.
    }
    this.#leave()
  }

  #leave() {
    this.#questions.close()
    this.#turns?.close()
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe()
    this.#departures.delete(this.#servers)
  }
}

const locally = (opts) => ({ ...opts, flags: { ...opts.flags, local: true } })

const encoded = ({ rooms, except, flags }) => ({ rooms: [...rooms], except: [...except], flags })

/** A message whose packet is nobody else's. */
function ownPacket(message) {
  if (message.type !== MessageType.BROADCAST) return message
  const { packet } = message.data
  return { ...message, data: { ...message.data, packet: { ...packet, data: [...packet.data] } } }
}

module.exports = { BroadcastOperator, createAdapter, Emitter }

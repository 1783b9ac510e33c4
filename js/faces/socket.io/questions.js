'use strict'

// What a server asks the others and what they ask it, each by one request of the bus, which knows whom it was put to and who died
// before the answer. Answers of clients come one by one, by the asking server's own topic, before the request ends.

const { MessageType } = require('socket.io-adapter')
const { SlabcastError } = require('../../index.js')
const { named } = require('./servers')
const { received, send, sendable, topics } = require('./wire')

/** In ms: Socket.IO's own. */
const TIMEOUT = 5000

/** In ms: nobody waits for an answer that much after its time. */
const AFTER = 1000

class Questions {
  #bus
  #uid
  #nsp
  #servers
  #topic
  #act
  #asked = 0
  /** By id: { asked: by server { count, acks }, told }. */
  #asking = new Map()
  /** By id: { resolve, timer, owed }. */
  #answering = new Map()

  /**
   * @param {{ uid: string, nsp: string, servers: object }} self this server, and the others it knows
   * @param {(message: object) => void} act does what is asked, and gives what comes of it to `respond`
   */
  constructor(bus, { uid, nsp, servers }, act) {
    this.#bus = bus
    this.#uid = uid
    this.#nsp = nsp
    this.#servers = servers
    this.#topic = topics.questions(nsp)
    this.#act = act
  }

  /** Begins to answer, and to hear what clients of other servers answer. */
  begin() {
    const answers = this.#bus.subscribe(topics.server(this.#uid), (response) => this.#hear(received(response)))
    try {
      return [answers, this.#bus.respond(this.#topic, (question) => this.#answer(received(question)))]
    } catch (error) {
      answers.unsubscribe()
      throw error
    }
  }

  /** Of each other server one answer; an error names those of which there is none. */
  async askServers(question, timeout) {
    const found = await this.#ask(question, timeout, this.#servers.names)
    const answered = new Set(found.answers.map(({ uid }) => uid))
    const missing = [...found.asked.keys()].filter((uid) => !answered.has(uid))
    const error = missing.length > 0 ? this.#unanswered(missing, found, timeout) : null
    return { error, data: found.answers.map(({ data }) => data) }
  }

  /**
   * Of each client an answer, by `told.ack`, and of each other server how many there are, by `told.count`: the host waits for so many.
   * Of those that are missing an error is the answer.
   */
  async askClients(question, timeout, told) {
    const servers = this.#servers.names
    const found = await this.#ask(question, timeout, servers, told).catch((cause) => {
      told.failed(cause)
      return { asked: askedOf(servers), late: false, cause }
    })
    // That time is over the host says itself.
    if (found.late) return
    for (const [uid, { count, acks }] of found.asked) {
      if (acks === count) continue
      const error = this.#unanswered([uid], found, timeout)
      if (count === undefined) told.count(1)
      for (let missed = acks; missed < (count ?? 1); missed++) told.ack(error)
    }
  }

  /** `asked`: the servers that were known, and have not gone in order; `late`: time was over before it was known what becomes of all. */
  async #ask({ type, data }, timeout, servers, told) {
    const id = `${this.#uid}.${++this.#asked}`
    const asked = askedOf(servers)
    const message = sendable({ uid: this.#uid, nsp: this.#nsp, type, data: { ...data, requestId: id } })
    this.#asking.set(id, { asked, told })
    try {
      const results = await this.#bus.requestMany(this.#topic, message, { timeout })
      const values = results.flatMap(({ status, value }) => (status === 'fulfilled' ? [received(value)] : []))
      const reasons = results.flatMap(({ status, reason }) => (status === 'rejected' ? [reason] : []))
      return {
        answers: values.filter((value) => value !== null),
        asked,
        late: reasons.some(({ code }) => code === 'ERR_TIMEOUT'),
        cause: reasons.find(({ code }) => code !== 'ERR_NO_RESPONDERS'),
      }
    } finally {
      this.#asking.delete(id)
    }
  }

  /** Names those that did not answer. Who did not though there was time is dead, and not asked again. */
  #unanswered(missing, { asked, late, cause }, timeout) {
    if (!late && !cause) for (const uid of missing) this.#servers.gone(uid)
    const servers = missing.map(named)
    const who = `${missing.length} of ${asked.size} servers (pid ${servers.map(({ pid }) => pid).join(', ')})`
    const facts = { missing: servers, ...(cause && { cause }) }
    return late
      ? new SlabcastError('ERR_TIMEOUT', `timeout reached: ${who} did not answer within ${timeout} ms`, facts)
      : new SlabcastError(
          'ERR_NO_RESPONDERS',
          `${who} did not answer and will not, as when they ended: ask again`,
          facts,
        )
  }

  /** A server has closed: it is asked no more, and has no clients. */
  closed(uid) {
    for (const { asked, told } of this.#asking.values()) {
      const of = asked.get(uid)
      // What its clients still owe it says itself, and then they are missing.
      if (of === undefined || of.count !== undefined) continue
      asked.delete(uid)
      told?.count(0)
    }
  }

  #hear({ type, uid, data }) {
    const question = this.#asking.get(data.requestId)
    const of = question?.asked.get(uid)
    if (of === undefined) return
    if (type === MessageType.BROADCAST_CLIENT_COUNT) {
      of.count = data.clientCount
      question.told.count(data.clientCount)
    } else {
      of.acks++
      question.told.ack(data.packet)
    }
  }

  /** A promise that ends when nothing more comes from here: of what was asked for, or null. */
  #answer(message) {
    if (message.uid === this.#uid) return null
    const { requestId, opts } = message.data
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#end(requestId, null), waitFor(opts?.flags?.timeout) + AFTER).unref()
      this.#answering.set(requestId, { resolve, timer, owed: 0 })
      try {
        this.#act(message)
      } catch (error) {
        // A listener's, as of anything else that reaches it.
        process.nextTick(rethrow, error)
      }
    })
  }

  /** What has come of what another asks, or a part of it. */
  respond(requester, response) {
    const { type, data } = response
    const answering = this.#answering.get(data.requestId)
    if (answering === undefined) return
    if (type === MessageType.FETCH_SOCKETS_RESPONSE || type === MessageType.SERVER_SIDE_EMIT_RESPONSE) {
      this.#end(data.requestId, sendable(response))
      return
    }
    send(this.#bus, topics.server(requester), response)
    answering.owed += type === MessageType.BROADCAST_CLIENT_COUNT ? data.clientCount : -1
    if (answering.owed === 0) this.#end(data.requestId, null)
  }

  #end(id, answer) {
    const { resolve, timer } = this.#answering.get(id)
    this.#answering.delete(id)
    clearTimeout(timer)
    resolve(answer)
  }

  close() {
    for (const id of [...this.#answering.keys()]) this.#end(id, null)
  }
}

const rethrow = (error) => {
  throw error
}

/** In ms: as long as the host waits, who takes none for the default. */
const waitFor = (timeout) => (timeout > 0 ? Number(timeout) : TIMEOUT)

const askedOf = (servers) => new Map(servers.map((uid) => [uid, { acks: 0 }]))

module.exports = { Questions, waitFor }

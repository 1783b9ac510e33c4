'use strict'

// Connection state recovery: sessions of disconnected clients are messages of the bus, packets they missed are what the slab still
// keeps of their namespace. An offset is a message's number there; so that it says what came before, a server that keeps
// offsets hands out its own packets, too, when they come by the bus.

const { randomUUID } = require('node:crypto')
const { setImmediate: turn, setTimeout: delay } = require('node:timers/promises')
const { MessageType } = require('socket.io-adapter')
const { received, send, topics } = require('./wire')

/** In ms: a bus that is full for so long recovers nothing. */
const PATIENCE = 5000

/** Messages that may come between looking how many there are and asking for them. */
const SLACK = 1024

/** In ms: what has not come by then may never: this thread was cut off. */
const OVERDUE = 1000

/** Of packets. */
const EVENT = 2

/** What a server says to its namespace, until it comes by the bus. */
class Turns {
  #nudge
  #last = 0
  /** By its number: { resolve, since }. */
  #waiting = new Map()
  #timer

  /** @param {() => void} nudge says something that comes after all that waits */
  constructor(nudge) {
    this.#nudge = nudge
  }

  /** A promise of the offset of what `publish` publishes; '' where it was missed. What `publish` throws comes out. */
  take(publish) {
    const number = this.#last + 1
    publish(number)
    this.#last = number
    this.#timer ??= setTimeout(this.#look, OVERDUE).unref()
    return new Promise((resolve) => this.#waiting.set(number, { resolve, since: Date.now() }))
  }

  came(number, offset) {
    for (const [before, { resolve }] of this.#waiting) {
      if (before > number) return
      this.#waiting.delete(before)
      resolve(before === number ? offset : '')
    }
  }

  close() {
    clearTimeout(this.#timer)
    this.came(this.#last, '')
  }

  #look = () => {
    this.#timer = undefined
    const [first] = this.#waiting.values()
    if (first === undefined) return
    if (Date.now() - first.since >= OVERDUE) this.#nudge()
    this.#timer ??= setTimeout(this.#look, OVERDUE).unref()
  }
}

const persist = (bus, nsp, session) => send(bus, topics.sessions(nsp, session.pid), { pid: session.pid, session })

/**
 * The session of a client that comes back, with what it missed, for once; null where there is none, or not all of it is kept.
 * The promise is kept in the moment for which it is right: all that this server hears after it is not in it.
 * @param {{ bus: object, nsp: string, heard: () => number, longest: number }} server `heard`: the number of the last message of the
 *   namespace that it has heard; `longest`: in ms, how old a session may be
 */
async function restore({ bus, nsp, heard, longest }, pid, offset) {
  const topic = topics.namespace(nsp)
  const after = /^\d{1,15}$/.test(offset) ? Number(offset) : 0
  const last = lastOf(bus, topic)
  if (after < 1 || after > last) return null
  const found = await take(bus, topics.sessions(nsp, pid), pid)
  if (found === undefined || Date.now() - found.since > longest) return null
  const packets = await missed(bus, topic, after, heard)
  if (packets === undefined) return null
  const { session } = found
  const wanted = packets.filter(({ message }) => isRecovered(message) && reaches(message.data.opts, session.rooms))
  const missedPackets = wanted.map(({ message, sequence }) => [...message.data.packet.data, `${sequence}`])
  return { ...session, missedPackets }
}

/** The last number of a topic. */
const lastOf = (bus, topic) => bus.topics(topic.replace(/[\\*?[\]]/g, '\\$&'))[0]?.sequence ?? 0

/** Takes a session: of several that want it, in whatever process, the first whose claim is on the bus. */
function take(bus, topic, pid) {
  const claim = randomUUID()
  return new Promise((resolve, reject) => {
    let found
    const end = (how, value) => {
      clearTimeout(timer)
      subscription.unsubscribe()
      how(value)
    }
    const timer = setTimeout(() => end(resolve), PATIENCE)
    const hear = (packed, { timestamp }) => {
      const told = received(packed)
      if (told.claim === claim) end(resolve, found)
      else if (told.pid === pid) found = told.session && { session: told.session, since: timestamp }
    }
    const subscription = bus.subscribe(topic, hear, { replay: Number.MAX_SAFE_INTEGER })
    try {
      send(bus, topic, { pid, claim })
    } catch (error) {
      end(reject, error)
    }
  })
}

/** What came after a number up to what this server has heard by now; undefined where some of it is not kept. */
async function missed(bus, topic, after, heard) {
  const kept = []
  const hear = (packed, { sequence }) => kept.push({ sequence, message: received(packed) })
  // Not by `after`: what is not kept would be a gap to who listens to the bus, and clients may stay away for as long as they like.
  const subscription = bus.subscribe(topic, hear, { replay: lastOf(bus, topic) - after + 1 + SLACK })
  try {
    const until = Date.now() + PATIENCE
    // A turn that does nothing else: after it nothing is heard before the socket is there.
    await turn()
    while (kept.length > 0 && !(heard() >= after && kept.at(-1).sequence >= heard())) {
      if (Date.now() > until) return undefined
      await delay(1)
    }
  } finally {
    subscription.unsubscribe()
  }
  // With the one it had: nothing is missing in between.
  if (!(kept[0]?.sequence <= after)) return undefined
  return kept.filter(({ sequence }) => sequence > after && sequence <= heard())
}

/** As the host decides which packets have an offset. */
function isRecovered({ type, data }) {
  if (type !== MessageType.BROADCAST) return false
  const { packet, opts } = data
  return packet.type === EVENT && packet.id === undefined && opts.flags?.volatile === undefined
}

const reaches = ({ rooms, except }, joined) =>
  (rooms.length === 0 || joined.some((room) => rooms.includes(room))) && !joined.some((room) => except.includes(room))

module.exports = { persist, restore, Turns }

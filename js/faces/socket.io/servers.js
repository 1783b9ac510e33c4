'use strict'

// Which other servers there are of a namespace. Who is there has a topic of its own, subscribed while it lives: the bus knows those
// that came before, the others say that they come, and of the dead the bus tells.

const { digest, topics } = require('./wire')

/** How the servers of a namespace are called: of which, by its member number and its process. */
const serverId = (nsp, { member, pid }, own) => `${family(nsp)}.${member}.${pid}.${own}`

/** How all of a namespace begin. */
const family = (nsp) => digest(nsp).toString('base64url', 0, 12)

/** Whom a name says. */
function named(uid) {
  const [, member, pid] = uid.split('.')
  return { uid, member: Number(member), pid: Number(pid) }
}

/** The other servers of one namespace. */
class Servers {
  #bus
  #nsp
  #own
  /** Their members, by their names. */
  #members = new Map()

  constructor(bus, nsp, own) {
    this.#bus = bus
    this.#nsp = nsp
    this.#own = own
  }

  get size() {
    return this.#members.size
  }

  get names() {
    return [...this.#members.keys()]
  }

  /** Asks the bus who is there. */
  look() {
    const before = topics.server('').length
    const all = this.#bus.topics(topics.server(`${family(this.#nsp)}.*`)).filter(({ subscribers }) => subscribers > 0)
    this.#members.clear()
    for (const { topic } of all) this.came(topic.slice(before))
  }

  came(uid) {
    if (uid !== this.#own) this.#members.set(uid, named(uid).member)
  }

  gone(uid) {
    this.#members.delete(uid)
  }

  memberLeft(member) {
    for (const [uid, its] of this.#members) if (its === member) this.#members.delete(uid)
  }
}

/** Tells the Servers of a bus who left or died: by one listener, however many namespaces there are. */
class Departures {
  #bus
  #all = new Set()

  constructor(bus) {
    this.#bus = bus
  }

  add(servers) {
    if (this.#all.size === 0) this.#bus.on('leave', this.#left)
    this.#all.add(servers)
  }

  delete(servers) {
    if (this.#all.delete(servers) && this.#all.size === 0) this.#bus.off('leave', this.#left)
  }

  #left = ({ member }) => {
    for (const servers of this.#all) servers.memberLeft(member)
  }
}

module.exports = { Departures, named, serverId, Servers }

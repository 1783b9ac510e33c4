'use strict'

// What is read of a bus for MQTT filters: a filter without wildcards is a topic, others are patterns that match all it does, and little
// else. The matcher that the filters are meant for has the last word.

const { readableOf, topicOf, unreadableOf } = require('./names')

/** Of a pattern, in bytes of UTF-8, as typings/index.d.ts says. */
const LONGEST = 1024

class Filters {
  #face
  #bus
  #syntax
  #receive
  /** By filter: { subscriptions, listeners }, the latter a map to how often each was added. */
  #filters = new Map()
  /** To the topics that no pattern tells anything of: from the first wildcard on. */
  #unreadable

  /**
   * @param {string} face as for `topicOf`
   * @param {object} bus
   * @param {{ separator: string, wildcardOne: string, wildcardSome: string }} syntax as mqemitter's options
   * @param {Function} receive a listener of the bus, called once or more for each message
   */
  constructor(face, bus, { separator, wildcardOne, wildcardSome }, receive) {
    this.#face = face
    this.#bus = bus
    this.#syntax = { separator, wildcardOne, wildcardSome }
    this.#receive = receive
  }

  add(filter, listener) {
    if (!this.#filters.has(filter))
      this.#filters.set(filter, { subscriptions: this.#subscribe(filter), listeners: new Map() })
    const { listeners } = this.#filters.get(filter)
    listeners.set(listener, (listeners.get(listener) ?? 0) + 1)
  }

  /** Once, if it was added. */
  remove(filter, listener) {
    const { listeners } = this.#filters.get(filter) ?? {}
    const times = listeners?.get(listener)
    if (times === undefined) return
    if (times > 1) listeners.set(listener, times - 1)
    else listeners.delete(listener)
    if (listeners.size === 0) this.removeAll(filter)
  }

  /** All listeners of a filter: it is read no more. */
  removeAll(filter) {
    end(this.#filters.get(filter)?.subscriptions ?? [])
    this.#filters.delete(filter)
  }

  close() {
    for (const filter of this.#filters.keys()) this.removeAll(filter)
    this.#unreadable?.unsubscribe()
    this.#unreadable = undefined
  }

  #subscribe(filter) {
    const patterns = patternsOf(this.#face, filter, this.#syntax)
    if (patterns === undefined) return [this.#bus.subscribe(topicOf(this.#face, filter), this.#receive)]
    // Unreferenced: filters keep the process alive, and this one may outlive them.
    this.#unreadable ??= this.#bus.psubscribe(unreadableOf(this.#face), this.#receive).unref()
    const subscriptions = []
    try {
      for (const pattern of patterns) subscriptions.push(this.#bus.psubscribe(pattern, this.#receive))
    } catch (error) {
      end(subscriptions)
      throw error
    }
    return subscriptions
  }
}

function end(subscriptions) {
  for (const subscription of subscriptions) subscription.unsubscribe()
}

/** Of those topics that can be read. Undefined: the filter has no wildcards. */
function patternsOf(face, filter, { separator, wildcardOne, wildcardSome }) {
  const levels = filter.split(separator)
  const some = levels.indexOf(wildcardSome)
  if (some < 0 && !levels.includes(wildcardOne)) return undefined
  // Any number of levels, none too: what follows it is not looked at.
  if (some === 0) return [`${readableOf(face)}*`]
  const known = some < 0 ? levels : levels.slice(0, some)
  // A level may have separators in it, in a pattern.
  const globs = known.map((level) => (level === wildcardOne ? '*' : literally(level)))
  const glob = readableOf(face) + globs.join(literally(separator))
  // What is no pattern matches no topic that can be read: with so long, or such, names none can.
  return (some < 0 ? [glob] : [glob, `${glob}${literally(separator)}*`]).filter(isPattern)
}

const literally = (text) => text.replace(/[*?[\\]/g, '\\$&')

const isPattern = (text) => text.isWellFormed() && !text.includes('\0') && Buffer.byteLength(text) <= LONGEST

module.exports = { Filters }

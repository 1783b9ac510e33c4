'use strict'

// This thread's subscriptions by patterns. Which topics a pattern matches native code knows: it is asked once for each topic
// that a message comes of, and what it says holds until patterns come or go, or a place of the topic table goes to another topic.

const { orThrow } = require('./hot')

class Patterns {
  #member
  /** By the numbers native code gives. */
  #live = new Map()
  #numbers = new Map()

  /** What was asked before this moved holds no more. */
  epoch = 0

  constructor(member) {
    this.#member = member
  }

  get isEmpty() {
    return this.#live.size === 0
  }

  subscribe(subscription) {
    const { id, from } = orThrow(this.#member.psubscribe(subscription.pattern))
    this.#live.set(id, { subscription, from })
    this.#numbers.set(subscription, id)
    this.epoch++
  }

  /** `isOver`: native code has left the bus. */
  unsubscribe(subscription, isOver) {
    const id = this.#numbers.get(subscription)
    if (id === undefined) return
    this.#numbers.delete(subscription)
    this.#live.delete(id)
    this.epoch++
    if (!isOver) this.#member.punsubscribe(id)
  }

  /** The name of an entry's topic and the subscriptions whose patterns match it; undefined: none does. */
  of(index) {
    const matched = this.#live.size > 0 ? this.#member.matches(index) : null
    if (matched === null) return undefined
    const entries = matched.patterns.map((id, at) => ({ ...this.#live.get(id), before: matched.before[at] }))
    return { name: matched.topic, entries }
  }
}

module.exports = { Patterns }

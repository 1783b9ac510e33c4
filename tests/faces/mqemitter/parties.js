'use strict'

// Three parties that listen and emit, by whatever has mqemitter's calls: all in one process by one emitter, or each in a process of its
// own. What they hear does not depend on it.

/** Its listeners are [name, filter]: of one name is one function, however often it is added. */
class Party {
  #emitterFor
  #who
  #listeners = new Map()
  /** By listener, by who emitted: the topics heard, in the order in which they came. */
  heard = {}
  /** How often the end was emitted, by whomever. */
  ends = 0

  /** @param {(use: string) => object} emitterFor which emitter is for a filter, for emitting, and for the end */
  constructor(emitterFor, who) {
    this.#emitterFor = emitterFor
    this.#who = who
  }

  #listener(name) {
    if (this.#listeners.has(name)) return this.#listeners.get(name)
    this.heard[name] = {}
    const listener = (message, done) => {
      const by = this.heard[name]
      by[message.from] ??= []
      by[message.from].push(`${message.topic} ${message.number}`)
      if (!Buffer.isBuffer(message.payload) || message.payload.toString() !== `from ${message.from}`)
        throw new Error(`${name} of ${this.#who} heard ${JSON.stringify(message)}`)
      setImmediate(done)
    }
    this.#listeners.set(name, listener)
    return listener
  }

  async listen(filters) {
    const end = (_, done) => {
      this.ends++
      done()
    }
    await new Promise((resolve) => this.#emitterFor('the end').on('the end', end, resolve))
    for (const [name, filter] of filters)
      await new Promise((resolve) => this.#emitterFor(filter).on(filter, this.#listener(name), resolve))
  }

  async leave(filters) {
    for (const [name, filter] of filters)
      await new Promise((resolve) => this.#emitterFor(filter).removeListener(filter, this.#listener(name), resolve))
  }

  /** Resolves when all were called back, and so was the end. */
  async emit(topics) {
    const emit = (topic, number) =>
      new Promise((resolve, reject) => {
        const message = { topic, from: this.#who, number, payload: Buffer.from(`from ${this.#who}`) }
        this.#emitterFor('emit').emit(message, (error) => (error ? reject(error) : resolve()))
      })
    await Promise.all([...topics, 'the end'].map(emit))
  }
}

/** An emitter of some kind; `settings` are for those that reach further than this process. */
function emitterOf(kind, { bus, socket, ...options }) {
  if (kind === 'mqemitter') return require('mqemitter')(options)
  if (kind === 'mqemitter-redis') return require('mqemitter-redis')({ path: socket, ...options })
  return require('slabcast/mqemitter')({ bus: require('slabcast').open({ name: bus }), ...options })
}

/** Emitters of some kind: one for all uses, or, `apart`, one for each, so that none reads what it needs for another's sake. */
class Emitters {
  #make
  #apart
  #byUse = new Map()

  constructor(kind, { apart = false, ...settings }) {
    this.#make = () => emitterOf(kind, settings)
    this.#apart = apart
  }

  for = (use) => {
    const key = this.#apart ? use : 'all'
    if (!this.#byUse.has(key)) this.#byUse.set(key, this.#make())
    return this.#byUse.get(key)
  }

  async close() {
    for (const emitter of this.#byUse.values()) await new Promise((resolve) => emitter.close(resolve))
  }
}

module.exports = { emitterOf, Emitters, Party }

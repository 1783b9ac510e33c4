'use strict'

// Which objects are worth a function of their own: lists of keys seen often enough, and from an object to the encoder
// of its list. Not the functions themselves: compile.js makes them. All is bounded, so that objects used as
// dictionaries, with ever new keys, cost a glance and no memory.

const SEEN_OFTEN = 12
const WATCHED = 512
const MAX_KEYS = 32
const MAX_KEY_LENGTH = 31
const MAX_SHAPES = 256
const MAX_PAUSE = 4096
const START_OVER = 1 << 16
const FEW = 8

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/

const compilable = (key) =>
  key.length <= MAX_KEY_LENGTH && IDENTIFIER.test(key) && key !== '__proto__' && key !== 'toJSON'

/** Counts lists of keys and says when one is due. Looks away for longer and longer while nothing comes of it. */
class Sightings {
  #counts = new Map()
  #pause = 0
  #skip = 0
  #accepted = 0
  #refused = 0

  /** @param {string[]} keys @returns {boolean} whether this list should be compiled now */
  due(keys) {
    if (this.#skip > 0) {
      this.#skip--
      return false
    }
    // At random, or messages that come in turn would always meet the same eye.
    if (this.#pause > 0) this.#skip = Math.floor(Math.random() * 2 * this.#pause)
    const { length } = keys
    if (length === 0 || length > MAX_KEYS) return false
    const name = keys.length === 1 ? keys[0] : keys.join()
    if (name.length > MAX_KEYS * MAX_KEY_LENGTH) return false
    const count = (this.#counts.get(name) ?? 0) + 1
    if (count < SEEN_OFTEN) {
      if (count === 1 && this.#counts.size >= WATCHED) this.#nothingCameOfIt()
      this.#counts.set(name, count)
      return false
    }
    if (count > SEEN_OFTEN || !keys.every(compilable)) {
      // Cannot or need not be compiled, and keeps coming.
      this.#counts.set(name, SEEN_OFTEN)
      this.#skip = Math.max(this.#pause, 63)
      return false
    }
    if (this.#accepted === MAX_SHAPES) {
      this.#refused++
      this.#skip = Math.max(this.#pause, 63)
      return false
    }
    this.#counts.set(name, count)
    this.#accepted++
    this.#pause = 0
    this.#skip = 0
    return true
  }

  #nothingCameOfIt() {
    this.#counts.clear()
    this.#pause = Math.min(this.#pause * 2 + 1, MAX_PAUSE)
  }

  /** The shapes held are those of a past the process has left behind. */
  get stale() {
    return this.#refused * 64 > START_OVER
  }
}

class Node {
  write = null
  child = null
  sibling = null
  /** All children by key, once there are too many to look through. */
  many = null

  constructor(key) {
    this.key = key
  }

  after(key) {
    if (this.many !== null) return this.many.get(key) ?? null
    let node = this.child
    while (node !== null && node.key !== key) node = node.sibling
    return node
  }

  add(key) {
    const node = new Node(key)
    node.sibling = this.child
    this.child = node
    if (this.many !== null) this.many.set(key, node)
    else {
      let children = 0
      for (let child = node; child !== null; child = child.sibling) children++
      if (children > FEW) {
        this.many = new Map()
        for (let child = node; child !== null; child = child.sibling) this.many.set(child.key, child)
      }
    }
    return node
  }
}

/** From an object's own keys, in order, to the encoder of exactly these. */
class Shapes {
  #root = new Node('')
  #sightings = new Sightings()

  /** For an object whose prototype shows nothing in for-in. */
  of(object) {
    let node = this.#root
    for (const key in object) {
      node = node.after(key)
      if (node === null) return null
    }
    return node.write
  }

  ofKeys(keys) {
    let node = this.#root
    for (let i = 0; i < keys.length; i++) {
      node = node.after(keys[i])
      if (node === null) return null
    }
    return node.write
  }

  /** A list without an encoder has gone by. `compile(keys)` is asked for one when the time has come. */
  seen(keys, compile) {
    if (!this.#sightings.due(keys)) {
      if (this.#sightings.stale) this.clear()
      return
    }
    const write = compile(keys)
    if (write === null) return
    let node = this.#root
    for (const key of keys) node = node.after(key) ?? node.add(key)
    node.write = write
  }

  clear() {
    this.#root = new Node('')
    this.#sightings = new Sightings()
  }
}

module.exports = { Shapes, Sightings, MAX_KEYS }

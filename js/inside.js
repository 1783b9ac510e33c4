'use strict'

// Topics that users cannot name: of requests and replies. What users name is a string, what they cannot is one of these, so that
// neither is ever taken for the other.

const native = require('./native')

class Inside {
  constructor(name) {
    this.name = name
  }
}

/** The topic's name in the segment. */
const spelled = (topic) => (typeof topic === 'string' ? topic : topic.name)

/** Where the requests of a topic go. */
const askTopic = (topic) => new Inside(native().askTopic(topic))

/** Where the answers to the requests of a member go. */
const replyTopic = (member) => new Inside(native().replyTopic(member))

/** Topics by what they are for, made once: no more of them than `most`. */
class Insides {
  #make
  #most
  #made = new Map()

  constructor(make, most) {
    this.#make = make
    this.#most = most
  }

  of(key) {
    let inside = this.#made.get(key)
    if (inside === undefined) {
      if (this.#made.size >= this.#most) this.#made.clear()
      inside = this.#make(key)
      this.#made.set(key, inside)
    }
    return inside
  }
}

module.exports = { askTopic, Insides, replyTopic, spelled }

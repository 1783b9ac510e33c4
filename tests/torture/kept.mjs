// Which messages must still have been in the slab at a time: of those who look back, nobody may have missed one. It says so only
// where it is sure: all that was published around the message is known, and can have taken no more room than there is.

import { lengthOf } from './messages.mjs'

const BLOCK = 64
/** What a value may cost beside its content, as in messages.mjs, and more. */
const VALUE = 128

const blocks = (length) => BLOCK * (1 + Math.ceil((length + VALUE) / BLOCK))

export class Kept {
  #plan
  #order
  #places = new Map()
  #begun
  #done
  /** Of the messages from here on, the earliest begun; of those up to here, the last done. */
  #begunFrom
  #doneTo
  #deaths

  /** @param {object[]} order the messages, by position; @param {Map} publishers what each actor published */
  constructor(plan, order, publishers, actors) {
    this.#plan = plan
    this.#order = order
    const timesOf = ({ by, number }) => (by === undefined ? undefined : publishers.get(by).all[number - 1])
    this.#begun = order.map((message) => timesOf(message)?.before ?? Number.NEGATIVE_INFINITY)
    // From the outbox it came into the slab at some time before that was seen empty.
    this.#done = order.map((message) => {
      const times = timesOf(message)
      return times?.isIn ? times.after : Number.POSITIVE_INFINITY
    })
    this.#begunFrom = [...this.#begun]
    for (let at = order.length - 2; at >= 0; at--)
      this.#begunFrom[at] = Math.min(this.#begunFrom[at], this.#begunFrom[at + 1])
    this.#doneTo = [...this.#done]
    for (let at = 1; at < order.length; at++) this.#doneTo[at] = Math.max(this.#doneTo[at], this.#doneTo[at - 1])
    for (const [at, { topic, sequence }] of order.entries()) this.#places.set(`${topic}/${sequence}`, at)
    // Each may have left room unused that it had reserved.
    this.#deaths = actors.filter(({ clean, settled }) => !clean && !settled).map(({ gone }) => gone)
  }

  /** Whether a message must have been there until a time, everything published by then being behind it. */
  must(topic, sequence, until) {
    const at = this.#places.get(`${topic}/${sequence}`)
    if (at === undefined || this.#begun[at] === Number.NEGATIVE_INFINITY) return false
    const from = this.#begun[at]
    let room = this.#plan.bus.size
    for (const gone of this.#deaths) if (gone >= from) room -= blocks(this.#plan.maxMessage)
    const takes = (place) => {
      const { by, topic, number, length } = this.#order[place]
      room -= blocks(by === undefined ? length : lengthOf(by, topic, number, this.#plan))
    }
    for (let place = at; place < this.#order.length && this.#begunFrom[place] <= until; place++) {
      if (this.#order[place].position !== this.#order[at].position + place - at) return false
      if (this.#begun[place] <= until) takes(place)
      if (room < 0) return false
    }
    // What was published at the same time may lie behind it in the slab, though before it in the order.
    for (let place = at - 1; place >= 0 && this.#doneTo[place] >= from; place--) {
      if (this.#order[place].position !== this.#order[at].position + place - at) return false
      if (this.#done[place] >= from) takes(place)
      if (room < 0) return false
    }
    return room >= 0
  }
}

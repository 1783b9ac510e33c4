// What one thread was delivered and told as missed by its plain subscriptions and patterns, in the order in which it happened to
// it. A reading is what it gets of one topic from its first subscription to that until its last.

import { matchedBy } from './names.mjs'
import { KIND } from './notes.mjs'

/**
 * @param {{ timeline: Timeline, topics: number, last?: number[], mayMiss: boolean }} known when what was published, how many topics
 *   there are, the number each ended with, and whether anybody may be cut off
 */
export function checkReadings(actor, known, fault) {
  const thread = new Thread(actor.id, known, fault)
  for (const { kind, values } of actor.notes) thread.happened(kind, values)
  if (actor.settled) thread.ends()
  return thread.counts
}

class Thread {
  #id
  #known
  #fault
  /** By its number: what a subscription is of each of its topics. */
  #subscriptions = new Map()
  #readings = new Map()
  /** Handles of others than these. */
  #others = new Set()
  #position = -1
  counts = { delivered: 0, matched: 0, gaps: 0, lost: 0 }

  constructor(id, known, fault) {
    this.#id = id
    this.#known = known
    this.#fault = (text) => fault(`actor ${id}: ${text}`)
  }

  happened(kind, values) {
    if (kind === KIND.SUBSCRIBED) this.#subscribed(values, [values[3]])
    else if (kind === KIND.PSUBSCRIBED) this.#subscribed(values, matchedBy(values[3], this.#known.topics))
    else if (kind === KIND.UNSUBSCRIBED) this.#unsubscribed(values[0])
    else if (kind === KIND.RECEIVED) this.#received(...values)
    else if (kind === KIND.GAP) this.#gap(...values)
    else if (kind === KIND.FOLLOWED || kind === KIND.HELD) this.#others.add(values[2]).add(values[4])
    else if (kind === KIND.JOINED) this.#others.add(values[2])
  }

  #subscribed([before, after, id, , handle], topics) {
    const parts = new Map()
    for (const topic of topics) {
      const one = { id, topic, handle, before, after, begun: false, index: undefined, told: 0 }
      const reading = this.#readings.get(topic) ?? { topic, subscriptions: new Set(), index: 0, position: -1 }
      this.#readings.set(topic, reading)
      reading.subscriptions.add(one)
      parts.set(topic, one)
    }
    this.#subscriptions.set(id, parts)
  }

  #unsubscribed(id) {
    const parts = this.#subscriptions.get(id)
    if (!parts) return
    this.#subscriptions.delete(id)
    for (const [topic, one] of parts) {
      const reading = this.#readings.get(topic)
      reading.subscriptions.delete(one)
      if (reading.subscriptions.size === 0) this.#readings.delete(topic)
    }
  }

  #received(id, topic, _publisher, _n, position, sequence) {
    if (this.#others.has(id)) return
    this.counts.delivered++
    const where = `topic ${topic}, number ${sequence}, position ${position}`
    const parts = this.#subscriptions.get(id)
    if (!parts) return this.#fault(`${where} came to subscription ${id} after its end`)
    const one = parts.get(topic)
    if (!one) return this.#fault(`${where} came to subscription ${id}, whose pattern does not match the topic`)
    if (parts.size > 1) this.counts.matched++
    const reading = this.#readings.get(topic)
    if (position < this.#position) this.#fault(`${where} came after position ${this.#position}`)
    this.#position = position
    if (position !== reading.position) {
      this.#allTold(reading)
      if (!isNext(reading, sequence)) this.#fault(`${where} came when number ${reading.next} was next`)
      reading.next = sequence + 1
      reading.position = position
      reading.index++
    }
    if (!one.begun) this.#begins(one, sequence)
    if (one.index === reading.index) this.#fault(`${where} came twice to subscription ${id}`)
    else if (one.index !== undefined && one.index !== reading.index - 1)
      this.#fault(`${where}: subscription ${id} did not get what came before it to another of its thread`)
    one.index = reading.index
  }

  #gap(handle, topic, from, to, lost, reason, group) {
    if (group !== -1 || this.#others.has(handle)) return
    const where = `the gap of topic ${topic} from ${from} to ${to} (${lost} lost)`
    if (reason !== 0) this.#fault(`${where} was told as overwritten`)
    if (!this.#known.mayMiss) this.#fault(`${where}, though nobody is ever cut off`)
    if (lost !== to - from + 1 || lost < 1) this.#fault(`${where} does not add up`)
    const reading = this.#readings.get(topic)
    if (!reading) return this.#fault(`${where} was told, but it listens no more`)
    if (reading.gap?.to !== to) {
      this.counts.gaps++
      this.counts.lost += lost
      this.#allTold(reading)
      const begun = [...reading.subscriptions].filter((one) => one.begun)
      // What lies between is nobody's if all who had begun have left meanwhile.
      const first = begun.length > 0 ? reading.next : undefined
      reading.gap = { first, to, owed: new Set(begun.map((one) => one.handle)), told: new Set() }
      if (reading.next > to) this.#fault(`${where} was told when number ${reading.next} was next`)
      reading.next = to + 1
      reading.position = -1
    }
    this.#tell(reading, handle, from, where)
  }

  /** A handle is told what its own subscriptions missed: all of it if one of them had begun, else from its subscribing on. */
  #tell({ subscriptions, gap }, handle, from, where) {
    if (gap.told.has(handle)) this.#fault(`${where} was told twice to handle ${handle}`)
    gap.told.add(handle)
    gap.owed.delete(handle)
    const listeners = [...subscriptions].filter((one) => one.handle === handle)
    if (gap.first !== undefined && listeners.some((one) => one.begun)) {
      if (from !== gap.first) this.#fault(`${where} was told to handle ${handle} when number ${gap.first} was next`)
    } else {
      if (!listeners.some((one) => this.#wasThere(one, from)))
        this.#fault(`${where} was told to handle ${handle}, which subscribed after its beginning`)
      const late = listeners.find((one) => this.#due(one) > one.told && this.#due(one) < from)
      if (late) this.#fault(`${where} was told to handle ${handle}, of which subscription ${late.id} was due more`)
    }
    for (const one of listeners) one.told = gap.to
  }

  /** A gap was told to each handle that has read of the topic, before anything else of it came. */
  #allTold(reading) {
    for (const handle of reading.gap?.owed ?? []) {
      const listens = [...reading.subscriptions].some((one) => one.handle === handle)
      if (listens)
        this.#fault(`handle ${handle} was not told of the gap of topic ${reading.topic} to ${reading.gap.to}`)
    }
    reading.gap = undefined
  }

  /** The first that a subscription gets: all that was published after it returned, but for what a gap told of. */
  #begins(one, sequence) {
    one.begun = true
    const due = this.#due(one)
    const begun = this.#known.timeline.begun(one.topic, sequence - 1)
    const isTold = one.told >= due && (one.told >= sequence - 1 || !(begun > one.after))
    if (due < sequence && !isTold)
      this.#fault(`subscription ${one.id} of topic ${one.topic} begins with ${sequence}, ${due} was published after it`)
    if (!this.#wasThere(one, sequence))
      this.#fault(`subscription ${one.id} of topic ${one.topic} begins with ${sequence}, which was there before it`)
  }

  /** The first message published after it had subscribed. */
  #due(one) {
    return this.#known.timeline.due(one.topic, one.after)
  }

  /** Whether it may have been there before this message: nothing that was in the slab before subscribe() was called is its. */
  #wasThere(one, sequence) {
    if (one.begun && one.index !== undefined) return true
    return this.#known.timeline.there(one.topic, one.before) < sequence
  }

  /** It says that it has all there is. */
  ends() {
    for (const reading of this.#readings.values()) {
      const { topic } = reading
      this.#allTold(reading)
      const last = this.#known.last?.[topic]
      if (reading.next !== last + 1)
        this.#fault(`topic ${topic} ends with ${last}, it has everything to ${(reading.next ?? 1) - 1}`)
      for (const one of reading.subscriptions) {
        if ((!one.begun && one.told !== last) || (one.index !== undefined && one.index !== reading.index))
          this.#fault(`subscription ${one.id} of topic ${topic} did not get the last message`)
      }
    }
  }
}

/** What lies between is nobody's if all who had begun have left meanwhile. */
function isNext({ next, subscriptions }, sequence) {
  if (next === undefined || sequence === next) return true
  return sequence > next && ![...subscriptions].some((one) => one.begun)
}

'use strict'

// The groups this thread is a member of. Each message of a group's topic goes to one of its members; here it goes to one of this
// thread's subscriptions in it, by turns. One message is taken at a time, when there is somebody here to get it.

const { ALL, MORE, DRAINED, NEEDED, TOLD, GAPS, ROW, WOKE, orThrow } = require('./hot')

/** How work() leaves things: nothing is left; there may be more; there is more, and another member was woken for it. */
const NONE = 0
const SOME = 1
const YIELD = 2

/** Messages of one go: what else this thread listens to comes in between. */
const AT_ONCE = 16

/** A topic's group, as a reading of this thread. */
class Working {
  subscriptions = []
  #next = 0

  constructor(name, group, words) {
    this.name = name
    this.group = group
    this.words = words
  }

  /** The subscription whose turn it is, alone. */
  turn() {
    const { subscriptions, name } = this
    this.#next = this.#next < subscriptions.length ? this.#next : 0
    return { name, all: [subscriptions[this.#next++]] }
  }
}

class Groups {
  #member
  #hot
  #owner
  #receiving
  /** By topic and group, and by the group's row. */
  #byName = new Map()
  #byRow = new Map()

  /**
   * @param {{ closed: boolean, corrupt: Function, gapOfGroup: Function }} owner
   * @param {{ deliver: (reading: object, bytes: Buffer) => void, tellGaps: () => void }} receiving
   */
  constructor(member, hot, owner, receiving) {
    this.#member = member
    this.#hot = hot
    this.#owner = owner
    this.#receiving = receiving
  }

  get isEmpty() {
    return this.#byRow.size === 0
  }

  /** Adds a subscription to a topic; returns the topic's words. */
  subscribe(subscription, topic) {
    const { group } = subscription
    let working = this.#find(topic, group)
    if (working === undefined) {
      working = new Working(topic, group, orThrow(this.#member.joinGroup(topic, group)))
      if (!this.#byName.has(topic)) this.#byName.set(topic, new Map())
      this.#byName.get(topic).set(group, working)
      this.#byRow.set(working.words.row, working)
    }
    working.subscriptions.push({ subscription, from: 0, before: 0 })
    return working.words
  }

  unsubscribe(subscription, topic) {
    const { group } = subscription
    const working = this.#find(topic, group)
    const at = working?.subscriptions.findIndex((entry) => entry.subscription === subscription) ?? -1
    if (at === -1) return
    working.subscriptions.splice(at, 1)
    if (working.subscriptions.length > 0) return
    const ofTopic = this.#byName.get(topic)
    ofTopic.delete(group)
    if (ofTopic.size === 0) this.#byName.delete(topic)
    this.#byRow.delete(working.words.row)
    if (this.#owner.closed) return
    // To the others it is as if taken: nobody else tells it.
    for (const gap of this.#member.leaveGroup(working.words.row)) this.#owner.gapOfGroup(gap, subscription)
  }

  subscriptionsTo(topic) {
    const all = [...(this.#byName.get(topic)?.values() ?? [])]
    return all.flatMap(({ subscriptions }) => subscriptions.map((entry) => entry.subscription))
  }

  /** Takes messages and hands them out. */
  work() {
    const { calls, registers, bytes } = this.#hot
    for (let taken = 0; taken < AT_ONCE && !this.isEmpty; taken++) {
      let status = calls.take()
      let from = bytes
      if (status === MORE && registers[DRAINED] === 0 && registers[NEEDED] > bytes.length) {
        from = Buffer.allocUnsafeSlow(registers[NEEDED])
        status = this.#hot.takeInto(from)
      }
      if (status !== ALL && status !== MORE) {
        this.#owner.corrupt('take', status)
        return NONE
      }
      const count = registers[DRAINED]
      const woke = registers[WOKE] === 1
      // Never with a message: who is told may end what it would be for.
      if (registers[TOLD] & GAPS) this.#receiving.tellGaps()
      if (count > 0) this.#receiving.deliver(this.#byRow.get(registers[ROW]).turn(), from)
      if (this.#owner.closed) return NONE
      if (status === ALL) return NONE
      if (count > 0 && woke) return YIELD
    }
    return this.isEmpty ? NONE : SOME
  }

  tellGap(gap) {
    const working = this.#find(gap.topic, gap.group)
    if (working !== undefined) this.#owner.gapOfGroup(gap, working.turn().all[0].subscription)
  }

  #find(topic, group) {
    return this.#byName.get(topic)?.get(group)
  }
}

module.exports = { Groups, NONE, YIELD }

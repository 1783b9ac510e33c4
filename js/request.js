'use strict'

// One request: who was asked and owes an answer, and what has become of it. It learns of all that from requests.js.

const { abortError, SlabcastError } = require('./errors')

/** What a timer of Node's can wait. */
const LONGEST = 2 ** 31 - 1

const noResponders = (topic, reason) =>
  new SlabcastError('ERR_NO_RESPONDERS', `${reason} ${JSON.stringify(topic)}`, { topic })

class Request {
  /** By member: answers it owes. Undefined until it is known who was asked. */
  #owed
  /** How many there were to be asked when it was made: they are asked when it is in the slab. */
  #found
  /** Those of them that have said that they have it. */
  #said = new Set()
  /** Those that have said how many answers are to come: that is said once. */
  #counted = new Set()
  /** The rows of the groups that were asked, of which nobody has said that it took it. */
  #groups = new Set()
  #results = []
  #timer
  #onAbort

  /** Its position in the bus; known where a group was asked. */
  position

  /** @param {(id: number) => void} settled told once, when nothing is waited for any more */
  constructor(id, handle, topic, to, { timeout, signal, all, found }, settled) {
    this.#found = found
    this.id = id
    this.handle = handle
    this.topic = topic
    this.to = to
    this.all = all
    this.answer = new Promise((resolve, reject) => {
      this.resolve = (value) => this.#settle(resolve, value)
      this.fail = (error) => this.#settle(reject, error)
    })
    this.timeout = timeout
    this.signal = signal
    this.settled = settled
    if (timeout <= LONGEST) {
      this.#timer = setTimeout(() => this.#timedOut(), timeout)
      this.#timer.unref()
    }
    this.#onAbort = signal && (() => this.fail(abortError(signal)))
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  /** The members that owe an answer. */
  get owing() {
    return this.#owed?.keys() ?? []
  }

  /** The rows of the groups that do. */
  get groups() {
    return this.#groups
  }

  /** These have it before them; each owes an answer, if it does not say otherwise. */
  wasPutTo({ members, groups }, position) {
    this.#owed = new Map(members.map((member) => [member, 1]))
    this.#groups = new Set(groups)
    this.position = position
    this.#look()
  }

  /** Whether it is in the bus. */
  get isPut() {
    return this.#owed !== undefined
  }

  /** A member says how many answers are to come from it, of its own handlers. */
  expect(member, count) {
    if (!this.#owed?.has(member) || this.#counted.has(member)) return
    this.#counted.add(member)
    this.#said.add(member)
    this.#owe(member, this.#owed.get(member) - 1 + count)
    this.#look()
  }

  /** A member has it: of a group, that nobody else of it will answer; of none, that it answers though it responds no more. */
  isHeldBy(member, group) {
    this.#said.add(member)
    if (this.#groups.delete(group)) this.#owe(member, (this.#owed.get(member) ?? 0) + 1)
  }

  take(member, result) {
    if (!this.all) {
      if (result.status === 'fulfilled') this.resolve(result.value)
      else this.fail(result.reason)
      return
    }
    this.#results.push(result)
    if (this.#owed?.has(member)) this.#owe(member, this.#owed.get(member) - 1)
    this.#look()
  }

  /** A member died or left, and what it had said by then was heard. */
  gone(member) {
    this.#lose(member, 'Its process ended before it answered to a request of')
  }

  /** Whether a member has said anything of it. */
  hasHeardOf(member) {
    return this.#said.has(member)
  }

  /** A member reads requests no more, and what it had said by then was heard. */
  ceased(member) {
    if (!this.#said.has(member)) this.#lose(member, 'It ceased to respond just before it was given a request of')
  }

  /** Nobody of a group has it, and what was said by then was heard. */
  lostIn(group) {
    if (!this.#groups.delete(group)) return
    this.#miss(1, noResponders(this.topic, 'Nobody is left of its group to answer to a request of'))
    this.#look()
  }

  /** Answers to this thread are lost, perhaps one to this. */
  mayHaveLost(lost) {
    const message = `This thread did not read for longer than stallTimeout and was cut off, and ${lost} answers were overwritten meanwhile, perhaps one to a request of`
    this.#giveUp(`${message} ${JSON.stringify(this.topic)}`, { lost })
  }

  #lose(member, reason) {
    const owed = this.#owed?.get(member)
    if (owed === undefined) return
    this.#miss(owed, noResponders(this.topic, reason))
    this.#owe(member, 0)
    this.#look()
  }

  #owe(member, count) {
    if (count > 0) this.#owed.set(member, count)
    else this.#owed.delete(member)
  }

  #miss(count, reason) {
    for (let missed = 0; missed < count; missed++) this.#results.push({ status: 'rejected', reason })
  }

  /** Whether nobody owes anything any more. */
  #look() {
    if (this.#owed === undefined || this.#owed.size > 0 || this.#groups.size > 0) return
    if (this.all) this.resolve(this.#results)
    else this.fail(noResponders(this.topic, 'Nobody is left to answer to a request of'))
  }

  #timedOut() {
    this.#giveUp(`Nobody answered to a request of ${JSON.stringify(this.topic)} within ${this.timeout} ms`)
  }

  /** What has not come by now is not waited for. */
  #giveUp(message, facts) {
    const error = new SlabcastError('ERR_TIMEOUT', message, { topic: this.topic, ...facts })
    if (!this.all) {
      this.fail(error)
      return
    }
    for (const owed of this.#owed?.values() ?? [this.#found]) this.#miss(owed, error)
    this.#miss(this.#groups.size, error)
    this.resolve(this.#results)
  }

  #settle(how, value) {
    clearTimeout(this.#timer)
    this.signal?.removeEventListener('abort', this.#onAbort)
    this.settled(this.id)
    how(value)
  }
}

module.exports = { noResponders, Request }

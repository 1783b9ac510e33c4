'use strict'

// mqemitter, across processes. The listeners of this one are mqemitter's own matter: it matches, calls and counts them, inside
// `emit`, as ever. Beside that each message is published to a topic of its name, in the order of `emit`; what other emitters publish
// comes from those topics alone that the filters here may match, and goes through mqemitter as well.

const { randomUUID } = require('node:crypto')
const { errorMonitor } = require('node:events')
const { invalidArgType, invalidArgValue, outOfRange } = require('../errors')
const { Filters } = require('./filters')
const { hostOf } = require('./hosts')
const { carried, nameOf, topicOf } = require('./names')
const { withBus } = require('./options')

const MQEmitter = hostOf('mqemitter', 'mqemitter@7', () => require('mqemitter'))

const FACE = 'mqemitter'
/** Of a topic or a filter: at more mqemitter throws, which must not be another process' exception. */
const LEVELS_MAX = 100

class Emitter extends MQEmitter {
  #bus
  #separator
  /** To tell its own messages, which its listeners have had, from those of other emitters, also in this thread. */
  #id = randomUUID()
  /** What is read of the bus. */
  #filters
  /** The position of the last message read: several subscriptions may bring one. */
  #last = -1
  /** Published and not in the slab yet: whom to tell. */
  #unsent = []
  /** Emitted while `concurrency` were unsent, or the outbox was full: { message, callback }. */
  #held = []
  #isWaiting = false
  #isClosing = false
  /** What is done once nothing is unsent or held. */
  #whenAllIsIn = []

  /** @param {object} options checked; mqemitter writes its defaults into them */
  constructor(options) {
    super(options)
    this.#bus = withBus(options).bus
    this.#separator = options.separator
    this.#filters = new Filters(FACE, this.#bus, options, this.#receive)
  }

  /** Messages that wait for their turn. */
  get length() {
    return super.length + this.#held.length
  }

  on(filter, listener, done) {
    checkListener(filter, listener)
    try {
      if (!this.#isClosing) this.#filters.add(filter, listener)
    } catch (error) {
      if (!done) throw error
      setImmediate(done, error)
      return this
    }
    try {
      return super.on(filter, listener, done)
    } catch (error) {
      this.#filters.remove(filter, listener)
      throw error
    }
  }

  removeListener(filter, listener, done) {
    checkListener(filter, listener)
    // Until then mqemitter calls it.
    return super.removeListener(filter, listener, () => {
      this.#filters.remove(filter, listener)
      done?.()
    })
  }

  removeAllListeners(filter, done) {
    super.removeAllListeners(filter, done)
    this.#filters.removeAll(filter)
    return this
  }

  emit(message, callback) {
    const topic = message?.topic
    if (typeof topic !== 'string') throw invalidArgType('message.topic', 'of type string', topic)
    if (this.#isTooDeep(topic)) throw invalidArgValue('message.topic', topic, `has more than ${LEVELS_MAX} levels`)
    if (this.#isClosing) return callback?.(new Error('mqemitter is closed'))
    const emitted = { message, callback: callback ?? warn }
    if (this.#held.length > 0 || this.#isFull()) this.#held.push(emitted)
    else this.#send(emitted)
    return this
  }

  close(callback = () => {}) {
    this.#isClosing = true
    this.#filters.close()
    this.#whenAllIsIn.push(() => super.close(callback))
    this.#endIfAllIsIn()
    return this
  }

  /** Published before the listeners here are called, for they may emit. False: it is held until there is room. */
  #send(emitted) {
    const { message, callback } = emitted
    let isIn
    try {
      const sent = message.topic.isWellFormed() ? message : { ...message, topic: carried(message.topic) }
      isIn = this.#bus.publish(topicOf(FACE, message.topic), [this.#id, sent])
    } catch (error) {
      const isHeld = error.code === 'ERR_OUTBOX_FULL' && this.concurrency > 0
      if (isHeld) {
        this.#held.unshift(emitted)
        this.#wait()
      } else setImmediate(callback, error)
      return !isHeld
    }
    const told = isIn ? callback : halfOf(callback)
    if (!isIn) {
      this.#unsent.push(told)
      this.#wait()
    }
    super.emit(message, told)
    return true
  }

  #isFull() {
    return this.concurrency > 0 && this.#unsent.length >= this.concurrency
  }

  #wait() {
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#bus.once('drain', this.#goOn)
    // Seen without being taken from those who listen to it.
    this.#bus.once(errorMonitor, this.#goOn)
  }

  /** All is in the slab, or, with an error, the bus is lost, which throws it from now on. */
  #goOn = (error) => {
    this.#isWaiting = false
    this.#bus.off('drain', this.#goOn)
    this.#bus.off(errorMonitor, this.#goOn)
    for (const told of this.#unsent.splice(0)) error ? setImmediate(told, error) : told()
    while (this.#held.length > 0 && !this.#isFull()) if (!this.#send(this.#held.shift())) break
    this.#endIfAllIsIn()
  }

  #endIfAllIsIn() {
    if (this.#unsent.length + this.#held.length === 0) for (const act of this.#whenAllIsIn.splice(0)) act()
  }

  /** Messages come in the order of the bus, each by all subscriptions before the next. */
  #receive = (published, { position }) => {
    const [from, message] = Array.isArray(published) ? published : []
    const topic = nameOf(message?.topic)
    if (from === this.#id || position <= this.#last || topic === undefined) return
    this.#last = position
    // So deep by the separator here no filter can be.
    if (!this.#isTooDeep(topic)) super.emit(Object.assign(message, { topic }))
  }

  #isTooDeep(topic) {
    return topic.length >= LEVELS_MAX && topic.split(this.#separator).length > LEVELS_MAX
  }
}

/** Calls a callback when it is called twice, or once with an error. */
function halfOf(callback) {
  let left = 2
  return (error) => {
    left -= error ? left : 1
    if (left === 0) callback(error)
  }
}

/** In the place of a callback that was not given. */
function warn(error) {
  if (error) process.emitWarning(`Not emitted: ${error.message}`, 'SlabcastWarning', 'SLABCAST_MQEMITTER')
}

function checkListener(filter, listener) {
  if (typeof filter !== 'string') throw invalidArgType('topic', 'of type string', filter)
  if (typeof listener !== 'function') throw invalidArgType('listener', 'of type function', listener)
}

function checked(options) {
  const { concurrency } = withBus(options)
  if (typeof (concurrency ?? 0) !== 'number') throw invalidArgType('options.concurrency', 'of type number', concurrency)
  if (!((concurrency ?? 0) >= 0)) throw outOfRange('options.concurrency', '>= 0 (0: as many as come)', concurrency)
  for (const name of ['separator', 'wildcardOne', 'wildcardSome'])
    if (typeof (options[name] ?? '') !== 'string')
      throw invalidArgType(`options.${name}`, 'of type string', options[name])
  return options
}

module.exports = function mqemitter(options) {
  return new Emitter(checked(options ?? {}))
}

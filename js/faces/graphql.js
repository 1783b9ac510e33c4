'use strict'

// The engine of graphql-subscriptions over all processes: what one publishes, the subscribers of all of them get.

const { invalidArgType } = require('../errors')
const { SlabcastError } = require('../index.js')
const { hostOf } = require('./hosts')
const { topicOf } = require('./names')
const { withBus } = require('./options')

const { PubSubEngine } = hostOf('graphql', 'graphql-subscriptions@3', () => require('graphql-subscriptions'))

class PubSub extends PubSubEngine {
  #bus
  #subscriptions = new Map()
  #last = 0
  #isClosed = false

  constructor(options) {
    super()
    this.#bus = withBus(options).bus
  }

  /** Resolves when the bus has accepted it; whatever it throws rejects. */
  async publish(triggerName, payload) {
    this.#bus.publish(this.#topicOf(triggerName), payload)
  }

  async subscribe(triggerName, onMessage) {
    if (typeof onMessage !== 'function') throw invalidArgType('onMessage', 'of type function', onMessage)
    const subscription = this.#bus.subscribe(this.#topicOf(triggerName), (payload) => onMessage(payload))
    this.#subscriptions.set(++this.#last, subscription)
    return this.#last
  }

  unsubscribe(subId) {
    this.#subscriptions.get(subId)?.unsubscribe()
    this.#subscriptions.delete(subId)
  }

  /** Ends all subscriptions. The bus stays open. */
  close() {
    this.#isClosed = true
    for (const subId of [...this.#subscriptions.keys()]) this.unsubscribe(subId)
  }

  #topicOf(triggerName) {
    if (typeof triggerName !== 'string') throw invalidArgType('triggerName', 'of type string', triggerName)
    if (this.#isClosed) throw new SlabcastError('ERR_CLOSED', 'This PubSub is closed: make a new one to go on')
    return topicOf('graphql', triggerName)
  }
}

module.exports = { PubSub }

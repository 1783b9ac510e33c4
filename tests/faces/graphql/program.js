'use strict'

// Parts of an application with GraphQL subscriptions: over the PubSub of graphql-subscriptions, all in one process, or over ours, each
// in a process of its own.

const { buildSchema, execute, parse, subscribe } = require('graphql')
const { PubSub, withFilter } = require('graphql-subscriptions')
const { live } = require('../support/parts')

const TYPES = `
  type Said { room: String!, text: String!, by: String }
  type Query { ok: Boolean }
  type Mutation { say(room: String!, text: String!): Boolean }
  type Subscription { said(room: String!): Said, all: Said, ticks: Int }
`

/** What a server has: a schema whose mutations publish, and whose subscriptions are what was published. */
function schemaOver(pubsub, name) {
  const schema = buildSchema(TYPES)
  const { say } = schema.getMutationType().getFields()
  say.resolve = async (_root, { room, text }) => {
    await pubsub.publish('SAID', { said: { room, text, by: name }, all: { room, text } })
    return true
  }
  const { said, all, ticks } = schema.getSubscriptionType().getFields()
  const ofRoom = ({ said }, { room }) => said?.room === room
  said.subscribe = withFilter(() => pubsub.asyncIterableIterator('SAID'), ofRoom)
  all.subscribe = () => pubsub.asyncIterableIterator(['SAID', 'HINT'])
  ticks.subscribe = () => pubsub.asyncIterableIterator('TICKS')
  return schema
}

class Part {
  #pubsub
  #schema
  /** By label: what came. */
  #heard = {}
  #subscriptions = {}
  #ids = {}
  #loops = []

  constructor(pubsub, name, say) {
    this.#pubsub = pubsub
    this.#schema = schemaOver(pubsub, name)
    pubsub.subscribe('SYNC', (synced) => say({ synced }))
  }

  sync(n) {
    this.#pubsub.publish('SYNC', n)
  }

  async do([verb, ...args]) {
    return this[verb](...args)
  }

  async mutation(source) {
    const result = await execute({ schema: this.#schema, document: parse(source) })
    if (result.errors) throw result.errors[0]
  }

  async subscription(label, source) {
    const results = await subscribe({ schema: this.#schema, document: parse(source) })
    if (results.errors) throw results.errors[0]
    this.#heard[label] = []
    this.#subscriptions[label] = results
    const collect = async () => {
      for await (const { data, errors } of results) this.#heard[label].push(JSON.parse(JSON.stringify(data ?? errors)))
      this.#heard[label].push('over')
    }
    this.#loops.push(collect())
  }

  async leave(label) {
    await this.#subscriptions[label].return()
  }

  async listen(label, trigger) {
    this.#heard[label] = []
    this.#ids[label] = await this.#pubsub.subscribe(trigger, (...args) => this.#heard[label].push(args), {})
  }

  deafen(label) {
    this.#pubsub.unsubscribe(this.#ids[label])
  }

  publish(trigger, payload) {
    return this.#pubsub.publish(trigger, payload)
  }

  async end() {
    for (const subscription of Object.values(this.#subscriptions)) await subscription.return()
    await Promise.all(this.#loops)
    this.#pubsub.close?.()
    return this.#heard
  }
}

function main(child, pubsub, names) {
  return live(child, Object.fromEntries(names.map((name) => [name, new Part(pubsub, name, child.say)])))
}

module.exports = {
  official: (child, names) => main(child, new PubSub(), names),
  ours(child, names, options) {
    const { PubSub } = require('slabcast/graphql')
    return main(child, new PubSub({ bus: require('slabcast').open(options) }), names)
  },
}

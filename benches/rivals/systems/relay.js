'use strict'

// What node:cluster offers: a worker's message goes to the primary, which sends it to every worker that wants it.

const { Window } = require('../window')

const wanting = new Map()

exports.join = async () => {
  const listeners = new Map()
  process.on('message', ({ relayed, topic }) => {
    if (relayed !== undefined) listeners.get(topic)?.(relayed)
  })
  // The primary's queues have no bound of their own.
  const window = new Window()
  return {
    subscribe(topic, listener) {
      listeners.set(topic, listener)
      process.send({ wants: topic })
    },
    publish(topic, message) {
      process.send({ topic, relay: message }, window.give)
      return window.take()
    },
    leave() {},
  }
}

/** The primary's part: of all processes of a trial, as they are started. */
exports.serve = (processes) => {
  for (const one of processes) {
    one.on('message', ({ wants, topic, relay }) => {
      if (wants !== undefined) wanting.set(wants, [...(wanting.get(wants) ?? []), one])
      if (relay === undefined) return
      for (const to of wanting.get(topic) ?? []) if (to.connected) to.send({ relayed: relay, topic })
    })
    one.once('exit', () => {
      for (const [topic, ones] of wanting)
        wanting.set(
          topic,
          ones.filter((other) => other !== one),
        )
    })
  }
}

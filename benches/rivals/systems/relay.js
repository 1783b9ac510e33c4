'use strict'

// What node:cluster offers: a worker's message goes to the primary, which sends it to every worker that wants it.

/** Messages on the way to the primary: its queue has no bound of its own. */
const WINDOW = 1024

const wanting = new Map()

exports.join = async () => {
  const listeners = new Map()
  process.on('message', ({ relayed, topic }) => {
    if (relayed !== undefined) listeners.get(topic)?.(relayed)
  })
  let onItsWay = 0
  let room
  const sent = () => {
    onItsWay--
    if (onItsWay <= WINDOW / 2 && room !== undefined) {
      room()
      room = undefined
    }
  }
  return {
    subscribe(topic, listener) {
      listeners.set(topic, listener)
      process.send({ wants: topic })
    },
    publish(topic, message) {
      onItsWay++
      process.send({ topic, relay: message }, sent)
      if (onItsWay < WINDOW) return undefined
      return new Promise((resolve) => {
        room = resolve
      })
    },
    leave() {},
  }
}

/** The primary's part: of all processes of a trial, as they are started. */
exports.serve = (processes) => {
  for (const one of processes) {
    one.on('message', ({ wants, topic, relay }) => {
      if (wants !== undefined) wanting.set(wants, [...(wanting.get(wants) ?? []), one])
      if (relay !== undefined)
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

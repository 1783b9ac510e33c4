'use strict'

// What node:child_process offers: parent and child send to each other directly. The parent publishes.

const { Window } = require('../window')

exports.primary = true

let children

exports.serve = (processes) => {
  children = processes
}

exports.join = async () => {
  const peers = children ?? [process]
  const listeners = new Map()
  for (const peer of peers) {
    peer.on('message', ({ sent, topic }) => {
      if (sent !== undefined) listeners.get(topic)?.(sent)
    })
  }
  // The channels' queues have no bound of their own.
  const window = new Window()
  return {
    subscribe: (topic, listener) => listeners.set(topic, listener),
    publish(topic, message) {
      let room
      for (const peer of peers) {
        peer.send({ sent: message, topic }, window.give)
        room = window.take()
      }
      return room
    },
    leave() {},
  }
}

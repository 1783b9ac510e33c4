'use strict'

// ZeroMQ's publish/subscribe sockets over ipc://, with msgpackr. Set so that it waits where it would drop messages.

const { XPublisher, Subscriber } = require('zeromq')
const { pack, unpack } = require('msgpackr')

/** Messages queued on each side. */
const MOST = 10_000

const address = (folder, index) => `ipc://${folder}/${index}.zmq`

async function joinSubscriber({ folder, from }) {
  const socket = new Subscriber({ reconnectInterval: 10, receiveHighWaterMark: MOST })
  for (const index of from) socket.connect(address(folder, index))
  const listeners = new Map()
  let isLeaving = false
  const read = async () => {
    for await (const [topic, bytes] of socket) listeners.get(topic.toString())(unpack(bytes))
  }
  read().catch((error) => {
    if (!isLeaving) throw error
  })
  return {
    subscribe(topic, listener) {
      listeners.set(topic, listener)
      socket.subscribe(topic)
    },
    leave() {
      isLeaving = true
      socket.close()
    },
  }
}

async function joinPublisher({ folder, index, interests }) {
  const socket = new XPublisher({ noDrop: true, verbosity: 'allSubs', sendHighWaterMark: MOST })
  await socket.bind(address(folder, index))
  // Each says what it wants.
  for (let known = 0; known < interests; known++) await socket.receive()
  return {
    async publish(topic, message) {
      const frames = [topic, pack(message)]
      for (;;) {
        try {
          return await socket.send(frames)
        } catch (error) {
          // No room, and nothing that would tell of room: others have their turn.
          if (error.code !== 'EAGAIN') throw error
          await new Promise(setImmediate)
        }
      }
    },
    leave: () => socket.close(),
  }
}

exports.join = (trial) => (trial.role === 'publisher' ? joinPublisher(trial) : joinSubscriber(trial))

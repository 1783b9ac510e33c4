'use strict'

// node-ipc: every subscriber serves a unix socket, publishers connect to all and emit.

const { default: ipc } = require('node-ipc')

const idOf = (index) => `s${index}`

function configured({ folder }) {
  ipc.config.silent = true
  ipc.config.socketRoot = `${folder}/`
  ipc.config.appspace = ''
}

async function joinSubscriber(trial) {
  configured(trial)
  ipc.config.id = idOf(trial.index)
  const listeners = new Map()
  await new Promise((resolve) => {
    ipc.serve(() => {
      ipc.server.on('message', ({ topic, message }) => listeners.get(topic)?.(message))
      resolve()
    })
    ipc.server.start()
  })
  return {
    subscribe: (topic, listener) => listeners.set(topic, listener),
    leave: () => ipc.server.stop(),
  }
}

async function joinPublisher(trial) {
  configured(trial)
  const ids = Array.from({ length: trial.subscribers }, (_, index) => idOf(index))
  await Promise.all(
    ids.map((id) => new Promise((resolve) => ipc.connectTo(id, () => ipc.of[id].on('connect', resolve)))),
  )
  return {
    publish(topic, message) {
      let rooms
      for (const id of ids) {
        ipc.of[id].emit('message', { topic, message })
        const { socket } = ipc.of[id]
        if (!socket.writableNeedDrain) continue
        rooms ??= []
        rooms.push(new Promise((resolve) => socket.once('drain', resolve)))
      }
      return rooms && Promise.all(rooms)
    },
    leave() {
      for (const id of ids) ipc.disconnect(id)
    },
  }
}

exports.join = (trial) => (trial.role === 'publisher' ? joinPublisher(trial) : joinSubscriber(trial))

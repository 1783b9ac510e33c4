'use strict'

// node-ipc: every subscriber serves a unix socket, publishers connect to all, learn what each wants, and emit.

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
      ipc.server.on('connect', (socket) => ipc.server.emit(socket, 'wants', [...listeners.keys()]))
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
  const join = (index) =>
    new Promise((resolve) => {
      const id = idOf(index)
      ipc.connectTo(id, () => ipc.of[id].on('wants', (topics) => resolve({ id, topics: new Set(topics) })))
    })
  const peers = await Promise.all(trial.to.map(join))
  return {
    publish(topic, message) {
      let rooms
      for (const { id, topics } of peers) {
        if (!topics.has(topic)) continue
        ipc.of[id].emit('message', { topic, message })
        const { socket } = ipc.of[id]
        if (!socket.writableNeedDrain) continue
        rooms ??= []
        rooms.push(new Promise((resolve) => socket.once('drain', resolve)))
      }
      return rooms && Promise.all(rooms)
    },
    leave() {
      for (const { id } of peers) ipc.disconnect(id)
    },
  }
}

exports.join = (trial) => (trial.role === 'publisher' ? joinPublisher(trial) : joinSubscriber(trial))

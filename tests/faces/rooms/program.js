'use strict'

// The program that is run by the official implementation and by ours: a WebSocket server whose clients say what is to be done with
// them, as JSON. That it was done they are told by a pong, in which stands what came before it.

function serve(server, rooms) {
  const commands = {
    join: (socket, { room }) => rooms.join(room, socket),
    leave: (socket, { room }) => rooms.leave(room, socket),
    leaveAll: (socket) => rooms.leaveAll(socket),
    publish(socket, { room, text, bytes, exceptMe }) {
      const data = bytes === undefined ? text : Buffer.from(bytes, 'base64')
      rooms.publish(room, data, exceptMe ? { except: socket } : {})
    },
  }
  server.on('connection', (socket) => {
    socket.on('message', (data) => {
      const command = JSON.parse(data)
      commands[command.do](socket, command)
      socket.pong()
    })
    socket.on('close', () => rooms.leaveAll(socket))
  })
}

/** Rooms as one writes them for a single process: `ws` has no rooms; its documentation shows this loop. */
class ClientsOfOneServer {
  #server

  constructor(server) {
    this.#server = server
  }

  join(room, socket) {
    socket.rooms ??= new Set()
    socket.rooms.add(room)
  }

  leave(room, socket) {
    socket.rooms?.delete(room)
  }

  leaveAll(socket) {
    socket.rooms?.clear()
  }

  publish(room, data, { except }) {
    for (const client of this.#server.clients)
      if (client !== except && client.readyState === client.OPEN && client.rooms?.has(room)) client.send(data)
  }
}

/** In a child: serves until it is ended, and says on which port. */
async function main({ say }, options) {
  const { WebSocketServer } = require('ws')
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  if (options === undefined) serve(server, new ClientsOfOneServer(server))
  else {
    const { Rooms } = require('slabcast/rooms')
    serve(server, new Rooms({ bus: require('slabcast').open(options) }))
  }
  await new Promise((resolve) => server.once('listening', resolve))
  await say(server.address().port)
}

module.exports = { main }

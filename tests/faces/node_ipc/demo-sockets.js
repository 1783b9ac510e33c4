// The WebSocket server of a worker of demo.js.

const WebSocket = require('ws')
const backend = require('slabcast/node_ipc') // it was: @wooddeep/node_ipc

class WsServer {
  constructor(emitter) {
    this.sockets = new Map()
    emitter.on('peer', (data) => {
      this.sockets.forEach((_, socket) => {
        socket.send(data)
      })
    })
  }

  async onMessage(message) {
    const data = JSON.parse(message.toString())
    // Texts of texts, as the demo sends them.
    await backend.testShmWrite(JSON.stringify(JSON.stringify(data)))
  }

  onConnect(socket) {
    socket.on('message', (message) => this.onMessage(message))
    socket.on('close', () => this.sockets.delete(socket))
    socket.on('error', () => this.sockets.delete(socket))
    this.sockets.set(socket, true)
  }

  start() {
    this.server = new WebSocket.Server({ port: 0, host: '127.0.0.1', path: '/test' })
    this.server.on('connection', (socket) => this.onConnect(socket))
  }
}

module.exports = WsServer

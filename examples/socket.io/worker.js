'use strict'

// One worker: a Socket.IO server as any, but for the adapter.

const fs = require('node:fs')
const http = require('node:http')
const path = require('node:path')
const { Server } = require('socket.io')
const { createAdapter } = require('slabcast/socket.io')

const [port] = process.argv.slice(2)
const page = fs.readFileSync(path.join(__dirname, 'page.html'))

const server = http.createServer((_request, response) => {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(page)
})

const io = new Server(server, {
  adapter: createAdapter(),
  // A client whose connection breaks goes on where it was, whichever worker it comes to.
  connectionStateRecovery: { maxDisconnectionDuration: 2 * 60 * 1000 },
  // Long polling would need each request of a client to come to the same worker.
  transports: ['websocket'],
})

io.on('connection', (socket) => {
  socket.emit('welcome', { worker: process.pid, recovered: socket.recovered })

  socket.on('enter', (room, name, done) => {
    socket.data.name = `${name}`.slice(0, 32)
    socket.join(`room ${room}`)
    done?.()
  })

  socket.on('say', (room, text) => {
    io.to(`room ${room}`).emit('said', {
      room,
      text: `${text}`.slice(0, 1000),
      name: socket.data.name,
      worker: process.pid,
    })
  })

  // Those of all workers.
  socket.on('who', async (room, answer) => {
    const sockets = await io.in(`room ${room}`).fetchSockets()
    answer?.(sockets.map(({ data }) => data.name))
  })
})

server.listen({ port: Number(port), host: '127.0.0.1' })

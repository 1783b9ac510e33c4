'use strict'

// Rooms over cluster workers: `ws://localhost:3000/any/room` is in a room, what one says there the others get, on whatever
// worker they are; `curl --data hello http://localhost:3000/any/room` speaks to all of them without being there.
//
//     node examples/rooms [--port 3000] [--workers 3]

const cluster = require('node:cluster')
const http = require('node:http')
const { text } = require('node:stream/consumers')
const { parseArgs } = require('node:util')

if (cluster.isPrimary) main()
else serve(Number(process.env.ROOMS_PORT))

function main() {
  const number = (value) => ({ type: 'string', default: value })
  const { values } = parseArgs({ options: { port: number('3000'), workers: number('3') } })
  const fork = () => cluster.fork({ ROOMS_PORT: values.port })
  let starting = Number(values.workers)
  for (let i = 0; i < values.workers; i++) fork()
  cluster.on('listening', (_worker, { port }) => {
    if (--starting === 0) console.log(`slabcast rooms: http://localhost:${port}`)
  })
  // One that was killed has a successor; one that failed would fail again.
  cluster.on('exit', (_worker, code) => (code ? process.exit(code) : fork()))
}

function serve(port) {
  const ipc = require('slabcast')
  const { Rooms } = require('slabcast/rooms')
  const { WebSocketServer } = require('ws')
  const rooms = new Rooms()

  const web = http.createServer(async (request, response) => {
    try {
      rooms.publish(request.url, await text(request))
      response.end()
    } catch (error) {
      response.writeHead(503).end(error.message)
    }
  })
  const sockets = new WebSocketServer({ server: web, maxPayload: 64 * 1024 })
  sockets.on('connection', (socket, { url: room }) => {
    rooms.join(room, socket)
    socket.on('message', (data, isBinary) => {
      const taken = rooms.publish(room, isBinary ? data : data.toString(), { except: socket })
      if (!taken) for (const client of sockets.clients) client.pause() // the bus is full: read no more until 'drain'
    })
    socket.on('close', () => rooms.leaveAll(socket))
    socket.on('error', () => {}) // 'close' follows
    socket.send(`you are with worker ${process.pid}`)
  })
  ipc.on('drain', () => {
    for (const client of sockets.clients) client.resume()
  })

  web.listen({ host: '127.0.0.1', port })
}

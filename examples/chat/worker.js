'use strict'

// One worker of the chat: HTTP, WebSockets and the rooms its own clients are in. What has to reach people on other
// workers goes through `ipc.publish` and comes back through `ipc.subscribe`; there is no other way between workers.

const http = require('node:http')
const ipc = require('slabcast')
const { WebSocketServer } = require('ws')
const { Refusal, parse, sameOrigin } = require('./input')
const presence = require('./presence')
const page = require('./static')

const MAX_UNSENT = 1024 * 1024 // bytes waiting for one client; who reads slower than that is cut off and comes back
const rooms = new Map() // room -> { sockets, subscription }, only those that somebody here is in

// ---- rooms: subscribed while somebody here is in them

function join(socket, room) {
  if (!rooms.has(room)) rooms.set(room, openRoom(room))
  rooms.get(room).sockets.add(socket)
}

function openRoom(room) {
  const sockets = new Set()
  const subscription = ipc.subscribe(room, (message, meta) => {
    const { sequence, timestamp, publisher } = meta
    send(sockets, { ...message, type: 'message', room, sequence, timestamp, from: publisher.pid, via: process.pid })
  })
  return { sockets, subscription }
}

function leave(socket, room) {
  if (!rooms.has(room)) return
  const { sockets, subscription } = rooms.get(room)
  sockets.delete(socket)
  if (sockets.size > 0) return
  subscription.unsubscribe()
  rooms.delete(room)
}

// ---- what clients ask for

const requests = {
  enter({ socket, person }, { room, name }) {
    if (room !== person.room) {
      leave(socket, person.room)
      join(socket, room)
    }
    Object.assign(person, { room, name })
    presence.enter(person)
  },

  say({ person }, { text }) {
    if (!person.room) throw new Refusal('enter a room first')
    const taken = ipc.publish(person.room, { id: person.id, name: person.name, text })
    if (!taken) for (const client of server.clients) client.pause() // the bus is full: read no more until 'drain'
  },

  // For the demo only: whoever is here may kill any worker, to see what happens.
  kill(_client, { pid }) {
    if (!presence.knows(pid)) throw new Refusal(`there is no worker ${pid}`)
    ipc.publish(`worker:${pid}`, 'die')
  },
}

ipc.subscribe(`worker:${process.pid}`, () => process.kill(process.pid, 'SIGKILL'))

ipc.on('drain', () => {
  for (const client of server.clients) client.resume()
})

ipc.on('gap', ({ topic, lost }) => {
  if (rooms.has(topic)) send(rooms.get(topic).sockets, { type: 'gap', room: topic, lost })
})

// ---- clients

let count = 0

function onConnection(socket) {
  const person = { id: `${process.pid}-${++count}`, room: null, name: null }
  socket.on('message', (data, isBinary) => {
    try {
      const request = parse(data, isBinary)
      requests[request.type]({ socket, person }, request)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      send([socket], { type: 'refused', reason: error.message })
    }
  })
  socket.on('error', () => {}) // a broken frame or connection: 'close' follows
  socket.on('close', () => {
    leave(socket, person.room)
    presence.leave(person)
  })
  send([socket], { type: 'welcome', id: person.id, pid: process.pid, ...presence.everybody() })
}

function send(sockets, data) {
  const text = JSON.stringify(data)
  for (const socket of sockets) {
    if (socket.bufferedAmount > MAX_UNSENT) socket.terminate()
    else socket.send(text)
  }
}

const web = http.createServer(page)
web.on('connection', (connection) => connection.setKeepAlive(true, 30_000)) // notices a laptop that went away
const server = new WebSocketServer({ server: web, path: '/chat', maxPayload: 16 * 1024, verifyClient: sameOrigin })
server.on('connection', onConnection)
presence.start((event) => send(server.clients, event))
web.listen({ host: process.env.CHAT_HOST, port: Number(process.env.CHAT_PORT) })

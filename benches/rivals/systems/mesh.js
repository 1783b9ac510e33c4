'use strict'

// What one writes by hand when it has to be fast: every worker listens on a unix socket, publishers connect to all of them,
// learn what each wants, and write msgpackr's bytes behind a length, gathered over a turn of the event loop.

const net = require('node:net')
const path = require('node:path')
const { pack, unpack } = require('msgpackr')

const HEADER = 4
const GATHERED = 64 * 1024

/** Hands out each frame of a stream of them. */
function frames(take) {
  let rest
  return (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (bytes.length - at >= HEADER) {
      const end = at + HEADER + bytes.readUInt32LE(at)
      if (end > bytes.length) break
      take(bytes.subarray(at + HEADER, end))
      at = end
    }
    rest = at < bytes.length ? bytes.subarray(at) : undefined
  }
}

function framed(message) {
  const body = pack(message)
  const frame = Buffer.allocUnsafe(HEADER + body.length)
  frame.writeUInt32LE(body.length, 0)
  body.copy(frame, HEADER)
  return frame
}

class Peer {
  #gathered = []
  #length = 0
  #isDue = false
  #room
  topics = new Set()

  constructor(socket) {
    this.socket = socket
  }

  /** Undefined, or a promise of room. */
  write(frame) {
    this.#gathered.push(frame)
    this.#length += frame.length
    if (this.#length >= GATHERED) return this.#flush()
    if (this.#isDue) return undefined
    this.#isDue = true
    setImmediate(() => {
      this.#isDue = false
      this.#flush()
    })
  }

  #flush() {
    if (this.#length === 0) return undefined
    const bytes = this.#gathered.length === 1 ? this.#gathered[0] : Buffer.concat(this.#gathered, this.#length)
    this.#gathered = []
    this.#length = 0
    if (this.socket.write(bytes)) return undefined
    this.#room ??= new Promise((resolve) => {
      this.socket.once('drain', () => {
        this.#room = undefined
        resolve()
      })
    })
    return this.#room
  }
}

/** The same sockets both ways: a request bears a number, and its answer comes back on its connection. */
function joinResponder({ folder, index }) {
  let handler
  const sockets = new Set()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    const peer = new Peer(socket)
    const answer = ([id, message]) => peer.write(framed([id, handler(message)]))
    socket.on(
      'data',
      frames((bytes) => answer(unpack(bytes))),
    )
    socket.on('error', () => {})
  })
  const leave = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  const respond = (_, answers) => {
    handler = answers
  }
  return new Promise((resolve) => server.listen(address(folder, index), () => resolve({ respond, leave })))
}

function joinRequester({ folder, to }) {
  const socket = net.connect(address(folder, to[0]))
  const peer = new Peer(socket)
  const asked = new Map()
  let last = 0
  socket.on(
    'data',
    frames((bytes) => {
      const [id, message] = unpack(bytes)
      asked.get(id)(message)
      asked.delete(id)
    }),
  )
  const request = (_, message) =>
    new Promise((resolve) => {
      asked.set(++last, resolve)
      peer.write(framed([last, message]))
    })
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('connect', () => resolve({ request, leave: () => socket.destroy() }))
  })
}

const address = (folder, index) => path.join(folder, `${index}.sock`)

async function joinSubscriber({ folder, index }) {
  const listeners = new Map()
  const sockets = new Set()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.write(framed([...listeners.keys()]))
    socket.on(
      'data',
      frames((bytes) => {
        const [topic, message] = unpack(bytes)
        listeners.get(topic)?.(message)
      }),
    )
    socket.on('error', () => {})
  })
  await new Promise((resolve) => server.listen(address(folder, index), resolve))
  return {
    subscribe: (topic, listener) => listeners.set(topic, listener),
    leave: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

async function joinPublisher({ folder, to }) {
  const join = (index) =>
    new Promise((resolve, reject) => {
      const peer = new Peer(net.connect(address(folder, index)))
      peer.socket.on('error', reject)
      // Known once it has said what it wants.
      peer.socket.on(
        'data',
        frames((bytes) => {
          peer.topics = new Set(unpack(bytes))
          resolve(peer)
        }),
      )
    })
  const peers = await Promise.all(to.map(join))
  return {
    publish(topic, message) {
      const frame = framed([topic, message])
      let rooms
      for (const peer of peers) {
        if (!peer.topics.has(topic)) continue
        const room = peer.write(frame)
        if (room !== undefined) {
          rooms ??= []
          rooms.push(room)
        }
      }
      return rooms && Promise.all(rooms)
    },
    leave() {
      for (const { socket } of peers) socket.destroy()
    },
  }
}

const JOINS = {
  publisher: joinPublisher,
  subscriber: joinSubscriber,
  requester: joinRequester,
  responder: joinResponder,
}

exports.hasRequests = true

exports.join = (trial) => JOINS[trial.role](trial)

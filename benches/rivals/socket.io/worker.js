'use strict'

// One worker: a Socket.IO server with its adapter and its part of the sockets, which check what they are given.

const { Server } = require('socket.io')
const { adapters } = require('./adapters')
const { small } = require('../messages')

const { system, sockets, workers, ...trial } = JSON.parse(process.env.TRIAL)

/** As a client gets it, before its payload: an event of the root namespace. */
const HEAD = '2["chat",'

class Sockets {
  #count
  #next
  #left = 0
  #seen
  #number
  #done

  constructor(count, done) {
    this.#count = count
    this.#next = new Uint32Array(count)
    this.#done = done
  }

  expect(broadcasts) {
    this.#left += broadcasts * this.#count
  }

  /** Each socket gets each broadcast once, in order, and unchanged. */
  give(at, encoded) {
    if (encoded !== this.#seen) {
      this.#seen = encoded
      this.#number = numberOf(encoded)
    }
    if (this.#number !== this.#next[at]++)
      throw new Error(`socket ${at} got ${this.#number}, not ${this.#next[at] - 1}`)
    if (--this.#left === 0) this.#done()
  }
}

function numberOf([text, ...more]) {
  if (more.length > 0 || !text.startsWith(HEAD)) throw new Error(`unknown packet: ${text.slice(0, 100)}`)
  const [, message] = JSON.parse(text.slice(1))
  if (!small.isWhole(message)) throw new Error(`changed: ${text}`)
  return message.n
}

/** In us, by a clock that all processes of the machine share. */
const now = () => Number(process.hrtime.bigint() / 1000n)

const say = (said) => process.send({ said })
const fail = (error) => process.send({ said: { error: error.stack } })
process.on('uncaughtException', fail)

async function main() {
  const io = new Server({ adapter: await adapters[system].join(trial), serveClient: false })
  const here = sockets / workers
  let gave
  const all = new Sockets(here, () => say({ gave, done: now() }))
  const { adapter } = io.of('/')
  for (let at = 0; at < here; at++) {
    // A socket as a namespace has it, but for its engine: what writes to it is what is given to a connection.
    const id = `${process.pid}.${at}`
    io.of('/').sockets.set(id, { id, client: { writeToEngine: (encoded) => all.give(at, encoded) } })
    adapter.addAll(id, new Set([id, 'room']))
  }
  let number = 0
  const acts = {
    async meet(count) {
      while ((await adapter.serverCount()) !== count) await new Promise((resolve) => setTimeout(resolve, 10))
      say({ met: true })
    },
    cost() {
      const { user, system } = process.cpuUsage()
      say({ cpu: (user + system) / 1e6, memory: process.resourceUsage().maxRSS * 1024 })
    },
    expect(count) {
      all.expect(count)
      say({ expects: count })
    },
    emit(count) {
      gave = now()
      while (count-- > 0) io.emit('chat', small.make(0, number++))
    },
  }
  process.on('message', ({ told }) => {
    for (const [what, value] of Object.entries(told ?? {})) acts[what](value)
  })
  say({ ready: true })
}

main().catch(fail)

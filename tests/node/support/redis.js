'use strict'

// A Redis server of a test's own, and as much of a client as it takes to ask it one thing after the other.

const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const { until } = require('./wait')

/** Starts redis-server, in memory alone, on a socket in a folder of its own; it is ended after the test. */
async function redis(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-'))
  const socket = path.join(folder, 'socket')
  const settings = ['--port', '0', '--unixsocket', socket, '--save', '', '--appendonly', 'no', '--dir', folder]
  const server = spawn('redis-server', settings, { stdio: 'ignore' })
  let failed
  server.on('error', (error) => {
    failed = new Error(`this test asks Redis: install redis-server (.ci/run does) (${error.message})`)
  })
  t.after(async () => {
    if (server.exitCode === null && server.kill()) await once(server, 'exit')
    fs.rmSync(folder, { recursive: true, force: true })
  })
  await until(() => {
    if (failed) throw failed
    if (server.exitCode !== null) throw new Error(`redis-server ended with ${server.exitCode}`)
    return fs.existsSync(socket)
  }, 'redis-server listens')
  // It is there a moment before anybody listens to it.
  let connection
  while (connection === undefined) connection = await connected(socket)
  return new Client(connection, socket)
}

/** A connection; undefined: it is refused, by now. */
async function connected(path) {
  const connection = net.connect(path)
  try {
    await once(connection, 'connect')
    return connection
  } catch {
    return undefined
  }
}

class Client {
  #socket
  #bytes = Buffer.alloc(0)

  /** @param {string} path where others can connect, too */
  constructor(socket, path) {
    this.path = path
    this.#socket = socket
    socket.unref()
  }

  /** The answer to a command: a string, a number, or an array of strings. */
  async ask(...words) {
    const bulk = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    this.#socket.ref().write(`*${words.length}\r\n${bulk.join('')}`)
    const answer = await this.#answer()
    this.#socket.unref()
    return answer
  }

  async #answer() {
    const line = await this.#take(() => this.#bytes.indexOf('\r\n'))
    const rest = line.subarray(1).toString()
    switch (String.fromCharCode(line[0])) {
      case '+':
        return rest
      case ':':
        return Number(rest)
      case '$':
        return (await this.#take(() => (this.#bytes.length < Number(rest) + 2 ? -1 : Number(rest)))).toString()
      case '*': {
        const answers = []
        while (answers.length < Number(rest)) answers.push(await this.#answer())
        return answers
      }
      default:
        throw new Error(`Redis says ${line}`)
    }
  }

  /** The bytes before the line end that `find` finds, once it does. */
  async #take(find) {
    let end = find()
    while (end < 0) {
      const [more] = await once(this.#socket, 'data')
      this.#bytes = Buffer.concat([this.#bytes, more])
      end = find()
    }
    const taken = this.#bytes.subarray(0, end)
    this.#bytes = this.#bytes.subarray(end + 2)
    return taken
  }
}

module.exports = { redis }

'use strict'

// `node examples/socket.io [port]`: rooms of Socket.IO over three workers and one port. The primary forks, and does nothing else: the
// workers find each other, and so does clock.js, which is no Socket.IO server and emits to the clients of all of them.

const { fork } = require('node:child_process')
const cluster = require('node:cluster')
const path = require('node:path')

const WORKERS = 3
const port = Number(process.argv[2] ?? 3000)

cluster.setupPrimary({ exec: path.join(__dirname, 'worker.js'), args: [`${port}`] })
for (let count = 0; count < WORKERS; count++) cluster.fork()
cluster.on('exit', ({ process: { pid } }, code, signal) => {
  // One that failed would fail again.
  if (code) process.exit(code)
  console.error(`worker ${pid} ended (${signal ?? code}): another takes its place`)
  cluster.fork()
})

let listening = 0
cluster.on('listening', (_worker, { port }) => {
  if (++listening === WORKERS) console.log(`http://localhost:${port}`)
})

fork(path.join(__dirname, 'clock.js'))

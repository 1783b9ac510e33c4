'use strict'

// aedes in cluster workers: `node brokers.js <kind of emitter> <workers> <its settings, JSON>`. Each worker listens on a port of its own, so that a
// test chooses. The primary says { pid, port } of each on its output, and passes on what it reads: a line with a pid closes that worker's
// broker.

const cluster = require('node:cluster')
const net = require('node:net')
const { createInterface } = require('node:readline')
const { emitterOf } = require('./parties')

const [, , kind, workers, settings] = process.argv

if (cluster.isPrimary) lead()
else serve()

function lead() {
  for (let worker = 0; worker < Number(workers); worker++) cluster.fork()
  const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`)
  cluster.on('message', (_, said) => say(said))
  cluster.on('exit', ({ process: { pid } }, code, signal) => say({ ended: pid, code, signal }))
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (pid) => {
    for (const worker of Object.values(cluster.workers)) if (worker.process.pid === Number(pid)) worker.send('close')
  })
  lines.on('close', () => process.exit())
}

async function serve() {
  const { Aedes } = await import('aedes')
  const mq = emitterOf(kind, JSON.parse(settings))
  const broker = await Aedes.createBroker({ mq })
  const server = net.createServer(broker.handle)
  server.listen({ port: 0, host: '127.0.0.1', exclusive: true }, () =>
    process.send({ pid: process.pid, port: server.address().port }),
  )
  process.once('message', () => {
    server.close()
    // Nothing but the broker and its emitter is to keep this process.
    broker.close(() => process.disconnect())
  })
}

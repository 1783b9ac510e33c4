'use strict'

// An MQTT broker on all cores: aedes in each worker of a cluster, all on one port. Which worker a client comes to does not matter: the
// emitter brings what is published at one to those who subscribe at another. The primary forks and replaces the dead.

const cluster = require('node:cluster')
const net = require('node:net')
const os = require('node:os')
const { parseArgs } = require('node:util')

const HOST = '127.0.0.1'

if (cluster.isPrimary) lead()
else serve()

function lead() {
  const text = { type: 'string' }
  const { values } = parseArgs({ options: { port: text, workers: text } })
  const env = { MQTT_PORT: values.port ?? '1883' }
  const workers = Number(values.workers ?? Math.max(2, os.availableParallelism()))

  for (let started = 0; started < workers; started++) cluster.fork(env)
  cluster.on('listening', ({ process: { pid } }, { port }) => console.log(`broker ${pid}: mqtt://${HOST}:${port}`))
  cluster.on('exit', ({ process: { pid } }, code, signal) => {
    // One that failed would fail again.
    if (code) process.exit(code)
    console.error(`broker ${pid} died (${signal ?? `code ${code}`}), next now`)
    cluster.fork(env)
  })
}

async function serve() {
  const { Aedes } = await import('aedes')
  const mqemitter = require('slabcast/mqemitter')
  // As many messages at once as aedes has by itself.
  const broker = await Aedes.createBroker({ mq: mqemitter({ concurrency: 100 }) })

  const server = net.createServer(broker.handle)
  server.listen({ port: Number(process.env.MQTT_PORT), host: HOST })

  // Which of them a client has come to, for whoever wonders.
  broker.on('clientReady', (client) =>
    broker.publish({ topic: `brokers/${process.pid}`, payload: `has ${client.id}` }, (error) => {
      if (error) console.error(error)
    }),
  )
}

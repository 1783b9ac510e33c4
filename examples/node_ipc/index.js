'use strict'

// A cluster whose workers serve HTTP and WebSockets. What a client says its worker passes to the other workers, and they to their
// clients; the primary relays nothing. It replaces a worker that dies by one of the same index.

const cluster = require('node:cluster')
const { parseArgs } = require('node:util')
const backend = require('slabcast/node_ipc')
const { serve } = require('./server')

const USAGE = `usage: node examples/node_ipc [--port 5050] [--workers 2]

  --port     0 to 65535, on 127.0.0.1; 0 is any free one
  --workers  1 to 64`

const { port, workers } = readOptions()
if (cluster.isPrimary) startWorkers()
else serve({ port, workers, index: Number(process.env.WORKER_INDEX) }).catch(fail)

function startWorkers() {
  cluster.schedulingPolicy = cluster.SCHED_RR // each new connection goes to the next worker
  backend.masterInit(workers).catch(fail) // the workers need not wait for it
  for (let index = 0; index < workers; index++) start(index)

  let starting = workers
  cluster.on('listening', (_worker, address) => {
    if (--starting === 0) console.log(`node_ipc chat: http://127.0.0.1:${address.port}  (${workers} workers)`)
  })
}

function start(index) {
  const worker = cluster.fork({ WORKER_INDEX: index })
  let hasListened = false
  worker.once('listening', () => {
    hasListened = true
  })
  worker.once('exit', (code, signal) => {
    const how = `worker ${index} (${worker.process.pid}) ended: ${signal ?? `code ${code}`}`
    if (!hasListened) return fail(new Error(how))
    console.error(how)
    start(index)
  })
}

function readOptions() {
  try {
    const text = { type: 'string' }
    const { values } = parseArgs({ options: { port: text, workers: text } })
    return {
      port: readNumber('--port', values.port ?? '5050', 0, 65535),
      workers: readNumber('--workers', values.workers ?? '2', 1, 64),
    }
  } catch (error) {
    return fail(new Error(`${error.message}\n\n${USAGE}`))
  }
}

function readNumber(name, value, min, max) {
  const number = /^\d{1,5}$/.test(value) ? Number(value) : NaN
  if (number >= min && number <= max) return number
  throw new TypeError(`${name} takes a whole number from ${min} to ${max}, not '${value}'`)
}

function fail(error) {
  console.error(`node_ipc chat: ${error.message}`)
  process.exit(1)
}

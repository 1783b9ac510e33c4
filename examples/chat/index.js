'use strict'

// The primary of the chat: forks the workers and replaces those that die. It relays no message and does not load
// slabcast; the workers find each other by themselves.

const cluster = require('node:cluster')
const { once } = require('node:events')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { parseArgs } = require('node:util')

const USAGE = `usage: node examples/chat [--port 3000] [--host 127.0.0.1] [--workers ${defaultWorkers()}]

  --port     0 to 65535; 0 is any free one. Without it: 3000, or the next free one
  --host     the address to listen on; 0.0.0.0 lets the network in
  --workers  1 to 64; without it as many as there are cores, at least 3`

const AT_ONCE = 1000 // ms: a worker that listened for less than this died at once, and its successor waits
const FIRST_WAIT = 100 // ms, doubled each time
const LONGEST_WAIT = 5000 // ms

main().catch(fail)

async function main() {
  const options = readOptions()
  if (options.help) return console.log(USAGE)
  const { host } = options
  const port = await findPort(host, options.port)

  cluster.schedulingPolicy = cluster.SCHED_RR // each new connection goes to the next worker
  cluster.setupPrimary({ exec: path.join(__dirname, 'worker.js'), args: [] })
  let starting = options.workers
  for (let i = 0; i < options.workers; i++) keepAlive({ host, port, onFirstListening })

  function onFirstListening() {
    if (--starting > 0) return
    console.log(`slabcast chat: ${address(host, port)}  (${options.workers} worker${options.workers === 1 ? '' : 's'})`)
  }
}

// One worker and, when it dies, its successor, and so on. A successor learns from its environment whom it replaces;
// those that died before they listened are handed on, as nobody was told of them.
function keepAlive({ host, port, onFirstListening }) {
  let everListened = false
  fork([], FIRST_WAIT)

  function fork(replaces, wait) {
    const worker = cluster.fork({ CHAT_HOST: host, CHAT_PORT: port, CHAT_REPLACES: replaces.join() })
    let listensSince = null

    worker.once('listening', () => {
      listensSince = performance.now()
      if (!everListened) onFirstListening()
      everListened = true
    })
    worker.once('exit', (code, signal) => {
      const { pid } = worker.process
      if (!everListened) return fail(new Error(`worker ${pid} ended before it listened (${signal ?? `code ${code}`})`))
      const atOnce = listensSince === null || performance.now() - listensSince < AT_ONCE
      console.error(`worker ${pid} died (${signal ?? `code ${code}`}), ${atOnce ? `next in ${wait} ms` : 'next now'}`)
      const next = listensSince === null ? [...replaces, pid] : [pid]
      if (atOnce) setTimeout(fork, wait, next, Math.min(wait * 2, LONGEST_WAIT))
      else fork(next, FIRST_WAIT)
    })
  }
}

function defaultWorkers() {
  return Math.max(3, Math.min(64, os.availableParallelism()))
}

function readOptions() {
  const text = { type: 'string' }
  const { values } = parseArgs({
    options: { port: text, host: text, workers: text, help: { type: 'boolean', short: 'h' } },
  })
  return {
    help: values.help,
    host: values.host ?? '127.0.0.1',
    port: values.port === undefined ? undefined : readNumber('--port', values.port, 0, 65535),
    workers: values.workers === undefined ? defaultWorkers() : readNumber('--workers', values.workers, 1, 64),
  }
}

function readNumber(name, value, min, max) {
  const number = /^\d{1,5}$/.test(value) ? Number(value) : NaN
  if (number >= min && number <= max) return number
  throw new TypeError(`${name} takes a whole number from ${min} to ${max}, not '${value}'`)
}

// The port is settled here, so that all workers share one, also those that come later.
async function findPort(host, wanted) {
  for (let port = wanted ?? 3000; ; port++) {
    const probe = net.createServer().listen({ port, host })
    try {
      await once(probe, 'listening')
    } catch (error) {
      if (error.code === 'EADDRINUSE' && wanted === undefined && port < 65535) continue
      if (error.code === 'EADDRINUSE') throw new Error(`port ${port} is taken; choose another with --port`)
      throw new Error(`cannot listen on ${host}, port ${port} (${error.code}); choose another --host or --port`)
    }
    const found = probe.address().port
    probe.close()
    await once(probe, 'close')
    return found
  }
}

function address(host, port) {
  const local = ['127.0.0.1', '::1', '0.0.0.0', '::'].includes(host)
  const name = local ? 'localhost' : net.isIPv6(host) ? `[${host}]` : host
  return `http://${name}:${port}`
}

function fail(error) {
  const usage = error instanceof TypeError ? `\n\n${USAGE}` : ''
  console.error(`slabcast chat: ${error.message}${usage}`)
  process.exit(1)
}

'use strict'

// One emitter over cluster workers: whoever has `http://localhost:3000` open is shown what is said to any worker by
// `curl --data hello http://localhost:3000`.
//
//     node examples/events [--port 3000] [--workers 3]

const cluster = require('node:cluster')
const http = require('node:http')
const { text } = require('node:stream/consumers')
const { parseArgs } = require('node:util')

if (cluster.isPrimary) main()
else serve(Number(process.env.EVENTS_PORT))

function main() {
  const number = (value) => ({ type: 'string', default: value })
  const { values } = parseArgs({ options: { port: number('3000'), workers: number('3') } })
  const fork = () => cluster.fork({ EVENTS_PORT: values.port })
  let starting = Number(values.workers)
  for (let i = 0; i < values.workers; i++) fork()
  cluster.on('listening', (_worker, { port }) => {
    if (--starting === 0) console.log(`slabcast events: http://localhost:${port}`)
  })
  // One that was killed has a successor; one that failed would fail again.
  cluster.on('exit', (_worker, code) => (code ? process.exit(code) : fork()))
}

function serve(port) {
  const { BusEmitter } = require('slabcast/events')
  const emitter = new BusEmitter({ name: 'talk' })
  emitter.setMaxListeners(0)

  // Server-sent events: an EventSource reads them, or `curl --no-buffer`.
  function listen(response) {
    const show = (message) => response.write(`data: ${JSON.stringify(message)}\n\n`)
    emitter.on('said', show)
    response.on('close', () => emitter.off('said', show))
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', Worker: process.pid })
    response.flushHeaders()
  }

  async function say(request, response) {
    try {
      emitter.emit('said', { text: await text(request), worker: process.pid })
      response.writeHead(204).end()
    } catch (error) {
      response.writeHead(503).end(error.message)
    }
  }

  const server = http.createServer((request, response) =>
    request.method === 'POST' ? say(request, response) : listen(response),
  )
  server.listen({ host: '127.0.0.1', port })
}

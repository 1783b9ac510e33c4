'use strict'

// One worker: a WebSocket server whose clients talk to those of all workers, and routes that call node_ipc by hand.

const http = require('node:http')
const Router = require('@koa/router')
const Koa = require('koa')
const backend = require('slabcast/node_ipc')
const { WebSocketServer } = require('ws')

const MAX_MESSAGE = 64 * 1024 // bytes
const MAX_UNSENT = 1024 * 1024 // bytes waiting for one client; who reads slower than that is cut off

async function serve({ port, workers, index }) {
  await backend.workerInit(workers, index)
  const who = `${index}; pid=${process.pid}`
  const server = http.createServer(routes(who).callback())
  const sockets = new WebSocketServer({ server, path: '/test', maxPayload: MAX_MESSAGE, verifyClient: sameOrigin })
  sockets.on('headers', (headers) => headers.push(`X-Worker: ${who}`))

  // Arrays of messages, as JSON: what came from other workers is passed on as it is.
  const tell = (data, but) => {
    for (const socket of sockets.clients) {
      if (socket === but) continue
      if (socket.bufferedAmount > MAX_UNSENT) socket.terminate()
      else socket.send(data)
    }
  }
  // Before anybody is connected here, what comes waits for GET /read.
  sockets.once('connection', () => backend.callSafeFunc((data) => tell(data)))

  sockets.on('connection', (socket) => {
    socket.on('error', () => {}) // a broken frame or connection: 'close' follows
    socket.on('message', async (data) => {
      const message = json(data)
      if (message === undefined) return socket.close(1007, 'messages are JSON')
      tell(`[${message}]`, socket)
      try {
        await backend.testShmWrite(message)
      } catch (error) {
        socket.close(1013, error.code) // the bus is full: try again later
      }
    })
  })
  server.listen(port, '127.0.0.1')
}

function routes(who) {
  const router = new Router()
  router.get('/require', async (ctx) => {
    await backend.testSemaRequire()
    ctx.body = 'testSemaRequire response'
  })
  router.get('/release', async (ctx) => {
    await backend.testSemaRelease()
    ctx.body = 'testSemaRelease response'
  })
  router.get('/read', (ctx) => {
    ctx.body = backend.testShmRead()
    ctx.type = 'json'
  })
  router.post('/write', async (ctx) => {
    const body = await read(ctx.req)
    const message = body && json(body)
    if (message === undefined) {
      ctx.status = body ? 400 : 413
      ctx.body = `the body is JSON of at most ${MAX_MESSAGE} bytes`
      return
    }
    await backend.testShmWrite(message)
    ctx.body = 'testShmWrite response'
  })
  return new Koa()
    .use((ctx, next) => {
      ctx.set('X-Worker', who)
      return next()
    })
    .use(router.routes())
    .use(router.allowedMethods())
}

/** What a request brings; undefined: too much. It is read to its end, so that whoever sends it can read the answer. */
async function read(request) {
  const parts = []
  let length = 0
  for await (const part of request) {
    length += part.length
    if (length <= MAX_MESSAGE) parts.push(part)
  }
  return length <= MAX_MESSAGE ? Buffer.concat(parts) : undefined
}

/** As it is to stand among others; undefined: it is none. */
function json(data) {
  try {
    return JSON.stringify(JSON.parse(data))
  } catch {
    return undefined
  }
}

// A page from elsewhere must not speak here in its visitor's name; what is not a browser sends no origin.
function sameOrigin({ origin, req }) {
  return origin === undefined || origin.replace(/^https?:\/\//, '') === req.headers.host
}

module.exports = { serve }

// A program of the shape of the demo that was published with node_ipc, of which only the module's name was changed. `DEMO_READS` says
// in which of the ways that were ever shown a worker reads. It is written as such programs are: nothing is awaited in the primary,
// nothing is caught, and processExit is called from wherever it may be.

const cluster = require('node:cluster')
const events = require('node:events')
const Koa = require('koa')
const Router = require('@koa/router')
const backend = require('slabcast/node_ipc') // it was: @wooddeep/node_ipc
const WsServer = require('./demo-sockets')

const workerCount = 2

process.on('SIGINT', () => {
  backend.processExit()
  process.exit()
})

process.on('beforeExit', () => backend.processExit())

const app = new Koa()
const router = new Router()
router.get('/require', async (ctx) => {
  await backend.testSemaRequire()
  ctx.body = 'testSemaRequire response'
})
router.get('/release', async (ctx) => {
  await backend.testSemaRelease()
  ctx.body = 'testSemaRelease response'
})
app.use(router.routes()).use(router.allowedMethods())

const ways = {
  // The callback is only a sign: it reads by itself.
  sign: (emitter) =>
    backend.callSafeFunc(async () => {
      const data = await backend.testShmRead()
      if (data.length > 2) emitter.emit('peer', data)
    }),
  argument: (emitter) =>
    backend.callSafeFunc(async (data) => {
      if (data.length > 2) emitter.emit('peer', data)
    }),
  // Asked for over and over.
  promise: (emitter) => {
    const subscribe = (callback) => {
      backend.callNodeFunc().then((number) => {
        callback(number)
        subscribe(callback)
      })
    }
    subscribe(async () => {
      const data = await backend.testShmRead()
      if (data.length > 2) emitter.emit('peer', data)
    })
  },
}

if (cluster.isMaster) {
  cluster.schedulingPolicy = cluster.SCHED_RR
  backend.masterInit(workerCount)

  const children = new Map()
  const start = (index) => {
    const child = cluster.fork({ WORKER_INDEX: index })
    children.set(child.process.pid, index)
    child.on('listening', ({ port }) => console.log(JSON.stringify({ index, pid: child.process.pid, port })))
  }
  for (let i = 0; i < workerCount; i++) start(i)
  cluster.on('exit', (worker) => {
    const index = children.get(worker.process.pid)
    children.delete(worker.process.pid)
    start(index)
  })
} else {
  backend.workerInit(workerCount, Number.parseInt(process.env.WORKER_INDEX, 10))
  const emitter = new events.EventEmitter()
  ways[process.env.DEMO_READS](emitter)
  new WsServer(emitter).start()
}

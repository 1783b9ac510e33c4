'use strict'

// slabcast/socket.io around the servers: emitters elsewhere, several servers in one process, what cannot be sent, the end.

const assert = require('node:assert/strict')
const { createServer } = require('node:http')
const { once } = require('node:events')
const test = require('node:test')
const { Server } = require('socket.io')
const { createAdapter, Emitter } = require('slabcast/socket.io')
const { openBus, uniqueName } = require('../node/support/bus')
const { run, runWith } = require('../node/support/process')
const { until } = require('../node/support/wait')
const { connect, got, start } = require('./socket.io/cluster')

/** A server in this process. */
async function serve(t, bus, options) {
  const http = createServer()
  const io = new Server(http, { adapter: createAdapter({ bus }), ...options })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  t.after(() => io.close())
  return { io, url: `http://127.0.0.1:${http.address().port}` }
}

/** Waits until a server of this process knows of so many. */
async function counts(io, count) {
  let found
  const look = async () => {
    found = await io.of('/').adapter.serverCount()
  }
  await until(() => look() && found === count, `there are ${count} servers`)
}

test('an emitter in a process that is no server: to all, to rooms, not to some, bytes, to a namespace', async (t) => {
  const { bus, workers } = await start(t, 'slabcast')
  for (const worker of workers) await worker.do(({ io }) => void io.of('/chat'))
  const clients = await Promise.all(workers.map((worker) => connect(t, worker)))
  const chatting = await connect(t, workers[1], { nsp: '/chat' })
  const emitter = runWith(
    t,
    { env: { SLABCAST_BUS: bus } },
    ({ say }, id) => {
      const { Emitter } = require('slabcast/socket.io')
      const emitter = new Emitter()
      const taken = [
        emitter.emit('all', 1, { two: Buffer.from('2') }),
        emitter.in(id).socketsJoin(['a', 'b']),
        emitter.to('a').emit('to a'),
        emitter.in(['a', 'c']).except('b').emit('not b'),
        emitter.except('a').compress(true).emit('others'),
        emitter.of('chat').emit('chat'),
        emitter.of('/chat').emit('chat again'),
        new Emitter({}, 'chat').emit('and again'),
        emitter.socketsLeave('a'),
        emitter.to('a').emit('nobody'),
        emitter.to('b').emit('b'),
      ]
      say(taken)
    },
    clients[0].id,
  )
  assert.deepEqual(await emitter.hear(), Array(11).fill(true))
  await got([
    [clients[0], [['all', 1, { two: Buffer.from('2') }], ['to a'], ['b']]],
    [clients[1], [['all', 1, { two: Buffer.from('2') }], ['others']]],
    [clients[2], [['all', 1, { two: Buffer.from('2') }], ['others']]],
    [chatting, [['chat'], ['chat again'], ['and again']]],
  ])
  // It only publishes: nothing holds it.
  assert.deepEqual(await emitter.end(), { code: 0, signal: null })
})

test('an emitter emits to the servers themselves, and disconnects sockets', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const { io, url } = await serve(t, bus)
  const client = await connect(t, { url })
  const heard = []
  io.on('news', (...args) => heard.push(args))
  const emitter = new Emitter({ bus })
  emitter.serverSideEmit('news', 1, 'two')
  await until(() => heard.length > 0)
  assert.deepEqual(heard, [[1, 'two']])
  // May be lost where the client is busy.
  await until(() => emitter.volatile.emit('maybe') && client.got.some(([event]) => event === 'maybe'))
  emitter.in(client.id).disconnectSockets(true)
  await until(() => !client.connected, 'it is disconnected')
})

test('what is emitted by an emitter is recovered like what a server emits', async (t) => {
  const bus = openBus(t)
  const { io, url } = await serve(t, bus, { connectionStateRecovery: {} })
  const client = await connect(t, { url })
  io.emit('welcome')
  await until(() => client.got.length > 0)
  client.io.engine.close()
  await until(() => io.sockets.sockets.size === 0)
  new Emitter({ bus }).emit('missed')
  client.connect()
  await until(() => client.got.length > 1)
  assert.equal(client.recovered, true)
  assert.equal(client.got[1][0], 'missed')
})

test('servers in one process know each other, and an offset is put into a packet once', async (t) => {
  const bus = openBus(t)
  const options = { connectionStateRecovery: {} }
  const servers = [await serve(t, bus, options), await serve(t, bus, options), await serve(t, bus, options)]
  for (const { io } of servers) await counts(io, 3)
  const clients = await Promise.all(servers.map((server) => connect(t, server)))
  servers[0].io.emit('all', 1)
  for (const { got } of clients) await until(() => got.length > 0)
  for (const { got } of clients) {
    const [[event, one, offset, ...more]] = got
    assert.deepEqual([event, one, more], ['all', 1, []])
    assert.match(offset, /^\d+$/)
  }
  assert.equal((await servers[1].io.fetchSockets()).length, 3)
  assert.equal((await servers[2].io.timeout(60_000).emitWithAck('ask')).length, 3)
})

test('what a parent namespace emits reaches the clients of all its children, with one offset', async (t) => {
  const bus = openBus(t)
  const { io, url } = await serve(t, bus, { connectionStateRecovery: {} })
  const parent = io.of(/^\/child-\d$/)
  const clients = await Promise.all([
    connect(t, { url }, { nsp: '/child-1' }),
    connect(t, { url }, { nsp: '/child-2' }),
  ])
  // As `parent.emit` does not, this gives all of them the same packet.
  parent.except('nobody').emit('all')
  for (const { got } of clients) await until(() => got.length > 0)
  for (const { got } of clients) assert.equal(got[0].length, 2)
})

test('what JSON leaves out is left out: functions, and all that goes with them as JSON', async (t) => {
  const bus = openBus(t)
  const servers = [await serve(t, bus), await serve(t, bus)]
  const clients = await Promise.all(servers.map((server) => connect(t, server)))
  await counts(servers[0].io, 2)
  servers[0].io.emit('odd', { kept: 1, left: () => {} }, '\udc00')
  await got(clients.map((client) => [client, [['odd', { kept: 1 }, '\udc00']]]))
  servers[0].io.on('odd', (_value, answer) => answer({ kept: 2, left: () => {} }))
  assert.deepEqual(await servers[1].io.serverSideEmitWithAck('odd', { left() {} }), [{ kept: 2 }])
  servers[1].io.sockets.sockets.get(clients[1].id).data = { kept: 3, left() {}, half: '\ud800' }
  const found = await servers[0].io.in(clients[1].id).fetchSockets()
  assert.deepEqual(found[0].data, { kept: 3, half: '\ud800' })
})

test('what the bus does not take is told by the adapter, and reaches the clients of this server', async (t) => {
  const bus = openBus(t, { size: '64kb', maxMessage: 4096 })
  const servers = [await serve(t, bus), await serve(t, bus)]
  const client = await connect(t, servers[0])
  const errors = []
  const warned = once(process, 'warning')
  servers[0].io.emit('large', 'x'.repeat(5000))
  const [warning] = await warned
  assert.equal(warning.code, 'SLABCAST_SOCKET_IO')
  servers[0].io.of('/').adapter.on('error', (error) => errors.push(error.code))
  servers[0].io.emit('larger', 'x'.repeat(6000))
  await until(() => client.got.length === 2)
  assert.deepEqual(errors, ['ERR_MESSAGE_TOO_LARGE'])
  const question = 'x'.repeat(7000)
  await assert.rejects(servers[0].io.serverSideEmitWithAck('q', question), { code: 'ERR_MESSAGE_TOO_LARGE' })
  const answers = await servers[0].io.timeout(60_000).emitWithAck('ask', question)
  assert.equal(answers.length, 2)
  assert.equal(answers.filter((one) => one instanceof Error && one.cause.code === 'ERR_MESSAGE_TOO_LARGE').length, 1)
  assert.throws(() => new Emitter({ bus }).emit('large', question), { code: 'ERR_MESSAGE_TOO_LARGE' })
})

test('when a server has closed, its process may end, and the bus is as it was', async (t) => {
  const child = run(
    t,
    async ({ say }, name) => {
      const { Server } = require('socket.io')
      const { createAdapter } = require('slabcast/socket.io')
      const bus = require('slabcast').open({ name })
      const io = new Server({ adapter: createAdapter({ bus }), connectionStateRecovery: {} })
      io.listen(0)
      io.of('/other')
      io.emit('nobody')
      await io.close()
      bus.publish('still', 'open')
      say([bus.listenerCount('leave'), bus.topics().filter(({ subscribers }) => subscribers > 0).length])
    },
    uniqueName(),
  )
  assert.deepEqual(await child.hear(), [0, 0])
  assert.deepEqual(await child.end(), { code: 0, signal: null })
})

test('a thrown listener of serverSideEmit is an uncaught exception, also of a question', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    ({ say }, name) => {
      const { Server } = require('socket.io')
      const { createAdapter } = require('slabcast/socket.io')
      const io = new Server({ adapter: createAdapter({ bus: require('slabcast').open({ name }) }) })
      io.on('bad', () => {
        throw new Error('a listener threw')
      })
      process.on('uncaughtException', ({ message }) => say(message))
      say('ready')
    },
    name,
  )
  const bus = openBus(t, { name })
  const { io } = await serve(t, bus)
  assert.equal(await child.hear(), 'ready')
  await counts(io, 2)
  io.serverSideEmitWithAck('bad').catch(() => {})
  assert.equal(await child.hear(), 'a listener threw')
})

test('wrong arguments are Node’s own errors', () => {
  for (const options of [1, 'bus', null, { bus: {} }, { bus: null }]) {
    assert.throws(() => createAdapter(options), { code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => new Emitter(options), { code: 'ERR_INVALID_ARG_TYPE' })
  }
  assert.throws(() => new Emitter(undefined, 1), { code: 'ERR_INVALID_ARG_TYPE' })
  for (const nsp of [1, undefined]) assert.throws(() => new Emitter().of(nsp), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => new Emitter().emit('connect'), /reserved event name/)
  assert.throws(() => new Emitter().emit('ask', () => {}), /not supported/)
  assert.throws(() => new Emitter().serverSideEmit('ask', () => {}), /not supported/)
})

test('ES modules import the same by name', async () => {
  const module = await import('slabcast/socket.io')
  assert.equal(module.createAdapter, createAdapter)
  assert.equal(module.Emitter, Emitter)
})

'use strict'

// Connection state recovery beside Socket.IO's own, which is that of a single server: the same program, there with all clients at one
// server, here with three of them, to whose next one who was away comes back.

const assert = require('node:assert/strict')
const test = require('node:test')
const { until } = require('../node/support/wait')
const { connect, start } = require('./socket.io/cluster')
const { comeBack, cut, emit, greeted, sent } = require('./socket.io/returning')

const options = { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } }

/** What a server has of a client. */
const seen = (worker, id) =>
  worker.do(({ io }, id) => {
    const { rooms, data, recovered } = io.sockets.sockets.get(id)
    return { rooms: rooms.size, isIn: [...rooms].filter((room) => room !== id).sort(), data, recovered }
  }, id)

/** What a client gets until this comes: all that it missed comes before. */
async function gotUntilLast(client, worker) {
  await emit(worker, null, 'last')
  await until(() => client.got.at(-1)?.[0] === 'last', 'the last comes')
  return sent(client).slice(0, -1)
}

const program = {
  'id, rooms and data': async ({ t, workers }) => {
    const client = await greeted(t, workers[0])
    const { id } = client
    await workers[0].do(async ({ io }, id) => {
      const socket = io.sockets.sockets.get(id)
      socket.data.name = 'ann'
      await socket.join(['mine', 'left'])
      await socket.leave('left')
    }, id)
    await cut(client, workers[0])
    await comeBack(client, workers[1])
    assert.deepEqual([client.recovered, client.id], [true, id])
    assert.deepEqual(await seen(workers[1], id), { rooms: 2, isIn: ['mine'], data: { name: 'ann' }, recovered: true })
    assert.deepEqual(await gotUntilLast(client, workers[2]), [])
  },

  'what came meanwhile, in order: to all, to its rooms, to itself; not what was not for it, or volatile': async (
    stage,
  ) => {
    const { t, workers } = stage
    const client = await greeted(t, workers[0])
    const other = await greeted(t, workers[2])
    const { id } = client
    await workers[0].do(({ io }, id) => io.sockets.sockets.get(id).join(['a', 'b']), id)
    await workers[2].do(({ io }, id) => io.sockets.sockets.get(id).join('a'), other.id)
    await cut(client, workers[0])
    await workers[2].do(
      ({ io }, [id, other]) => {
        const socket = io.sockets.sockets.get(other)
        io.emit('to all', 1, { two: [2] }, null)
        io.to('a').to('b').emit('to rooms, once')
        io.to('c').emit('to others')
        io.except('b').emit('not to b')
        io.to('a').except('c').emit('to a, not c')
        io.to(id).emit('to itself', 'ä', Buffer.from([0, 255]))
        io.volatile.emit('volatile')
        socket.broadcast.emit('from another')
        socket.to('a').emit('from another, to a')
        socket.emit('to another')
        io.compress(false).emit('not compressed')
        io.serverSideEmit('to servers')
        io.emit('without arguments')
      },
      [id, other.id],
    )
    await comeBack(client, workers[1])
    assert.deepEqual(await gotUntilLast(client, workers[2]), [
      ['to all', 1, { two: [2] }, null],
      ['to rooms, once'],
      ['to a, not c'],
      ['to itself', 'ä', Buffer.from([0, 255])],
      ['from another'],
      ['from another, to a'],
      ['not compressed'],
      ['without arguments'],
    ])
  },

  'again and again': async ({ t, workers }) => {
    const client = await greeted(t, workers[0])
    const { id } = client
    for (const turn of [1, 2, 3, 4]) {
      await cut(client, workers[(turn - 1) % 3])
      await emit(workers[turn % 3], null, 'meanwhile', turn)
      await comeBack(client, workers[turn % 3])
      assert.deepEqual([client.recovered, client.id], [true, id])
      assert.deepEqual(await gotUntilLast(client, workers[(turn + 1) % 3]), [['meanwhile', turn]])
    }
  },

  'rooms that others have it join, or leave, afterwards': async ({ t, workers }) => {
    const client = await greeted(t, workers[0])
    await cut(client, workers[0])
    await comeBack(client, workers[1])
    await workers[1].do(({ io }, id) => io.in(id).socketsJoin('new'), client.id)
    await emit(workers[1], 'new', 'in it')
    assert.deepEqual(await gotUntilLast(client, workers[1]), [['in it']])
  },

  'the middlewares are skipped, connection is told': async ({ t, workers }) => {
    for (const worker of new Set(workers))
      await worker.do(({ io, heard }) => {
        heard.splice(0)
        io.use((_socket, next) => {
          heard.push('middleware')
          next()
        })
        io.on('connection', (socket) => heard.push(`connection ${socket.recovered}`))
      })
    const client = await greeted(t, workers[0])
    await cut(client, workers[0])
    await comeBack(client, workers[1])
    const told = []
    for (const worker of new Set(workers)) told.push(...(await worker.do(({ heard }) => heard)))
    assert.deepEqual(told, ['middleware', 'connection false', 'connection true'])
  },

  'who leaves by itself, or is disconnected, is not recovered': async ({ t, workers }) => {
    const gone = (client) => workers[0].do(({ io, until }, id) => until(() => !io.sockets.sockets.has(id)), client.id)
    for (const leave of [
      (client) => client.disconnect(),
      ({ id }) => workers[0].do(({ io }, id) => void io.in(id).disconnectSockets(), id),
    ]) {
      const client = await greeted(t, workers[0])
      const { id } = client
      await leave(client)
      await until(() => !client.connected, 'it is disconnected')
      await gone({ id })
      await comeBack(client, workers[1])
      assert.ok(!client.recovered)
      assert.notEqual(client.id, id)
    }
  },

  'a namespace of its own has its own': async ({ t, workers }) => {
    for (const worker of new Set(workers)) await worker.do(({ io }) => void io.of('/other'))
    const client = await connect(t, workers[0], { nsp: '/other' })
    const { id } = client
    await workers[0].do(({ io }) => void io.of('/other').emit('welcome'))
    await until(() => client.got.length === 1, 'it is greeted')
    assert.deepEqual(sent(client), [['welcome']])
    client.io.engine.close()
    await until(() => !client.connected, 'the connection is closed')
    await workers[0].do(({ io, until }, id) => until(() => !io.of('/other').sockets.has(id)), id)
    await workers[2].do(({ io }) => {
      io.emit('elsewhere')
      io.of('/other').emit('here')
    })
    await comeBack(client, workers[1])
    assert.deepEqual([client.recovered, client.id], [true, id])
    await until(() => client.got.length > 0, 'what it missed comes')
    assert.deepEqual(sent(client), [['here']])
  },
}

for (const [kind, adapter, count] of [
  ['Socket.IO’s own, of one server', 'own', 1],
  ['slabcast/socket.io, of three', 'slabcast', 3],
])
  test(`recovery: ${kind}`, async (t) => {
    const { workers } = await start(t, adapter, { workers: count, options })
    const stage = { t, workers: count === 1 ? [workers[0], workers[0], workers[0]] : workers }
    for (const [title, act] of Object.entries(program)) await t.test(title, (t) => act({ ...stage, t }))
  })

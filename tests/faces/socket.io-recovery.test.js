'use strict'

// slabcast/socket.io and connection state recovery: a client that comes back, to whatever server, has its session and exactly what it
// missed, or neither.

const assert = require('node:assert/strict')
const test = require('node:test')
const { gate } = require('../node/support/gate')
const { until } = require('../node/support/wait')
const { connect, start } = require('./socket.io/cluster')
const { comeBack, cut, emit, greeted, sent } = require('./socket.io/returning')

const options = { connectionStateRecovery: {} }

test('a client that comes back to another server has its id, rooms and data, and what it missed, in order', async (t) => {
  const { workers } = await start(t, 'slabcast', { options })
  const client = await greeted(t, workers[0])
  const { id } = client
  await workers[0].do(({ io }, id) => {
    const socket = io.sockets.sockets.get(id)
    socket.join('mine')
    socket.data = { name: 'ann', bytes: Buffer.from('b') }
  }, id)
  await cut(client, workers[0])
  await emit(workers[0], null, 'one', 1)
  await emit(workers[1], 'mine', 'two', { 2: 'two' })
  await emit(workers[1], 'other', 'not mine')
  await workers[1].do(({ io }) => {
    io.except('mine').emit('not me')
    io.volatile.emit('may be lost')
    io.local.emit('elsewhere')
  })
  await workers[2].do(({ io }, id) => void io.to(id).emit('three', Buffer.from([3])), id)
  await comeBack(client, workers[1])
  assert.equal(client.recovered, true)
  assert.equal(client.id, id)
  await emit(workers[2], 'mine', 'four')
  await until(() => client.got.length >= 4, 'all comes')
  assert.deepEqual(sent(client), [['one', 1], ['two', { 2: 'two' }], ['three', Buffer.from([3])], ['four']])
  const there = await workers[1].do(({ io }, id) => {
    const { rooms, data, recovered } = io.sockets.sockets.get(id)
    return { rooms: [...rooms].sort(), name: data.name, bytes: data.bytes.toString(), recovered }
  }, id)
  assert.deepEqual(there, { rooms: ['mine', id].sort(), name: 'ann', bytes: 'b', recovered: true })
})

test('nothing is lost, doubled or out of order for clients that change servers while all servers broadcast', async (t) => {
  const { workers } = await start(t, 'slabcast', { options, busOptions: { size: '64mb' } })
  const clients = await Promise.all(workers.map((worker) => greeted(t, worker)))
  for (const [at, worker] of workers.entries()) {
    await worker.do(({ io, heard }, at) => {
      let count = 0
      heard.push(
        setInterval(() => {
          for (let more = 0; more < 5; more++) io.emit('n', at, count++)
        }, 1),
        () => count,
      )
    }, at)
  }
  const where = clients.map((_, at) => at)
  for (let hop = 0; hop < 15; hop++) {
    for (const [at, client] of clients.entries()) {
      await cut(client, workers[where[at]])
      // To itself, too.
      where[at] = (where[at] + hop) % workers.length
      await comeBack(client, workers[where[at]])
      assert.equal(client.recovered, true, `hop ${hop} of client ${at}`)
    }
  }
  const counts = await Promise.all(
    workers.map((worker) =>
      worker.do(({ heard }) => {
        clearInterval(heard[0])
        return heard[1]()
      }),
    ),
  )
  const total = counts.reduce((sum, count) => sum + count, 0)
  for (const client of clients) {
    await until(
      () => client.got.length >= total,
      () => `${client.got.length} of ${total} come`,
    )
    for (const [at, count] of counts.entries()) {
      const numbers = client.got.filter(([event, from]) => event === 'n' && from === at).map(([, , number]) => number)
      assert.deepEqual(
        numbers,
        Array.from({ length: count }, (_, number) => number),
      )
    }
    assert.equal(client.got.length, total)
  }
  // One order for all.
  const order = (client) => client.got.map(([, ...what]) => what.join())
  assert.deepEqual(order(clients[1]), order(clients[0]))
  assert.deepEqual(order(clients[2]), order(clients[0]))
  t.diagnostic(`${total} packets, ${clients.length} clients, 15 changes each`)
})

test('a client of a server that closes goes on with another', async (t) => {
  const { workers } = await start(t, 'slabcast', { options })
  const client = await greeted(t, workers[0])
  const { id } = client
  await workers[0].do(({ io }) => void setImmediate(() => io.close()))
  await until(() => !client.connected, 'it is disconnected')
  await emit(workers[1], null, 'meanwhile')
  await comeBack(client, workers[2])
  assert.equal(client.recovered, true)
  assert.equal(client.id, id)
  await until(() => client.got.length > 0, 'what it missed comes')
  assert.deepEqual(sent(client), [['meanwhile']])
})

test('what is asked with acknowledgement is asked once: it is not sent again', async (t) => {
  const { workers } = await start(t, 'slabcast', { options })
  const client = await greeted(t, workers[0])
  const ask = ({ io }, id) => io.sockets.sockets.get(id).timeout(60_000).emitWithAck('ask one')
  assert.equal(await workers[0].do(ask, client.id), `ask one from ${client.id}`)
  assert.deepEqual(client.got.splice(0), [['ask one']])
  await cut(client, workers[0])
  await workers[1].do(({ io }) =>
    io
      .timeout(10)
      .emitWithAck('ask')
      .catch(() => {}),
  )
  await emit(workers[1], null, 'told')
  await comeBack(client, workers[2])
  await until(() => client.got.length > 0, 'what it missed comes')
  assert.deepEqual(sent(client), [['told']])
})

test('a session is given once', async (t) => {
  const { workers } = await start(t, 'slabcast', { options })
  const client = await greeted(t, workers[0])
  const { id, _pid: pid, _lastOffset: offset } = client
  await cut(client, workers[0])
  await comeBack(client, workers[1])
  assert.equal(client.recovered, true)
  const thief = await connect(t, workers[2], { auth: { pid, offset } })
  assert.notEqual(thief.id, id)
  assert.ok(!thief.recovered)
})

test('an offset that is none, or is not reached yet, recovers nothing', async (t) => {
  const { workers } = await start(t, 'slabcast', { options })
  for (const offset of ['', '0', '-1', '1e1', 'x', '99999', '9'.repeat(40)]) {
    const client = await greeted(t, workers[0])
    const { id } = client
    await cut(client, workers[0])
    client._lastOffset = offset
    await comeBack(client, workers[1])
    assert.ok(!client.recovered, offset)
    assert.notEqual(client.id, id)
  }
})

test('after maxDisconnectionDuration nothing is recovered', async (t) => {
  const brief = { connectionStateRecovery: { maxDisconnectionDuration: 1 } }
  const { workers } = await start(t, 'slabcast', { options: brief })
  const client = await greeted(t, workers[0])
  await cut(client, workers[0])
  await new Promise((resolve) => setTimeout(resolve, 10))
  await comeBack(client, workers[1])
  assert.ok(!client.recovered)
})

test('what the slab does not keep any more is not recovered, and no gap is told to the bus', async (t) => {
  const { workers } = await start(t, 'slabcast', { options, busOptions: { size: '64kb', topics: 1024 } })
  for (const worker of workers)
    await worker.do(({ heard }) => void process.on('warning', ({ message }) => heard.push(message)))
  const client = await greeted(t, workers[0])
  const { id } = client
  await cut(client, workers[0])
  await workers[1].do(async ({ io }) => {
    for (let at = 0; at < 200; at++) {
      io.emit('large', 'x'.repeat(1000))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })
  await comeBack(client, workers[2])
  assert.ok(!client.recovered)
  assert.notEqual(client.id, id)
  for (const worker of workers) assert.deepEqual(await worker.do(({ heard }) => heard), [])
})

test('nothing is recovered where the session is kept, and not all that came since the offset', async (t) => {
  const { workers } = await start(t, 'slabcast', { options, busOptions: { size: '64kb', topics: 1024 } })
  const client = await greeted(t, workers[0])
  const { id } = client
  // For others: the client's offset stays where it was.
  await workers[1].do(async ({ io }) => {
    for (let at = 0; at < 200; at++) {
      io.to('others').emit('large', 'x'.repeat(1000))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  })
  await cut(client, workers[0])
  await emit(workers[1], null, 'missed')
  await comeBack(client, workers[2])
  assert.ok(!client.recovered)
  assert.notEqual(client.id, id)
})

test('a server that was cut off gives its own clients what it emitted, though it never comes by the bus', async (t) => {
  const busOptions = { size: '64kb', topics: 1024, stallTimeout: 0 }
  const { workers, bus } = await start(t, 'slabcast', { workers: 2, options, busOptions })
  const [near, far] = [await greeted(t, workers[0]), await greeted(t, workers[1])]
  const { file, open } = gate(t)
  const stuck = workers[0].do(({ io }, file) => {
    for (let at = 0; at < 5; at++) io.emit('own', at)
    require('../../node/support/gate').blockUntilOpen(file)
  }, file)
  await until(() => far.got.length === 5, 'it is on the bus')
  // Elsewhere: in the namespace nothing follows.
  await workers[1].do(({ io: _io }, name) => {
    const other = require('slabcast').open({ name, stallTimeout: 0 })
    for (let at = 0; at < 500; at++) other.publish('flood', 'x'.repeat(1000))
    return other.close()
  }, bus)
  open()
  await stuck
  await until(() => near.got.length === 5, 'its own clients have it')
  assert.deepEqual(
    sent(near),
    [0, 1, 2, 3, 4].map((at) => ['own', at]),
  )
  await emit(workers[1], null, 'on')
  await until(() => near.got.length === 1, 'it goes on')
  assert.deepEqual(sent(near), [['on']])
})

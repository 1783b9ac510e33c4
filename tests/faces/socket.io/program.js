'use strict'

// What the official cluster adapter and ours are both asked to do: three servers, two clients of each.

const assert = require('node:assert/strict')
const { until } = require('../../node/support/wait')
const { connect, got, knows } = require('./cluster')

const ODD = [
  '',
  ' ',
  '*',
  '\0',
  '\ud800',
  '$slabcast/x',
  'slabcast:socket.io/server/x',
  '__proto__',
  'x'.repeat(300),
  'ü%2F#',
]

const sorted = (values) => [...values].sort()

/** All clients get the same. */
const all = (clients, ...events) => got(clients.map((client) => [client, events]))

/** What follows came after all that was sent before it: nobody got more than was expected. */
async function quiet({ workers, clients }) {
  for (const [at, worker] of workers.entries()) await worker.do(({ io }, at) => void io.emit('quiet', at), at)
  await until(() => clients.every(({ got }) => got.filter(([event]) => event === 'quiet').length === workers.length))
  for (const client of clients) {
    const others = client.got.splice(0).filter(([event]) => event !== 'quiet')
    assert.deepEqual(others, [])
  }
}

const join = (worker, client, ...rooms) =>
  worker.do(({ io }, id, rooms) => void io.in(id).socketsJoin(rooms), client.id, rooms)

/** By its title what is done; of each the outcome is asserted, whoever the adapter is. */
const program = {
  'each server counts all servers': async ({ workers }) => {
    for (const worker of workers) assert.equal(await worker.do(({ io }) => io.of('/').adapter.serverCount()), 3)
  },

  'a broadcast reaches every client of every server once': async (stage) => {
    const { workers, clients } = stage
    await workers[0].do(({ io }) => void io.emit('hello', 1, 'two', { three: [4, null, true] }))
    await all(clients, ['hello', 1, 'two', { three: [4, null, true] }])
    await quiet(stage)
  },

  'bytes arrive as bytes': async ({ workers, clients }) => {
    await workers[1].do(({ io }) => void io.emit('bytes', Buffer.from([1, 2, 3]), { in: new Uint8Array([4]) }))
    await all(clients, ['bytes', Buffer.from([1, 2, 3]), { in: Buffer.from([4]) }])
  },

  'broadcasts of one server come in order': async ({ workers, clients }) => {
    await workers[2].do(({ io }) => {
      for (let at = 0; at < 200; at++) io.emit('count', at)
    })
    await all(clients, ...Array.from({ length: 200 }, (_, at) => ['count', at]))
  },

  'rooms: to, except, and several of them': async (stage) => {
    const { workers, clients } = stage
    await join(workers[0], clients[0], 'a')
    await join(workers[0], clients[3], 'a', 'b')
    await join(workers[0], clients[5], 'b')
    await quiet(stage)
    await workers[1].do(({ io }) => {
      io.to('a').emit('to a')
      io.to('a').to('b').emit('to both')
      io.to(['a', 'b']).except('b').emit('not b')
      io.except(['a', 'b']).emit('neither')
    })
    await got([
      [clients[0], [['to a'], ['to both'], ['not b']]],
      [clients[3], [['to a'], ['to both']]],
      [clients[5], [['to both']]],
      ...[1, 2, 4].map((at) => [clients[at], [['neither']]]),
    ])
    await workers[2].do(({ io }) => void io.in('b').socketsLeave('b'))
    await quiet(stage)
    await workers[0].do(({ io }) => void io.to('b').to('a').emit('again'))
    await got([0, 3].map((at) => [clients[at], [['again']]]))
    await workers[0].do(({ io }) => void io.socketsLeave('a'))
    await quiet(stage)
  },

  'local stays where it is': async (stage) => {
    await stage.workers[1].do(({ io }) => void io.local.emit('here'))
    await all(stage.clients.slice(2, 4), ['here'])
    await quiet(stage)
  },

  'a socket broadcasts to all but itself': async ({ workers, clients }) => {
    await workers[0].do(({ io }, id) => void io.sockets.sockets.get(id).broadcast.emit('others'), clients[0].id)
    await all(clients.slice(1), ['others'])
    assert.deepEqual(clients[0].got, [])
  },

  'rooms are any string': async (stage) => {
    const { workers, clients } = stage
    for (const room of ODD) await join(workers[0], clients[4], room)
    await quiet(stage)
    for (const room of ODD) await workers[1].do(({ io }, room) => void io.to(room).emit('odd', room), room)
    await got([[clients[4], ODD.map((room) => ['odd', room])]])
    for (const room of ODD) await workers[2].do(({ io }, room) => void io.socketsLeave(room), room)
    await quiet(stage)
  },

  'namespaces are any name, and do not meet': async ({ t, workers, clients }) => {
    for (const nsp of ['/chat', '/*', '/ü%2F#', `/${'x'.repeat(300)}`]) {
      for (const worker of workers) await worker.do(({ io }, nsp) => void io.of(nsp), nsp)
      await Promise.all(workers.map((worker) => knows(worker, 3, nsp)))
      const here = await Promise.all([connect(t, workers[0], { nsp }), connect(t, workers[2], { nsp })])
      await workers[1].do(({ io }, nsp) => void io.of(nsp).emit('in it', nsp), nsp)
      await all(here, ['in it', nsp])
      for (const client of here) client.disconnect()
    }
    assert.deepEqual(
      clients.map(({ got }) => got),
      clients.map(() => []),
    )
  },

  'a broadcast with acknowledgements has the answer of every client': async ({ workers, clients }) => {
    const answers = await workers[0].do(({ io }) => io.timeout(60_000).emitWithAck('ask', 1))
    assert.deepEqual(sorted(answers), sorted(clients.map(({ id }) => `ask from ${id}`)))
    await all(clients, ['ask', 1])
  },

  'nobody to acknowledge: no answers, no error': async ({ workers }) => {
    assert.deepEqual(await workers[0].do(({ io }) => io.to('nobody').timeout(60_000).emitWithAck('ask')), [])
  },

  'bytes are acknowledged with bytes': async ({ t, workers }) => {
    const client = await connect(t, workers[2], { answers: false })
    client.on('bytes?', (bytes, ack) => ack(Buffer.concat([bytes, bytes])))
    const answer = await workers[0].do(async ({ io }, id) => {
      const [bytes] = await io.to(id).timeout(60_000).emitWithAck('bytes?', Buffer.from('ab'))
      return [Buffer.isBuffer(bytes), bytes.toString()]
    }, client.id)
    assert.deepEqual(answer, [true, 'abab'])
    client.disconnect()
  },

  'a client that does not acknowledge: an error in time, with the answers of the others': async ({
    t,
    workers,
    clients,
  }) => {
    const mute = await connect(t, workers[2], { answers: false })
    const ask = ({ io }) =>
      io
        .timeout(500)
        .emitWithAck('ask')
        .catch(({ message, responses }) => ({ message, responses }))
    const { message, responses } = await workers[0].do(ask)
    assert.equal(message, 'operation has timed out')
    assert.deepEqual(sorted(responses), sorted(clients.map(({ id }) => `ask from ${id}`)))
    mute.disconnect()
    await all(clients, ['ask'])
  },

  'fetchSockets finds the sockets of all servers': async (stage) => {
    const { workers, clients } = stage
    await workers[2].do(({ io }, id) => {
      io.sockets.sockets.get(id).data = { name: 'ann', bytes: Buffer.from('x'), map: { a: [1] } }
    }, clients[5].id)
    await join(workers[2], clients[5], 'fetched')
    await quiet(stage)
    const found = await workers[0].do(async ({ io }) => {
      const sockets = await io.fetchSockets()
      return sockets.map(({ id }) => id)
    })
    assert.deepEqual(sorted(found), sorted(clients.map(({ id }) => id)))
    const one = await workers[0].do(async ({ io }) => {
      const [{ id, data, rooms, handshake }, ...more] = await io.in('fetched').fetchSockets()
      return { id, name: data.name, map: data.map, rooms: [...rooms].sort(), auth: handshake.auth, more: more.length }
    })
    const rooms = sorted([clients[5].id, 'fetched'])
    assert.deepEqual(one, { id: clients[5].id, name: 'ann', map: { a: [1] }, rooms, auth: { at: 5 }, more: 0 })
    const local = await workers[1].do(async ({ io }) => (await io.local.fetchSockets()).length)
    assert.equal(local, 2)
  },

  'what fetchSockets found can be told, asked, moved and disconnected': async (stage) => {
    const { t, workers } = stage
    const client = await connect(t, workers[1], { auth: { at: 'remote' } })
    const answer = await workers[0].do(async ({ io }, id) => {
      const [remote] = await io.in(id).fetchSockets()
      remote.emit('one')
      remote.join('moved')
      return remote.timeout(60_000).emitWithAck('two')
    }, client.id)
    assert.equal(answer, `two from ${client.id}`)
    await workers[2].do(({ io }) => void io.to('moved').emit('three'))
    await all([client], ['one'], ['two'], ['three'])
    let reason
    client.once('disconnect', (why) => {
      reason = why
    })
    await workers[2].do(async ({ io }) => {
      const [remote] = await io.in('moved').fetchSockets()
      remote.disconnect(true)
    })
    await until(() => reason !== undefined, 'it is disconnected')
    await quiet(stage)
  },

  'disconnectSockets disconnects those of all servers, after what they were told before': async ({
    t,
    workers,
    clients,
  }) => {
    const some = await Promise.all([0, 1, 2].map((at) => connect(t, workers[at], { auth: { leaves: true } })))
    for (const client of some) await join(workers[0], client, 'leaving')
    await quiet({ workers, clients: [...clients, ...some] })
    await workers[1].do(({ io }) => {
      io.to('leaving').emit('bye')
      io.in('leaving').disconnectSockets()
    })
    await until(() => some.every(({ connected }) => !connected), 'they are disconnected')
    await all(some, ['bye'])
  },

  'serverSideEmit reaches the other servers': async ({ workers }) => {
    for (const worker of workers) await worker.do(({ io, heard }) => void io.on('news', (...args) => heard.push(args)))
    await workers[0].do(({ io }) => void io.serverSideEmit('news', 1, { two: ['three'] }))
    const take = ({ heard }) => heard.splice(0)
    for (const worker of workers.slice(1)) {
      await worker.do(({ heard, until }) => until(() => heard.length > 0))
      assert.deepEqual(await worker.do(take), [[1, { two: ['three'] }]])
    }
    assert.deepEqual(await workers[0].do(take), [])
  },

  'serverSideEmit with an acknowledgement has the answer of each other server': async ({ workers }) => {
    for (const [at, worker] of workers.entries())
      await worker.do(({ io }, at) => void io.on('who', (word, answer) => answer({ at, word })), at)
    const answers = await workers[1].do(({ io }) => io.serverSideEmitWithAck('who', 'w'))
    assert.deepEqual(sorted(answers.map(({ at }) => at)), [0, 2])
    assert.ok(answers.every(({ word }) => word === 'w'))
  },

  'a server that does not answer: an error in time, with the answers of the others': async ({ workers }) => {
    for (const worker of workers.slice(0, 2))
      await worker.do(({ io }) => void io.on('some', (answer) => answer('here')))
    const { message, responses } = await workers[0].do(({ io }) =>
      io.serverSideEmitWithAck('some').catch(({ message, responses }) => ({ message, responses })),
    )
    assert.match(message, /^timeout reached: /)
    assert.deepEqual(responses, ['here'])
  },

  'a server that closes is counted and asked no more': async ({ workers, clients }) => {
    const [gone] = workers.slice(2)
    await gone.do(({ io }) => void setImmediate(() => io.close()))
    await Promise.all(workers.slice(0, 2).map((worker) => knows(worker, 2)))
    const found = await workers[0].do(async ({ io }) => (await io.fetchSockets()).map(({ id }) => id))
    const left = clients.slice(0, 4).map(({ id }) => id)
    assert.deepEqual(sorted(found), sorted(left))
  },
}

module.exports = { program }

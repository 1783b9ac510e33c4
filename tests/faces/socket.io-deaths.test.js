'use strict'

// slabcast/socket.io when servers die: who asks has the answers of the living at once, and is told who is missing. No time-out
// here is shorter than a test may take, but where it is the matter.

const assert = require('node:assert/strict')
const test = require('node:test')
const { gate } = require('../node/support/gate')
const { until } = require('../node/support/wait')
const { connect, got, knows, start } = require('./socket.io/cluster')

const LONG = 600_000

/** Says how long what follows a death took. */
const since = (t, killed) => t.diagnostic(`${Math.round(performance.now() - killed)} ms after it was killed`)

const told = (clients, event) => until(() => clients.every((client) => client.got.some(([name]) => name === event)))

/** Has a server ask, and keep what comes of it; resolves when it has asked. */
const asks = (worker, work, ...args) =>
  worker.do(
    ({ io, heard }, work, args) => {
      const plain = (error) => ({
        code: error.code,
        message: error.message,
        missing: error.missing?.map(({ pid }) => pid),
        responses: error.responses,
      })
      new Function(`return ${work}`)()(io, ...args).then(
        (value) =>
          heard.push({
            value: Array.isArray(value) ? value.map((one) => (one instanceof Error ? plain(one) : one)) : value,
          }),
        (error) => heard.push({ error: plain(error) }),
      )
    },
    work.toString(),
    args,
  )

const comes = (worker) =>
  worker.do(async ({ heard, until }) => {
    await until(() => heard.length > 0, 'an answer comes')
    return heard.shift()
  })

test('a server killed in the middle of a broadcast with acknowledgements is missing in the answer, at once', async (t) => {
  const { workers } = await start(t, 'slabcast')
  const living = [await connect(t, workers[0]), await connect(t, workers[1])]
  const mute = [await connect(t, workers[2], { answers: false }), await connect(t, workers[2], { answers: false })]
  const quick = await connect(t, workers[2])
  await asks(workers[0], (io, timeout) => io.timeout(timeout).emitWithAck('ask'), LONG)
  await told([...living, ...mute, quick], 'ask')
  const killed = performance.now()
  workers[2].kill()
  const { value } = await comes(workers[0])
  since(t, killed)
  const answers = value.filter((one) => typeof one === 'string')
  const missing = value.filter((one) => typeof one !== 'string')
  for (const { id } of living) assert.ok(answers.includes(`ask from ${id}`))
  // The quick one's answer may have reached its server alone.
  assert.equal(value.length, 5)
  assert.ok(missing.length >= mute.length)
  for (const one of missing) {
    assert.equal(one.code, 'ERR_NO_RESPONDERS')
    assert.deepEqual(one.missing, [workers[2].pid])
  }
})

test('a server killed before it said how many clients it has is one missing answer', async (t) => {
  const { workers } = await start(t, 'slabcast')
  const living = [await connect(t, workers[0]), await connect(t, workers[1])]
  await connect(t, workers[2])
  workers[2].kill('SIGSTOP')
  // As they are when the callback is called.
  const ask = (io, timeout) =>
    new Promise((resolve) => io.timeout(timeout).emit('ask', (error, responses) => resolve([error, ...responses])))
  await asks(workers[0], ask, LONG)
  await told(living, 'ask')
  const killed = performance.now()
  workers[2].kill()
  const { value } = await comes(workers[0])
  since(t, killed)
  assert.equal(value.shift(), null)
  const missing = value.filter((one) => typeof one !== 'string')
  assert.deepEqual(
    missing.map(({ code, missing }) => [code, missing]),
    [['ERR_NO_RESPONDERS', [workers[2].pid]]],
  )
  assert.equal(value.length, 3)
})

test('fetchSockets is rejected when a server is killed before it answers, names it, and can be asked again', async (t) => {
  const { workers } = await start(t, 'slabcast')
  const living = [await connect(t, workers[0]), await connect(t, workers[1])]
  await connect(t, workers[2])
  workers[2].kill('SIGSTOP')
  await asks(workers[0], (io, timeout) => io.timeout(timeout).fetchSockets(), LONG)
  const killed = performance.now()
  workers[2].kill()
  const { error } = await comes(workers[0])
  since(t, killed)
  assert.equal(error.code, 'ERR_NO_RESPONDERS')
  assert.deepEqual(error.missing, [workers[2].pid])
  assert.match(error.message, new RegExp(`1 of 2 servers \\(pid ${workers[2].pid}\\)`))
  const found = await workers[0].do(async ({ io }) => (await io.fetchSockets()).map(({ id }) => id))
  assert.deepEqual(found.sort(), living.map(({ id }) => id).sort())
})

test('serverSideEmit has the answers of the living when a server is killed before it answers, and names it', async (t) => {
  const { workers } = await start(t, 'slabcast')
  await workers[1].do(({ io }) => void io.on('who', (answer) => answer('one')))
  workers[2].kill('SIGSTOP')
  await asks(workers[0], (io) => io.serverSideEmitWithAck('who'))
  const killed = performance.now()
  workers[2].kill()
  const { error } = await comes(workers[0])
  since(t, killed)
  assert.equal(error.code, 'ERR_NO_RESPONDERS')
  assert.deepEqual(error.missing, [workers[2].pid])
  assert.deepEqual(error.responses, ['one'])
  assert.equal(await workers[0].do(({ io }) => io.of('/').adapter.serverCount()), 2)
})

test('a server that stands still is not dead: who asks has its time-out, and the next question its answer', async (t) => {
  const { workers } = await start(t, 'slabcast')
  const clients = await Promise.all(workers.map((worker) => connect(t, worker)))
  workers[2].kill('SIGSTOP')
  await asks(workers[0], (io) => io.timeout(300).fetchSockets())
  const { error } = await comes(workers[0])
  assert.equal(error.code, 'ERR_TIMEOUT')
  assert.match(error.message, /^timeout reached: /)
  assert.deepEqual(error.missing, [workers[2].pid])
  workers[2].kill('SIGCONT')
  const found = await workers[0].do(async ({ io }) => (await io.timeout(60_000).fetchSockets()).length)
  assert.equal(found, clients.length)
})

test('a killed server is counted no more, its successor is, and reaches all', async (t) => {
  const { workers, more } = await start(t, 'slabcast')
  workers[1].kill()
  await Promise.all([knows(workers[0], 2), knows(workers[2], 2)])
  const next = await more()
  await Promise.all([workers[0], workers[2], next].map((worker) => knows(worker, 3)))
  const clients = await Promise.all([workers[0], workers[2], next].map((worker) => connect(t, worker)))
  await next.do(({ io }) => void io.emit('here'))
  await got(clients.map((client) => [client, [['here']]]))
  assert.equal(await workers[0].do(async ({ io }) => (await io.fetchSockets()).length), 3)
})

// The official adapter's closed server goes on answering, as one without clients, and the living one's answers are not waited for.
test('a server that has closed is in no answer and missing in none', async (t) => {
  const { workers } = await start(t, 'slabcast')
  const clients = [await connect(t, workers[0]), await connect(t, workers[1])]
  await connect(t, workers[2])
  await workers[2].do(({ io }) => void setImmediate(() => io.close()))
  await Promise.all([knows(workers[0], 2), knows(workers[1], 2)])
  const answers = await workers[0].do(({ io }, timeout) => io.timeout(timeout).emitWithAck('ask'), LONG)
  assert.deepEqual(answers.sort(), clients.map(({ id }) => `ask from ${id}`).sort())
  assert.equal(await workers[1].do(async ({ io }) => (await io.fetchSockets()).length), 2)
})

test('a server that closes in the moment it is asked is missing in no answer', async (t) => {
  const { workers } = await start(t, 'slabcast')
  const clients = [await connect(t, workers[0]), await connect(t, workers[1])]
  await connect(t, workers[2])
  const { file, open } = gate(t)
  // It knows of the closed one when it asks: that it has closed is before it, unheard.
  const asked = workers[0].do(
    async ({ io }, file, timeout) => {
      io.emit('stands still')
      require('../../node/support/gate').blockUntilOpen(file)
      const both = [io.timeout(timeout).fetchSockets(), io.timeout(timeout).emitWithAck('ask')]
      const counted = io.of('/').adapter.serverCount()
      const [sockets, answers] = await Promise.all(both)
      return { counted: await counted, sockets: sockets.length, answers }
    },
    file,
    LONG,
  )
  await told([clients[1]], 'stands still')
  await workers[2].do(({ io }) => void setImmediate(() => io.close()))
  await knows(workers[1], 2)
  open()
  const { counted, sockets, answers } = await asked
  assert.equal(counted, 3)
  assert.equal(sockets, 2)
  assert.deepEqual(answers.sort(), clients.map(({ id }) => `ask from ${id}`).sort())
})

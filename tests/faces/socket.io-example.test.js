'use strict'

// examples/socket.io: clients at different workers, the clock, and the death of a worker.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const net = require('node:net')
const path = require('node:path')
const test = require('node:test')
const { io } = require('socket.io-client')
const { uniqueName } = require('../node/support/bus')
const { application } = require('../node/support/process')
const { until } = require('../node/support/wait')

const EXAMPLE = path.join(__dirname, '../../examples/socket.io')

/** A person with the example's page before them. */
function person(t, url) {
  const socket = io(url, { transports: ['websocket'], forceNew: true, reconnectionDelay: 10, reconnectionDelayMax: 10 })
  t.after(() => socket.close())
  const one = { socket, said: [], times: 0 }
  socket.on('welcome', (welcome) => {
    one.worker = welcome.worker
  })
  socket.on('said', ({ name, text }) => one.said.push(`${name}: ${text}`))
  socket.on('time', () => one.times++)
  return one
}

/** People until there are some at so many workers. */
async function people(t, url, workers) {
  const all = []
  while (new Set(all.map(({ worker }) => worker)).size < workers) {
    const one = person(t, url)
    await until(() => one.worker !== undefined, 'somebody is welcomed')
    all.push(one)
  }
  return all
}

test('people at different workers hear each other, are found, are told the time, and outlive a worker', async (t) => {
  const server = application(t, [EXAMPLE, '0'], { env: { SLABCAST_BUS: uniqueName() } })
  await until(() => /http:\S+/.test(server.output), 'it listens')
  const [url] = /http:\S+/.exec(server.output)
  assert.match(await (await fetch(url)).text(), /<title>slabcast: Socket.IO<\/title>/)
  const all = await people(t, url.replace('localhost', '127.0.0.1'), 2)
  const [ann, bob] = [all[0], all.find(({ worker }) => worker !== all[0].worker)]
  await ann.socket.emitWithAck('enter', 'lobby', 'ann')
  await bob.socket.emitWithAck('enter', 'lobby', 'bob')
  ann.socket.emit('say', 'lobby', 'hello')
  for (const { said } of [ann, bob]) {
    await until(() => said.length > 0, 'it is heard')
    assert.deepEqual(said.splice(0), ['ann: hello'])
  }
  assert.deepEqual((await bob.socket.emitWithAck('who', 'lobby')).sort(), ['ann', 'bob'])
  await until(() => ann.times > 0 && bob.times > 0, 'they are told the time')

  const dead = ann.worker
  process.kill(dead, 'SIGKILL')
  await until(() => ann.worker !== dead, 'she is welcomed elsewhere')
  await ann.socket.emitWithAck('enter', 'lobby', 'ann')
  bob.socket.emit('say', 'lobby', 'still there?')
  await until(() => ann.said.length > 0 && bob.said.length > 0, 'they hear each other again')
})

test('a port that is taken ends the example', async (t) => {
  const other = net.createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  t.after(() => other.close())
  const example = application(t, [EXAMPLE, `${other.address().port}`], { env: { SLABCAST_BUS: uniqueName() } })
  assert.deepEqual(await example.end(), { code: 1, signal: null })
  assert.match(example.errors, /EADDRINUSE/)
})

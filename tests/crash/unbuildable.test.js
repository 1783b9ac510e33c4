'use strict'

// A value that is one, but that V8 cannot build: an uncaught exception of its listeners, and the bus goes on. Bytes that are
// none lose it.

const test = require('node:test')
const assert = require('node:assert')
const { MAX_STRING_LENGTH } = require('node:buffer').constants
const os = require('node:os')
const { actor, busName, isolate, left, until } = require('./support')

const GIB = 2 ** 30
const notIsolated = isolate('1300m')
const skip =
  notIsolated ||
  (MAX_STRING_LENGTH + 6 > GIB / 2 && 'a string here may be longer than a message of 512 MiB') ||
  (os.freemem() < 4 * GIB && 'it takes 4 GiB of memory')

test('a string longer than V8’s: its listeners throw, who wants bytes has them, the bus goes on', {
  skip,
}, async () => {
  const [reader, writer] = [await actor(), await actor({ execArgv: ['-r', require.resolve('./children/foreign')] })]
  const options = { name: busName(), size: '1gb', maxMessage: '512mb', topics: 64, members: 4 }
  const open = ({ ipc, state }, given) => {
    state.bus = ipc.open({ ...given, stallTimeout: Number.POSITIVE_INFINITY })
  }
  for (const each of [reader, writer]) await each.run(open, options)
  await reader.run(({ state }) => {
    Object.assign(state, { uncaught: [], told: [], got: [], raw: [] })
    process.on('uncaughtException', ({ code }) => state.uncaught.push(code))
    state.bus.on('error', ({ code }) => state.told.push(code))
    for (let n = 0; n < 2; n++) state.bus.subscribe('t', (message) => state.got.push(message))
    state.bus.subscribe('t', (bytes) => state.raw.push(bytes.length), { raw: true })
  })
  const length = MAX_STRING_LENGTH + 1
  await writer.run(({ state }, given) => {
    const body = Buffer.alloc(5 + given, 'a')
    body[0] = 0xdb
    body.writeUInt32BE(given, 1)
    state.bus.publish('t', body, { raw: true })
    state.bus.publish('t', Buffer.of(7), { raw: true })
  }, length)
  const seen = () => reader.run(({ state: { uncaught, told, got, raw } }) => ({ uncaught, told, got, raw }))
  await until('the next arrives, or the bus is lost', async () => {
    const { got, told } = await seen()
    return got.length === 2 || told.length > 0
  })
  const before = { uncaught: ['ERR_STRING_TOO_LONG'], got: [7, 7], raw: [5 + length, 1] }
  assert.deepStrictEqual(await seen(), { ...before, told: [] })
  await writer.run(({ state }) => void state.bus.publish('t', Buffer.of(0xc1), { raw: true }))
  await until('the bus is lost', async () => (await seen()).told.length > 0)
  assert.deepStrictEqual(await seen(), { ...before, told: ['ERR_CORRUPT'] })
  for (const each of [reader, writer]) await each.end()
  assert.deepStrictEqual(left(), [])
})

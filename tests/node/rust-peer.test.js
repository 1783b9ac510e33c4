'use strict'

// A Rust program and a Node process on one bus: the same frames, values and bytes both ways.

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { once } = require('node:events')
const test = require('node:test')
const { open } = require('slabcast')
const { rustProgram } = require('./support/rust')

test('a Rust program and a Node process exchange values and bytes', { timeout: 600_000 }, async (t) => {
  const name = `rust-peer-${process.pid}`
  const bus = open({ name })
  t.after(() => bus.close())
  const peer = spawn(rustProgram('rust_peer'), [name], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => peer.kill('SIGKILL'))
  await once(peer.stdout, 'data')

  const received = []
  let next
  bus.subscribe('to-node', (message, meta) => {
    received.push([message, meta])
    next?.()
  })
  const answers = async (count) => {
    while (received.length < count) await new Promise((resolve) => (next = resolve))
    return received.splice(0)
  }

  bus.publish('to-rust', { from: 'ann', text: 'olé 👋', at: 1682302513688.5, tags: ['a', ''] })
  bus.publish('to-rust', { text: '', from: 'bo', at: -1 })
  bus.publish('to-rust', Buffer.from([0, 255, 1]), { raw: true })
  const [[first, meta], [second], [bytes]] = await answers(3)
  assert.deepEqual(first, { from: 'rust, to ann', text: '👋 élo', at: 1682302513688.5, tags: ['a', ''] })
  assert.deepEqual(second, { from: 'rust, to bo', text: '', at: -1, tags: [] })
  assert.deepEqual(bytes, Buffer.from([0, 255, 1]))
  assert.equal(meta.publisher.pid, peer.pid)
  assert.equal(meta.sequence, 1)

  // Each asks the other: the Rust program, while it is asked, this one.
  bus.respond('may-shout', (text) => {
    if (text === '') throw Object.assign(new RangeError('nothing to shout'), { code: 'E_EMPTY' })
    return text !== 'quiet'
  })
  assert.equal(await bus.request('shout', 'olé'), 'OLÉ')
  assert.deepEqual(await bus.requestMany('shout', 'x'.repeat(1000)), [{ status: 'fulfilled', value: 'X'.repeat(1000) }])
  await assert.rejects(bus.request('shout', 'quiet'), { name: 'Error', message: 'not here' })
  await assert.rejects(bus.request('shout', ''), { name: 'Error', message: 'RangeError: nothing to shout' })
  await assert.rejects(bus.request('shout', 7), { name: 'Error', message: /not of the type/ })

  bus.publish('to-rust', { from: 'ann', text: 'bye', at: 0 })
  const [code] = await once(peer, 'exit')
  assert.equal(code, 0)
})

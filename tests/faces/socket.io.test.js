'use strict'

// slabcast/socket.io beside @socket.io/cluster-adapter: the same program, three servers in processes of their own, real clients.

const test = require('node:test')
const { connect, start } = require('./socket.io/cluster')
const { program } = require('./socket.io/program')

const kinds = {
  'the official adapter': ['official'],
  'slabcast/socket.io': ['slabcast'],
  'slabcast/socket.io, with recovery': ['slabcast', { options: { connectionStateRecovery: {} }, hidesOffsets: true }],
}

for (const [kind, given] of Object.entries(kinds)) {
  test(kind, async (t) => {
    const { workers } = await start(t, ...given)
    const clients = []
    for (let at = 0; at < 6; at++) clients.push(await connect(t, workers[Math.floor(at / 2)], { auth: { at } }))
    // One after the other: each finds all there and nothing under way.
    for (const [title, act] of Object.entries(program)) await t.test(title, (t) => act({ t, workers, clients }))
  })
}

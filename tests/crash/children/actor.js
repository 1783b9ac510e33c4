'use strict'

// A process of a test: runs the functions its test sends, with the bus and a state of its own at hand. It ends with its
// test, whatever becomes of that.

const vm = require('node:vm')

const hands = {
  ipc: require('../../..'),
  fs: require('node:fs'),
  workers: require('node:worker_threads'),
  children: require('node:child_process'),
  forever: require('./forever'),
  system: require('../../node/support/system'),
  state: {},
}

process.on('message', async ({ id, source, args }) => {
  try {
    const value = await vm.runInThisContext(`(${source})`)(hands, ...args)
    process.send({ id, value })
  } catch (error) {
    process.send({ id, error: { ...error, name: error.name, message: error.message, stack: error.stack } })
  }
})
process.on('disconnect', () => process.exit())
process.send('ready')

'use strict'

// A worker_thread that takes part in program.js, with the class that it is told.

const { parentPort, workerData } = require('node:worker_threads')
const { program } = require('./program')

const heard = []
let wake = () => {}
parentPort.on('message', (message) => {
  heard.push(message)
  wake()
})
// It does not keep the thread alive but while something is to be heard.
parentPort.unref()

async function hear() {
  parentPort.ref()
  while (heard.length === 0) await new Promise((resolve) => (wake = resolve))
  parentPort.unref()
  return heard.shift()
}

const say = async (what) => parentPort.postMessage(what)

const Class = workerData.module ? require(workerData.module).BroadcastChannel : BroadcastChannel
program(Class, workerData.role, { say, hear })

'use strict'

// A process or thread of a trial: plays the role it is told. A system may send messages of its own on the same channel.

const { isMainThread, parentPort } = require('node:worker_threads')
const { play } = require('./roles')
const { Words } = require('./words')

const parent = parentPort ?? process
const say = (word) => (parentPort ? parentPort.postMessage(word) : process.send(word))

const words = new Words()
parent.on('message', ({ told }) => {
  if (told !== undefined) words.put(told)
})

async function main() {
  const trial = await words.take()
  await play(trial, { hears: () => words.take(), says: (said) => say({ said }), isProcess: isMainThread })
  if (isMainThread) process.disconnect()
  else parentPort.close()
}

main().catch((error) => {
  say({ said: { error: error.stack } })
})

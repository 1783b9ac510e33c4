'use strict'

// The program of a child started by process.js: runs the function it is sent.

const { until } = require('./wait')

const heard = []
process.on('message', (message) => heard.push(message))
// No child outlives its test.
process.on('disconnect', () => process.exit(1))
process.channel.unref()

const say = (what) => new Promise((resolve) => process.send(what, resolve))

async function hear() {
  if (heard.length === 0) process.channel.ref()
  try {
    while (heard.length === 0) await new Promise((resolve) => process.once('message', resolve))
  } finally {
    process.channel.unref()
  }
  return heard.shift()
}

async function main() {
  const { work, args } = await hear()
  const compiled = new Function('require', `return ${work}`)(require)
  try {
    await compiled({ say, hear, until }, ...args)
  } catch (error) {
    await say({ failed: error.stack })
    process.exit(1)
  }
}

main()

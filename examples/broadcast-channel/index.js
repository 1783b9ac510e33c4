'use strict'

// A cache in each worker, and a change in one of them forgotten by all: what BroadcastChannel is used for between the tabs of a
// browser, between the workers of a cluster. `node examples/broadcast-channel`

const cluster = require('node:cluster')
const { BroadcastChannel } = require('slabcast/broadcast-channel')

const WORKERS = 3

if (cluster.isPrimary) startWorkers()
else serve(Number(process.env.WORKER))

function startWorkers() {
  let listening = 0
  for (let number = 1; number <= WORKERS; number++) {
    const worker = cluster.fork({ WORKER: number })
    worker.once('message', () => {
      if (++listening < WORKERS) return
      // All have their caches: the first one changes something.
      for (const other of Object.values(cluster.workers)) other.send('go on')
    })
  }
}

function serve(number) {
  const cache = new Map([['greeting', 'hello']])
  const changes = new BroadcastChannel('changes')

  changes.onmessage = ({ data: { key, by } }) => {
    cache.delete(key)
    console.log(`worker ${number} forgets "${key}", which worker ${by} has changed`)
    end()
  }

  process.once('message', () => {
    if (number !== 1) return
    cache.set('greeting', 'good evening')
    changes.postMessage({ key: 'greeting', by: number })
    console.log(`worker ${number} has changed "greeting"`)
    end()
  })

  function end() {
    changes.close()
    process.disconnect()
  }

  process.send('ready')
}

'use strict'

// Applications of several processes, for discovery.test.js: `node application.js <shape> <who>`. Every process that is to
// meet the others says `{ who, sees }` on its output whenever somebody new came, until it is ended. `APPLICATION` stands
// before every name.

const { fork } = require('node:child_process')
const cluster = require('node:cluster')
const { Worker, isMainThread, workerData } = require('node:worker_threads')

function meet(name) {
  const ipc = require('slabcast')
  const who = (process.env.APPLICATION ?? '') + name
  const seen = new Set()
  ipc.subscribe('here', (other) => {
    if (seen.has(other)) return
    seen.add(other)
    process.stdout.write(`${JSON.stringify({ who, sees: [...seen].sort() })}\n`)
  })
  setInterval(() => ipc.publish('here', who), 10)
  process.on('disconnect', () => process.exit())
}

/** What `who` does in an application of this shape. */
const shapes = {
  alone: { main: () => meet('main') },

  'cluster with a primary that takes part': {
    main: () => {
      meet('main')
      for (const who of ['a', 'b']) cluster.fork({ WHO: who })
    },
  },
  'cluster whose primary does not load slabcast': {
    main: () => {
      for (const who of ['a', 'b']) cluster.fork({ WHO: who })
    },
  },
  'forked children': {
    main: () => {
      meet('main')
      for (const who of ['a', 'b']) fork(__filename, [shape, who])
    },
    a: () => meet('a'),
    b: () => meet('b'),
  },
  'forked children and grandchildren, with one between that does not take part': {
    main: () => {
      meet('main')
      fork(__filename, [shape, 'between'])
    },
    between: () => {
      process.on('disconnect', () => process.exit())
      for (const who of ['a', 'b']) fork(__filename, [shape, who])
    },
    a: () => meet('a'),
    b: () => {
      meet('b')
      fork(__filename, [shape, 'c'])
    },
    c: () => meet('c'),
  },
  'worker threads': {
    main: () => {
      meet('main')
      for (const who of ['a', 'b']) new Worker(__filename, { workerData: { who } })
    },
  },
  'worker threads of forked children': {
    main: () => fork(__filename, [shape, 'a']),
    a: () => {
      meet('a')
      new Worker(__filename, { workerData: { who: 'b' } })
    },
  },
}

const [, , shape, name = 'main'] = process.argv

if (require.main === module || !isMainThread) {
  const who = isMainThread ? process.env.WHO : workerData.who
  if (who) meet(who)
  else shapes[shape][name]()
}

module.exports = { shapes: Object.keys(shapes) }

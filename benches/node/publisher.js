'use strict'

// The Node publisher of benches/window.rs: publishes bodies of a size at a rate (0: as many as it can) until it is killed.

const [name, bytes, rate] = process.env.SLABCAST_BENCH_WINDOW.split(' ').map((word, at) =>
  at === 0 ? word : Number(word),
)
const bus = require('../..').open({ name })
const body = Buffer.alloc(bytes, 7)
// The whole slab once: the first touch of a page is not what is measured.
for (let at = 0; at <= 2 ** 24 / (64 + bytes); at++) bus.publish('t', body, { raw: true })
const start = performance.now()
let sent = 0

function turn() {
  const due = rate === 0 ? Number.POSITIVE_INFINITY : ((performance.now() - start) * rate) / 1000
  for (let count = 0; count < 64 && sent < due; count++, sent++) bus.publish('t', body, { raw: true })
  if (sent < due) setImmediate(turn)
  else setTimeout(turn, 1)
}

// It ends with the bench.
process.stdin.on('end', () => process.exit()).resume()
turn()

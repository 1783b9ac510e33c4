// The processes of a run: `node actor.mjs publisher NAME` and `node actor.mjs subscriber NAME NOTES`, told what to do by their
// parent.

import { openSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'

const { open } = createRequire(import.meta.url)('../../js/index.js')
const [, , role, name, notes] = process.argv

const say = (what) => new Promise((resolve) => process.send(what, resolve))
process.on('disconnect', () => process.exit(1))

/** Numbers, as fast as one in a few hundred microseconds, until told to stop; then says how many. */
function publish() {
  const bus = open({ name, size: '64mb' })
  let n = 0
  let isOver = false
  const some = () => {
    if (isOver) return
    // So many at once that a subscriber always has some behind the one in its hands.
    for (let count = n % 7; count >= 0; count--) {
      if (!bus.publish('t', { n: ++n, padding: 'x'.repeat(n % 200) })) process.exit(2)
    }
    setTimeout(some, 1)
  }
  const acts = {
    begin: some,
    stop: () => {
      isOver = true
      say({ published: n })
    },
    // It stays to the end, so that the bus does.
    leave: async () => {
      await bus.close()
      process.disconnect()
    },
  }
  process.on('message', (what) => acts[what]())
  say('ready')
}

/**
 * Lives one life after the other, as it is told: { life, kind, count, async }. `close` ends in order once `count` messages came;
 * `itself` kills its process in the listener of that one, before it returns; `between` right after; `parent` waits to be killed. Each
 * call of the listener and each return is noted at once, in a file that a kill takes nothing from.
 */
function subscribe() {
  const file = openSync(notes, 'a')
  const note = (...words) => writeSync(file, `${words.join(' ')}\n`)
  let n = 0

  function live({ life, kind, count, isAsync, last }) {
    const bus = open({ name, size: '64mb' })
    bus.on('gap', ({ from, to, reason }) => note('gap', from, to, reason))
    note('life', life, kind)
    let came = 0
    let isOver = false
    const end = async () => {
      isOver = true
      await bus.close()
      note('end', life)
      await say('ended')
    }
    const returned = () => {
      note('returned', n)
      if (kind === 'close' && came >= count && !isOver) end()
      if (n === last) end()
      // The listener has returned, and its message is handled; the next is due.
      if (kind === 'between' && came >= count) setImmediate(() => process.kill(process.pid, 'SIGKILL'))
    }
    const called = (message, meta) => {
      n = message.n
      came++
      note('called', n, meta.redelivered ? 'again' : 'first')
      if (n !== meta.sequence) note('wrong', n, meta.sequence)
      if (kind === 'itself' && came >= count) process.kill(process.pid, 'SIGKILL')
    }
    const listeners = {
      sync: (message, meta) => {
        called(message, meta)
        returned()
      },
      async: async (message, meta) => {
        called(message, meta)
        await new Promise(setImmediate)
        returned()
      },
    }
    bus.subscribe('t', isAsync ? listeners.async : listeners.sync, { durable: 'd' })
    say('begun')
  }

  process.on('message', (told) => (told === 'leave' ? process.disconnect() : live(told)))
  say('ready')
}

if (role === 'publisher') publish()
else subscribe()

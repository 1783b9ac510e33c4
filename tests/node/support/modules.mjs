// An ES module that shows what it sees of slabcast beside CommonJS' view.

import { createRequire } from 'node:module'
import ipc, { decode, encode, open, SlabcastError } from 'slabcast'

const required = createRequire(import.meta.url)('slabcast')
const bus = open()

let error
try {
  ipc.publish('', 1)
} catch (caught) {
  error = caught
}
const seen = []
await new Promise((resolve) => {
  ipc.subscribe('t', (message, { publisher }) => seen.push([message, publisher.member]) === 3 && resolve())
  ipc.publish('t', 'import')
  required.publish('t', 'require')
  bus.publish('t', decode(encode('open')))
})
await Promise.all([ipc.close(), bus.close()])

console.log(
  JSON.stringify({
    same: ipc === required,
    names: [open, encode, decode, SlabcastError].every(
      (value, at) => value === required[['open', 'encode', 'decode', 'SlabcastError'][at]],
    ),
    isError: error instanceof SlabcastError,
    seen,
  }),
)

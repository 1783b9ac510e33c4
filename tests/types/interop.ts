// As one writes ES modules in TypeScript that becomes CommonJS, or goes through a bundler.

import ipc, { type Bus, decode, encode, open, SlabcastError } from 'slabcast'

interface Topics {
  [user: `user:${number}:name`]: string
}

export const bus: Bus<Topics> = open<Topics>()
bus.subscribe('user:7:name', (name, { topic }) => `${topic satisfies `user:${number}:name`}${name.trim()}`)
// @ts-expect-error not the form of the key
bus.publish('user:seven:name', 'ann')
// @ts-expect-error not this topic's message
bus.publish('user:7:name', 7)
decode(encode(new Map()))
ipc.open({ name: 'another' }).on('gap', ({ lost }) => lost.toFixed())
export const isFull = (error: unknown) => error instanceof SlabcastError && error.code === 'ERR_OUTBOX_FULL'

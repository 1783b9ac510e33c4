// The same door for ES modules.

import ipc, { type Bus, decode, encode, type Gap, open, SlabcastError } from 'slabcast'

const bus: Bus<{ count: number }> = open<{ count: number }>()
bus.subscribe('count', (count, meta) => count.toFixed(meta.sequence))
bus.publish('count', 1)
// @ts-expect-error not this topic's message
bus.publish('count', 'one')
ipc.on('gap', (gap: Gap) => gap.lost)
const bytes: Buffer = encode(new Map())
decode(bytes)
const error: unknown = undefined
if (error instanceof SlabcastError) error.code satisfies string

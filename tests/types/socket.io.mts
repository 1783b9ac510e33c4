// slabcast/socket.io, as a server and as an emitter.

import { open } from 'slabcast'
import { createAdapter, Emitter, type MissingServersError } from 'slabcast/socket.io'

const bus = open<{ news: string }>({ name: 'types' })
createAdapter()
createAdapter({ bus, heartbeatInterval: 5_000 })
// @ts-expect-error not a bus
createAdapter({ bus: {} })

const emitter = new Emitter<{ news: (title: string, at: Date) => void }>({ bus }, '/chat')
const taken: boolean = emitter.to('room').except(['a', 'b']).volatile.compress(false).emit('news', 'title', new Date())
// @ts-expect-error not this event's arguments
emitter.emit('news', 1)
// @ts-expect-error no such event
emitter.emit('olds', 'title')
emitter.of('other').in('room').socketsJoin(['a'])
emitter.disconnectSockets(true)
new Emitter().emit('anything', 1, 'two', taken)

const missing = (error: MissingServersError): number[] => error.missing.map(({ pid }) => pid)
missing satisfies (error: MissingServersError) => number[]

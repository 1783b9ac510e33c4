// slabcast/events: an emitter that knows its events, and one that does not.

import { type EventEmitter, once } from 'node:events'
import { open } from 'slabcast'
import { BusEmitter } from 'slabcast/events'

const emitter = new BusEmitter<{ joined: [user: string, at: Date]; left: [] }>({ bus: open(), name: 'users' })
emitter.on('joined', (user, at) => [user.toUpperCase(), at.getTime()]).once('left', () => {})
const isHeard: boolean = emitter.emit('joined', 'ann', new Date())
emitter.emit('left')
// @ts-expect-error nobody joins without a time
emitter.emit('joined', 'ann')
// @ts-expect-error no such argument
emitter.on('left', (user: string) => user)
emitter.prependListener('joined', (user) => user).off('left', () => {})

const any = new BusEmitter({ captureRejections: isHeard })
any.on('whatever', (one, two) => [one, two])
any.emit('whatever', 1, 'two')
any.emit(Symbol('own'))
any satisfies EventEmitter
void once(any, 'whatever')
any.close()
// @ts-expect-error a name is text
new BusEmitter({ name: 1 })

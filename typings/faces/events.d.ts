/// <reference types="node" />
import { EventEmitter } from 'node:events'
import type { Bus } from '../index.js'

export interface BusEmitterOptions {
  /**
   * The bus by which the processes' emitters are one. It is not closed with the emitter.
   * @default the default bus
   */
  bus?: Bus
  /**
   * Which emitter it is: those of one name on a bus are one, in whatever process or thread, also two in one thread. Any string.
   * @default ''
   */
  name?: string
  /**
   * As of EventEmitter: a promise of a listener that is rejected is emitted as `'error'`, in the process of that listener.
   * @default false
   */
  captureRejections?: boolean
}

/**
 * An EventEmitter whose `emit` reaches the other processes: it publishes, and calls the listeners of its own process at once, as any
 * does; those elsewhere are called when it comes to them, in the one order of the bus, with copies of the arguments as they were at
 * the call. Other emitters of its name in its thread are elsewhere, too. `Events`: what is emitted, event -> arguments.
 *
 * `emit` returns whether there are listeners here. It throws what one of them throws: the event is on its way to the others then.
 * What `publish` of a bus throws it does before it calls any: `ERR_NOT_SERIALIZABLE`, `ERR_MESSAGE_TOO_LARGE`, `ERR_OUTBOX_FULL`, ...
 *
 * All else is EventEmitter's, about the listeners of this emitter alone: `listenerCount`, `eventNames`, `removeAllListeners`.
 * Symbols, `'error'`, `'newListener'` and `'removeListener'` stay in their process.
 *
 * Each event that has listeners here has one subscription, from the first of them to the last; it keeps the process alive as any
 * does. `on` and its like throw what `subscribe` of a bus throws, and have then added nothing.
 */
export declare class BusEmitter<Events extends Record<keyof Events, any[]> = any> extends EventEmitter<Events> {
  /** @throws `ERR_INVALID_ARG_TYPE` */
  constructor(options?: BusEmitterOptions)

  /**
   * Nothing is heard from elsewhere any more. `emit` of what is not local, and adding listeners to it, throws `ERR_CLOSED` from then
   * on. The bus stays open.
   */
  close(): void
}

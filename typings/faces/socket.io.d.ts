import type { ClusterAdapter } from 'socket.io-adapter'

import ipc = require('../index.js')

export interface AdapterOptions {
  /**
   * The bus by which the servers meet. It is never closed: `io.close()` ends what the adapter has begun on it.
   * @default the default bus
   */
  bus?: ipc.Bus
  /** Of `@socket.io/cluster-adapter`, without effect: who is there, the bus knows. */
  heartbeatInterval?: number
  /** Of `@socket.io/cluster-adapter`, without effect: who died, the bus tells. */
  heartbeatTimeout?: number
}

/** A server, as an error names it. */
export interface ServerInfo {
  /** Its name among the servers of its namespace. */
  uid: string
  /** Its member of the bus, as `meta.publisher` has it. */
  member: number
  /** Its process. */
  pid: number
}

/**
 * What becomes of a question that not all servers answered: `fetchSockets` is rejected with it, `serverSideEmit` passes it to its
 * callback beside the answers there are; of a broadcast with acknowledgements it stands among the responses, once for each client that
 * cannot answer any more, or once for a server that died before it said how many it has.
 *
 * `ERR_NO_RESPONDERS`: they died or left; known within some 0.1 s, told once the others have answered. `ERR_TIMEOUT`: they did not
 * answer in time.
 */
export interface MissingServersError extends ipc.SlabcastError {
  readonly code: 'ERR_NO_RESPONDERS' | 'ERR_TIMEOUT'
  readonly missing: ServerInfo[]
}

/**
 * For `new Server({ adapter: createAdapter() })`, in every process; there is nothing to do in the primary. Its `'error'` event, or where
 * nobody listens a process warning (`SLABCAST_SOCKET_IO`), tells that the bus did not take what others were to be told:
 * `ERR_OUTBOX_FULL`, `ERR_MESSAGE_TOO_LARGE`, `ERR_CLOSED` and what else `publish` throws.
 * @throws `ERR_INVALID_ARG_TYPE`. A server that is made with it, what `subscribe` throws.
 */
export declare function createAdapter(options?: AdapterOptions): (nsp: any) => ClusterAdapter

export interface EmitterOptions {
  /**
   * The bus of the servers.
   * @default the default bus
   */
  bus?: ipc.Bus
}

/** Events by name, as functions of their arguments: `{ news: (title: string) => void }`. */
export interface EventsMap {
  [event: string]: any
}

type NameOf<Events> = keyof Events & string
type ArgumentsOf<Event> = Event extends (...args: infer Arguments) => void ? Arguments : any[]

/**
 * To whom something goes. Each call that says more gives another.
 *
 * What sends something returns what `publish` does, `true`: it is on the bus; `false`: it waits in the outbox, slow down until the bus'
 * `'drain'`; and throws what `publish` throws.
 */
export declare class BroadcastOperator<EmitEvents = EventsMap> {
  /** Those who are in the room, or in one of several; without: all of the namespace. */
  to(room: string | string[]): BroadcastOperator<EmitEvents>
  /** As `to`. */
  in(room: string | string[]): BroadcastOperator<EmitEvents>
  /** But those who are in the room, or in one of several. */
  except(room: string | string[]): BroadcastOperator<EmitEvents>
  /** Whether WebSocket messages may be compressed, where the servers do that. */
  compress(compress: boolean): BroadcastOperator<EmitEvents>
  /** What follows may be lost where a client is not ready, and is not recovered. */
  readonly volatile: BroadcastOperator<EmitEvents>
  /** @throws `Error`: a reserved name, or a callback: nobody is here to be answered */
  emit<Name extends NameOf<EmitEvents>>(event: Name, ...args: ArgumentsOf<EmitEvents[Name]>): boolean
  /** Has the sockets join rooms. */
  socketsJoin(rooms: string | string[]): boolean
  /** Has the sockets leave rooms. */
  socketsLeave(rooms: string | string[]): boolean
  /**
   * Disconnects the sockets.
   * @param close their connections too, with all namespaces of these. Default: false
   */
  disconnectSockets(close?: boolean): boolean
  /**
   * To the servers' own listeners of the namespace, `io.on(event)`.
   * @throws `Error`: a callback
   */
  serverSideEmit(event: string, ...args: any[]): boolean
}

/** For processes that are no Socket.IO servers: what they emit, the servers of the bus hand out. It keeps no process alive. */
export declare class Emitter<EmitEvents = EventsMap> extends BroadcastOperator<EmitEvents> {
  /**
   * @param nsp the namespace, with or without the slash before it. Default: `'/'`
   * @throws `ERR_INVALID_ARG_TYPE`
   */
  constructor(options?: EmitterOptions, nsp?: string)
  /** One for another namespace; a name without a slash before it gets one. */
  of(nsp: string): Emitter<EmitEvents>
}

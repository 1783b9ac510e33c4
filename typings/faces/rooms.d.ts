/// <reference types="node" />
import type { Bus } from '../index.js'

/**
 * What can be in a room: a socket of `ws`, of uWebSockets.js, a `WebSocket`, or anything that can be sent to.
 */
export interface RoomSocket {
  /**
   * Is given text as a string and bytes as a Buffer, which is the same object for all sockets of a thread and not to be
   * changed; and whether it is bytes. What it returns is not looked at. One that throws is taken out of all rooms, and a process
   * warning (`SLABCAST_SOCKET`) says so.
   */
  send(data: any, isBinary?: any): unknown
  /** If it is a number it is taken for a WebSocket's: 0 is sent nothing yet, 1 is open, more is taken out of all rooms. */
  readonly readyState?: unknown
}

export interface RoomsOptions {
  /**
   * The bus by which the workers' rooms are joined. It is not closed with the rooms.
   * @default the default bus
   */
  bus?: Bus
}

export interface RoomPublishOptions {
  /** A socket of this worker that is not to get it; it need not be in the room. */
  except?: object
}

/** Bytes of whatever type: sockets are handed a Buffer. */
export type RoomBytes = NodeJS.ArrayBufferView | ArrayBuffer

/**
 * Rooms of sockets, over all workers: what is published to a room reaches all sockets that are in it, in whatever process or thread. A room
 * is there while somebody is in it. Its name is any string, of any length.
 *
 * Each thread has one subscription for each room that a socket of its own is in, which keeps the process alive as any does. All
 * sockets of a room get all messages in the same order, in whatever worker they are.
 */
export declare class Rooms {
  /** @throws `ERR_INVALID_ARG_TYPE` */
  constructor(options?: RoomsOptions)

  /**
   * When it returns, the socket gets all that is published to the room from then on, by anybody, and nothing from before. Again: no
   * effect.
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CLOSED`; of the first socket of a room in this thread: as `subscribe` of a bus
   */
  join(room: string, socket: RoomSocket): void

  /** The socket gets nothing more of the room when it returns. One that is not in it: no effect. */
  leave(room: string, socket: RoomSocket): void

  /** As `leave`, of all rooms it is in: for when a socket was closed. */
  leaveAll(socket: RoomSocket): void

  /**
   * Publishes text or bytes to a room, from any thread: also one that has no socket. Never blocks; the sockets of this worker
   * get it after it returned, too. What it is given may be changed then.
   * @param data text, in which what UTF-8 cannot carry (a lone surrogate) becomes U+FFFD; or bytes, not on a SharedArrayBuffer
   * @returns as `publish` of a bus: `false`: slow down until its event `'drain'`
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_CLOSED`; as `publish` of a bus: `ERR_OUTBOX_FULL`, `ERR_MESSAGE_TOO_LARGE`, ...
   */
  publish(room: string, data: string | RoomBytes, options?: RoomPublishOptions): boolean

  /** All sockets of this thread leave all rooms at once; `join` and `publish` throw `ERR_CLOSED` from then on. The bus stays open. */
  close(): void
}

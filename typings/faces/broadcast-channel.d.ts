import ipc = require('../index')

export interface BroadcastChannelOptions {
  /**
   * The bus it goes over; it is not closed with the channel.
   * @default the application's default bus
   */
  bus?: ipc.Bus
}

/** What a channel's listeners are given. `data` is this channel's own copy; of a `messageerror` it is null. */
export interface BroadcastMessageEvent<Data = any> extends Event {
  readonly data: Data
}

type Handler<Data> = ((this: BroadcastChannel<Data>, event: BroadcastMessageEvent<Data>) => unknown) | null
type Listener<Data> =
  | ((this: BroadcastChannel<Data>, event: BroadcastMessageEvent<Data>) => unknown)
  | { handleEvent(event: BroadcastMessageEvent<Data>): unknown }
type AnyListener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown }
/** With the types of Node as with those of a browser. */
type ListenerOptions = Parameters<EventTarget['addEventListener']>[2]

/**
 * BroadcastChannel as in the HTML standard, between all threads of all processes on the bus. docs/faces/broadcast-channel.md has what
 * differs.
 */
export declare class BroadcastChannel<Data = any> extends EventTarget {
  /**
   * Open when it returns: it is given all that others post from then on.
   * @param name any string; anything else is made one
   * @throws what opening a bus and subscribing throw
   */
  constructor(name: string, options?: BroadcastChannelOptions)

  readonly name: string

  /**
   * Gives a copy of a message to every other channel of this name that is open, in whatever process or thread.
   *
   * Throws a DOMException: InvalidStateError after `close`; DataCloneError for what cannot travel, with the bus' error as `cause`.
   * Throws the bus' error when it cannot be accepted: `ERR_OUTBOX_FULL`, `ERR_MESSAGE_TOO_LARGE`. What a getter or `toJSON` in
   * the message throws comes out unchanged.
   */
  postMessage(message: Data): void

  /** Nothing is dispatched after it returns. What was posted still reaches the others. Again: no effect. */
  close(): void

  /** Keeps the process alive while it is open (the default). */
  ref(): this

  /** Lets the process end though it is open. */
  unref(): this

  /** Called with each message: a listener that is set, not added. */
  get onmessage(): Handler<Data>
  set onmessage(handler: Handler<Data>)

  /** Called for what came and cannot be decoded. */
  get onmessageerror(): Handler<Data>
  set onmessageerror(handler: Handler<Data>)

  addEventListener(type: 'message' | 'messageerror', listener: Listener<Data> | null, options?: ListenerOptions): void
  addEventListener(type: string, listener: AnyListener | null, options?: ListenerOptions): void

  removeEventListener(
    type: 'message' | 'messageerror',
    listener: Listener<Data> | null,
    options?: ListenerOptions,
  ): void
  removeEventListener(type: string, listener: AnyListener | null, options?: ListenerOptions): void
}

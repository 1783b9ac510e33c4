import { PubSubEngine } from 'graphql-subscriptions'
import type { Bus } from '../index.js'

export interface PubSubOptions {
  /**
   * The bus by which what is published reaches the other processes. It is not closed with the PubSub.
   * @default the default bus
   */
  bus?: Bus
}

/**
 * The PubSub of graphql-subscriptions over all processes: `asyncIterableIterator`, and `withFilter` on top of it, are that package's own.
 * `Events`: what is published, trigger -> payload. A trigger's name is any string.
 *
 * A subscription keeps the process alive as any of a bus does.
 */
export declare class PubSub<Events extends { [event: string]: unknown } = Record<string, never>> extends PubSubEngine {
  /** @throws `ERR_INVALID_ARG_TYPE` */
  constructor(options?: PubSubOptions)

  /**
   * Resolves when the bus has accepted it, before any subscriber has it; payloads are as the codec allows.
   * @throws (rejects) `ERR_INVALID_ARG_TYPE`; `ERR_CLOSED`; as `publish` of a bus: `ERR_NOT_SERIALIZABLE`, `ERR_MESSAGE_TOO_LARGE`,
   *   `ERR_OUTBOX_FULL`, ...
   */
  publish<K extends keyof Events>(
    triggerName: K & string,
    payload: Events[K] extends never ? any : Events[K],
  ): Promise<void>

  /**
   * All that is published from the call on, by whatever process, this one too. The subscribers of one thread share the payload.
   * @param onMessage called with the payload alone
   * @returns the number to unsubscribe with
   * @throws (rejects) `ERR_INVALID_ARG_TYPE`; `ERR_CLOSED`; as `subscribe` of a bus
   */
  subscribe<K extends keyof Events>(
    triggerName: K & string,
    onMessage: (payload: any) => void,
    options?: object,
  ): Promise<number>

  /** No call of `onMessage` after it returns. Again, or a number that nobody was given: no effect. */
  unsubscribe(subId: number): void

  /**
   * Ends all subscriptions; `publish` and `subscribe` reject with `ERR_CLOSED` from then on. Loops over `asyncIterableIterator` get
   * nothing more: they are ended by their own `return`. The bus stays open.
   */
  close(): void
}

import slabcast = require('../index.js')

/**
 * An emitter with mqemitter's calls whose messages also reach the emitters of other processes, and other emitters of this one: for
 * aedes, `new Aedes({ mq: mqemitter() })`. Needs the package `mqemitter`, 7 or later, which matches and calls the listeners.
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`
 */
declare function mqemitter(options?: mqemitter.Options): mqemitter.Emitter

declare namespace mqemitter {
  /** Those of mqemitter, and the bus. Defaults are written into the object, as mqemitter does. */
  interface Options {
    /**
     * The bus; it is not closed with the emitter.
     * @default the default bus
     */
    bus?: slabcast.Bus
    /**
     * How many messages are with listeners of this emitter at once, and how many of its own may wait for room in the slab: others queue,
     * without bound, and none is refused for a full outbox. A number from 0; 0: as many as come.
     * @default 0
     */
    concurrency?: number
    /**
     * Whether `wildcardOne` also matches a level without characters.
     * @default true
     */
    matchEmptyLevels?: boolean
    /**
     * Between the levels of a topic.
     * @default '/'
     */
    separator?: string
    /**
     * The level of a filter that matches any one level.
     * @default '+'
     */
    wildcardOne?: string
    /**
     * The level of a filter that matches any number of levels, none too.
     * @default '#'
     */
    wildcardSome?: string
  }

  /**
   * Any object with a topic, of any string of at most 100 levels. Listeners of its own emitter get it as it is; others get what the
   * codec makes of it: the own properties, with Buffers, dates and so on as what they were.
   */
  type Message = Record<string, any> & { topic: string }

  /** @param done to be called when it is through with the message */
  type Listener = (this: Emitter, message: Message, done: () => void) => void

  interface Emitter {
    /** Messages that are with listeners of this emitter. */
    readonly current: number
    /** The option. */
    readonly concurrency: number
    /** Messages that wait for their turn, by `concurrency`. */
    readonly length: number
    /** Whether `close` is through. */
    readonly closed: boolean

    /**
     * Calls the listener for each message a filter matches, of this emitter and of others. Each call adds one, the same again too. It
     * keeps the process alive until it is removed, or the emitter is closed.
     * @param topic a filter: a topic, or one with wildcards, at most 100 levels and three `wildcardSome`; more: an `Error`, as mqemitter's
     * @param callback called later: from now on everything emitted, by whomever, reaches the listener. With an error of the bus, as of
     *   `subscribe` (`ERR_CLOSED`, `ERR_TOO_MANY_TOPICS`, ...): nothing was added. Without a callback such an error is thrown.
     * @throws `ERR_INVALID_ARG_TYPE`
     */
    on(topic: string, listener: Listener, callback?: (error?: Error) => void): this

    /**
     * Takes the listener from a filter, once, in the next turn of the event loop.
     * @param callback called then
     */
    removeListener(topic: string, listener: Listener, callback?: () => void): this

    /** Takes all listeners from a filter, at once. */
    removeAllListeners(topic: string, callback?: () => void): this

    /**
     * Publishes a message, then calls the listeners here, before it returns.
     * @param callback called when the listeners here are done with it and it is in the slab, where it outlives this process; others
     *   have it or will have it soon. Or, later, with an error as of `publish` (`ERR_OUTBOX_FULL`, `ERR_MESSAGE_TOO_LARGE`, `ERR_NOT_SERIALIZABLE`,
     *   `ERR_CLOSED`, ...): nobody got it. Or, at once, with an `Error` after `close`. Without a callback an error of the bus is a
     *   process warning (`SLABCAST_MQEMITTER`).
     * @throws `ERR_INVALID_ARG_TYPE`; `ERR_INVALID_ARG_VALUE`: the topic has more than 100 levels
     */
    emit(message: Message, callback?: (error?: Error) => void): this | undefined

    /**
     * Ends it: no message of others comes any more, `emit` is refused. What was emitted goes on its way.
     * @param callback called later, when all of that is in the slab. The process may end then, unless something else keeps it.
     */
    close(callback?: () => void): this
  }
}

export = mqemitter

/// <reference types="node" />
import { EventEmitter } from 'node:events'

/**
 * The module is the default bus: every process of one application meets on it, with no settings. Nothing happens before
 * its first use.
 */
declare const ipc: ipc.DefaultBus

declare namespace ipc {
  /**
   * What a bus carries of which nothing is said: any message on any topic. Else an interface says topic -> message; its keys may
   * be template literals: `{ news: string; [room: `room:${string}`]: Chat }`. A typed bus can be given wherever a
   * plain `Bus` is taken.
   */
  type AnyTopics = any

  /** What the topics of `Topics` that `Name` can name carry. */
  type MessageOf<Topics, Name extends string> = Name extends keyof Topics ? Topics[Name] : never
  type NameOf<Topics> = Extract<keyof Topics, string>

  interface OpenOptions {
    /**
     * 1 to 64 of `A-Z a-z 0-9 . _ -`. Per user: two users never share a bus by accident.
     * @default the application's own bus: found from the processes' descent, or given by `SLABCAST_BUS`
     */
    name?: string
    /**
     * Bytes of the slab, rounded up to a power of two; 64 KiB to 64 GiB, a number or like `'64mb'`. The creator's sizes
     * count, later openers get them.
     * @default 16 MiB
     */
    size?: number | string
    /**
     * Bytes of one encoded message, at most half of `size`. Larger ones: `ERR_MESSAGE_TOO_LARGE`. The creator's counts.
     * @default size / 2
     */
    maxMessage?: number | string
    /**
     * Live topics, 1 to 16,777,216; memory is taken as they appear. One that nobody subscribes to gives its place to a new
     * one when the table is full. The creator's counts.
     * @default 131072
     */
    topics?: number
    /**
     * Attached threads, 1 to 4,096. The creator's counts.
     * @default 256
     */
    members?: number
    /**
     * How long, in ms, a stuck reader may hold this publisher back before it is cut off. 0 never waits, `Infinity` never
     * cuts. A reader that holds nobody back is never cut.
     * @default 2000
     */
    stallTimeout?: number
    /**
     * Bytes this thread may hold locally while the slab is full; an empty outbox takes any one message.
     * @default 16 MiB
     */
    outbox?: number | string
    /**
     * How long, in us, this thread looks for messages before its event loop blocks: 0 to 1000, whole. Latency for CPU: what
     * comes meanwhile is delivered without waking up anybody; whatever else comes, like data for a socket, waits until it
     * ends. Only while messages tend to come within it, and there are as many cores as subscribed threads that are awake;
     * else, and in Bun, it is without effect. Of several handles in one thread the longest counts.
     * @default 0
     */
    spin?: number
    /**
     * Permissions of the bus: `0o600`, its owner alone, or `0o660`, shared with the group. On Windows, where files belong to no
     * group, `0o660` is refused with `ERR_INVALID_ARG_VALUE`.
     * @default 0o600
     */
    mode?: 0o600 | 0o660
  }

  /** A message that a pattern may deliver: of any topic. */
  type AnyMessageOf<Topics> = { [Name in NameOf<Topics>]: MessageOf<Topics, Name> }[NameOf<Topics>]

  interface SubscribeOptions {
    /**
     * The subscription is one of a group of the topic, 1 to 255 bytes of UTF-8 without NUL: each message goes to exactly one
     * member of the group, an idle one first, and subscribers outside it get all. Work is shared so. It begins with the group's
     * first member, and ends with its last; who joins later takes its part of what nobody has taken yet. What a member that
     * dies has not taken the others take; what its listener was working at is gone with it. Among the subscriptions of one
     * thread in a group it goes by turns. A message is taken when the listener is called, so a member that is busy keeps
     * none from the others; a promise that a listener returns is not awaited.
     *
     * The group reads on as its members do together: if they all stand still for `stallTimeout` while others need the room, it is
     * cut off as a reader is, and one of them is told by `'gap'`, with `group`. `echo: false` is refused. Up to 4,096 groups a
     * bus, of all topics.
     */
    group?: string
    /**
     * Also messages published by this thread.
     * @default true
     */
    echo?: boolean
    /**
     * Unsubscribes before the first call.
     * @default false
     */
    once?: boolean
    /**
     * The body undecoded, as a Buffer of its own.
     * @default false
     */
    raw?: boolean
    /** Unsubscribes when it fires. Fired already: `subscribe` throws an `AbortError`. */
    signal?: AbortSignal
    /**
     * First the last so many messages of the topic that are kept (the slab keeps what is not overwritten yet), or as many as there
     * are, then live ones: without a hole or a double. A whole number from 0. What is kept is copied at once, a slab at the most,
     * and delivered a part at a time; what comes meanwhile waits behind it. Such a listener has its messages to itself, decoded
     * anew. Not with `after`.
     * @default none: live messages alone
     */
    replay?: number
    /**
     * As `replay`, with all kept messages whose `meta.sequence` is above this number. What of them is not kept any more is told as
     * `gap` before the first. A number that is not reached yet, as of an earlier life of the bus: live messages alone. Not with
     * `replay`.
     */
    after?: number
    /**
     * Goes on where the subscription of this topic and this name (1 to 255 bytes of UTF-8 without NUL) stopped, in whatever process; the
     * first time: live. A message is handled when the listener has returned, throwing or not, or its promise has settled, rejected or
     * not; the next waits for that. Handled ones never come again, others do, and the one that a listener was called for before says
     * so by `meta.redelivered`.
     *
     * One at a time (`ERR_IN_USE`), for the whole bus; who died holds nothing. `close` and death keep the place; `unsubscribe` and
     * `signal` forget it, and so does the bus when all threads have left it. `close` waits for no promise: to end without that
     * message coming again, wait for it yourself. It holds nobody back: what the slab has no more is told as `gap`.
     * Not with `replay`, `after`, `once`, nor for `messages`.
     */
    durable?: string
  }

  /** As of `subscribe`, but for what is for one topic. */
  interface PatternOptions extends Omit<SubscribeOptions, 'replay' | 'after' | 'durable' | 'group'> {}

  interface MessagesOptions extends Omit<SubscribeOptions, 'durable' | 'group' | 'once' | 'signal'> {
    /**
     * Bytes of messages that may wait while the loop is busy, with what holding them costs: a number or like `'1mb'`. Beyond it
     * the oldest go, and are told by `'gap'`, once for all that went in a row, before the loop is given its next message.
     * The newest always waits, however large.
     * @default 16 MiB
     */
    inbox?: number | string
    /**
     * Ends it when it fires, as that of Node's `events.on` does: what came before is still given, then it throws an
     * `AbortError`. Fired already: `messages` throws it.
     */
    signal?: AbortSignal
  }

  interface RequestOptions {
    /**
     * How long, in ms, an answer is waited for: more than 0; `Infinity`: as long as somebody who was asked is there.
     * @default 5000
     */
    timeout?: number
    /** Nobody waits any more when it fires: an `AbortError`. */
    signal?: AbortSignal
  }

  interface RespondOptions {
    /**
     * The handler is one of a group of the topic, as of `subscribe`: each request goes to exactly one member of the group, an idle one
     * first, in whatever process; who asks waits for one answer of each group. One that dies before it took a request loses it to
     * another; what it took is not given to another. Not with `echo: false`.
     */
    group?: string
    /**
     * Also requests of this thread.
     * @default true
     */
    echo?: boolean
    /**
     * Unsubscribes before the first call.
     * @default false
     */
    once?: boolean
    /** Unsubscribes when it fires. Fired already: `respond` throws an `AbortError`. */
    signal?: AbortSignal
  }

  interface PublishOptions {
    /**
     * The message is bytes, and they are the body as they are.
     * @default false
     */
    raw?: boolean
  }

  type Bytes = NodeJS.ArrayBufferView | ArrayBuffer

  /** Where a message stands. The listeners of one thread share the object. */
  interface Meta<Topic extends string = string> {
    topic: Topic
    /** In the topic, from 1, without holes. */
    sequence: number
    /** In the one order of all messages of the bus. */
    position: number
    publisher: {
      /** The member that published it: a number unique in the life of the bus. */
      member: number
      pid: number
    }
    /** When it was published: ms since 1970. */
    timestamp: number
    /** Of a durable subscription: a listener was called for it before, and it was not handled. */
    redelivered?: true
    /** The pattern it was delivered by, of `psubscribe`; whoever subscribed to the topic itself gets none. */
    pattern?: string
  }

  /** What a listener of `psubscribe` gets: `pattern` is there. */
  interface PatternMeta<Topic extends string = string> extends Meta<Topic> {
    pattern: string
  }

  /** What a loop over `messages()` is given. */
  interface Item<Message, Topic extends string = string> {
    message: Message
    meta: Meta<Topic>
  }

  /** The messages of a topic, for a loop. Calls of `next` that wait are served in order, by one message each. */
  interface Messages<Message, Topic extends string = string> extends AsyncIterableIterator<Item<Message, Topic>> {
    next(): Promise<IteratorResult<Item<Message, Topic>, undefined>>
    /** Ends it, as leaving the loop does: what waits is dropped. */
    return<Value = undefined>(value?: Value): Promise<IteratorReturnResult<Value>>
    /** As `return`, and fails with `error`. */
    throw(error: unknown): Promise<IteratorReturnResult<undefined>>
    [Symbol.asyncIterator](): this
    [Symbol.asyncDispose](): Promise<void>
  }

  /** Messages of one topic that were missed. */
  interface Gap {
    topic: string
    /** The group whose members missed them, all together; otherwise there is none. */
    group?: string
    /** Sequence of the first message missed. */
    from: number
    /** Sequence of the last message missed. */
    to: number
    /** How many. */
    lost: number
    /**
     * `'stalled'`: this thread did not read for `stallTimeout` while others needed the room. `'overwritten'`: a loop over
     * `messages()` did not take them, and there was no room for them in its inbox; or they were asked for, as by `after`, and the slab
     * has them no more. `'forgotten'`: they were asked for, and a full table of topics has made the bus forget the topic since, and
     * number it anew from above: of these numbers some may never have been this topic's.
     */
    reason: 'stalled' | 'overwritten' | 'forgotten'
  }

  /** A topic, as it stands. */
  interface TopicInfo<Topic extends string = string> {
    topic: Topic
    /** The number of its last message; 0: there was none. */
    sequence: number
    /** Threads that are woken for its messages, members of its groups too. */
    subscribers: number
    /** When it was last published to, in ms since 1970 (about, where several publish at once); `null`: never. */
    lastPublish: number | null
  }

  /** An attached thread. */
  interface Member {
    /** A number unique in the life of the bus, as in `meta.publisher`. */
    member: number
    /** Its process. */
    pid: number
    /** 0 is the main thread, else the `threadId` of a worker_thread. */
    thread: number
  }

  /** An attached thread, as it stands. */
  interface MemberInfo extends Member {
    /**
     * Messages of the bus, of whatever topic, that it has not gone past yet with all its listeners: of one that sleeps they are
     * not for it. 0 where it is subscribed to nothing.
     */
    lag: number
  }

  /** Whether anybody is subscribed to a topic by its name; patterns do not count. */
  interface Interest<Topic extends string = string> {
    topic: Topic
    /** `true`: the first subscriber came. `false`: the last one left, or died. */
    active: boolean
  }

  /** Messages, and bytes of them. */
  interface Traffic {
    /** How many. */
    messages: number
    /** Bytes of their bodies, as encoded. */
    bytes: number
  }

  /** Who keeps the slab from being reused. */
  interface Held {
    /** The member that holds it: a number unique in the life of the bus. */
    member: number
    /** Its process. */
    pid: number
    /** Its thread: 0 is the main thread, else the `threadId` of a worker_thread. */
    thread: number
    /**
     * `'reader'`: it has not read on; `stallTimeout` bounds how long it may while others need the room. `'writer'`: it is
     * in the middle of publishing; for more than an instant: its process is stopped there (SIGSTOP, ctrl-Z, a debugger,
     * docker pause), and the bus goes on when it is continued or killed.
     */
    by: 'reader' | 'writer'
    /** Bytes of the slab that cannot be reused before it goes on. */
    bytes: number
    /** When this thread first saw it at this place, in ms since 1970: it looks once a second and at each `stats()`. */
    since: number
  }

  /** A bus and this thread's place on it, at one moment. What the thread has done counts from its attaching on. */
  interface Stats {
    /** This thread's member number, as others see it in `meta.publisher`. */
    member: number
    /** This process. */
    pid: number
    /** This thread: 0 is the main thread, else its `threadId`. */
    thread: number
    members: {
      /** Threads attached to the bus, this one among them. */
      attached: number
      /** Those of them that are subscribed to something and not cut off. */
      reading: number
      /** Threads that may be attached at once: the option `members` of the bus' creator. */
      capacity: number
    }
    topics: {
      /** Places of the topic table that have been taken: topics that live, and some that others may take the place of. */
      made: number
      /** Topics there may be at once: the option `topics` of the bus' creator. */
      capacity: number
    }
    /** Messages ever published on the bus, and so the `meta.position` of the next one. */
    position: number
    slab: {
      /** Bytes of the slab: the option `size` of the bus' creator, rounded up. */
      size: number
      /** Bytes of it that somebody still reads or writes. Publishers wait when it is about `size`. */
      used: number
    }
    /** Who keeps those bytes from being reused; `null`: nobody. */
    held: Held | null
    /** What this thread put into the slab: not what waits in its outbox. */
    published: Traffic
    /** What this thread took out of it for its subscriptions, each message once, whoever listens. */
    delivered: Traffic
    outbox: {
      /** Messages that wait for room. */
      messages: number
      /** Bytes they count against the option `outbox`: their bodies and what holding them costs. */
      bytes: number
    }
    /** How often this thread woke up others: a system call each. */
    posts: number
    /** How often this thread was woken up. */
    wakes: number
    /** Gaps this thread had: one for each topic and cut-off. */
    gaps: number
    /** Messages this thread missed in them. */
    lost: number
    /** Readers this thread cut off. */
    cutOffs: number
    /** Dead members this thread removed. */
    reaped: number
  }

  /** What it returns, or its promise gives, is the answer. `meta` is of the request: `publisher` asks. */
  type Handler<Message, Answer = unknown, Topic extends string = string> = (
    message: Message,
    meta: Meta<Topic>,
  ) => Answer | PromiseLike<Answer>

  type Listener<Message, Topic extends string = string> = (message: Message, meta: Meta<Topic>) => unknown
  type PatternListener<Message, Topic extends string = string> = (message: Message, meta: PatternMeta<Topic>) => unknown

  interface AnySubscription {
    readonly raw: boolean
    /** The group it is in. */
    readonly group: string | undefined
    /** Ends it: the listener is not called after this returns. Again, or after `close`: no effect. */
    unsubscribe(): void
    /** Keeps the process alive while it lives (the default). */
    ref(): this
    /** Lets the process end though it lives. */
    unref(): this
    [Symbol.dispose](): void
  }

  interface Subscription<Topic extends string = string> extends AnySubscription {
    readonly topic: Topic
  }

  interface PatternSubscription extends AnySubscription {
    readonly pattern: string
  }

  interface BusEvents {
    /** The outbox is empty: go on publishing. */
    drain: []
    /** Messages were missed. Without a listener it is a process warning. */
    gap: [gap: Gap]
    /** Another thread attached to the bus. Who came and was gone before this thread looked is not told. */
    join: [member: Member]
    /** Another thread left the bus, or died: that is told within some 2 s. */
    leave: [member: Member]
    /**
     * A topic got its first subscriber by name, or lost its last, in whatever process: publishers of what costs something
     * begin and cease on it. Only changes are told, `topics()` tells how it stands.
     */
    interest: [interest: Interest]
    /** The bus is lost (`ERR_CORRUPT`); every later call throws the same. */
    error: [error: SlabcastError]
  }

  /** One handle of a bus, with subscriptions and an end of its own. */
  interface Bus<Topics = AnyTopics> extends EventEmitter<BusEvents> {
    /**
     * Publishes; never blocks. The message is as it was at the call.
     * @returns `true`: it is in the slab and outlives this process. `false`: it is in the outbox (order kept; lost if this
     *   process is killed before `'drain'`): slow down.
     * @throws `ERR_OUTBOX_FULL`, `ERR_MESSAGE_TOO_LARGE`, `ERR_NOT_SERIALIZABLE`, `ERR_INVALID_TOPIC`,
     *   `ERR_TOO_MANY_TOPICS`, `ERR_NO_SPACE`, `ERR_IN_USE` (a new topic, while two buses bear the name), `ERR_SYSTEM` or the
     *   system's own code, `ERR_CLOSED`: nothing was published, the bus is as it was. `ERR_CORRUPT`: the bus is lost.
     */
    publish(topic: NameOf<Topics>, message: Bytes, options: PublishOptions & { raw: true }): boolean
    publish<Name extends NameOf<Topics>>(
      topic: Name,
      message: MessageOf<Topics, Name>,
      options?: PublishOptions & { raw?: false },
    ): boolean

    /**
     * As `publish` for each of an iterable, with one wake-up: all are accepted or none. They go into the slab together if there
     * is room for all and they take no more than half of it, else into the outbox one by one. No messages: `true`.
     * @throws as `publish`. `ERR_OUTBOX_FULL`: also where they are more than both ever take. What the iterable throws.
     */
    publishMany<Name extends NameOf<Topics>>(topic: Name, messages: Iterable<MessageOf<Topics, Name>>): boolean

    /**
     * Live when it returns: everything published after that by anyone, nothing from before. The listener is never called
     * inside `publish`. Each call is a subscription, also with the same listener.
     * @throws `ERR_INVALID_TOPIC`, `ERR_TOO_MANY_TOPICS`, `ERR_NO_SPACE`, `ERR_TIMEOUT` (the registry is held by a stopped
     *   process), `ERR_IN_USE` (two buses bear the name; or the durable subscription is held by a living thread), `ERR_SYSTEM` or
     *   the system's own code, `ERR_CLOSED`, `AbortError`.
     *   `ERR_CORRUPT`: the bus is lost.
     */
    subscribe<Name extends NameOf<Topics>>(
      topic: Name,
      listener: Listener<Buffer, Name>,
      options: SubscribeOptions & { raw: true },
    ): Subscription<Name>
    subscribe<Name extends NameOf<Topics>>(
      topic: Name,
      listener: Listener<MessageOf<Topics, Name>, Name>,
      options?: SubscribeOptions & { raw?: false },
    ): Subscription<Name>
    /** Where `raw` is not known to be either. */
    subscribe<Name extends NameOf<Topics>>(
      topic: Name,
      listener: Listener<MessageOf<Topics, Name> | Buffer, Name>,
      options: SubscribeOptions,
    ): Subscription<Name>

    /**
     * The messages of a topic for `for await`, from this call on: what the loop does not take at once waits in its `inbox`. It
     * ends when the loop is left, quietly and at once with `close` or `unsubscribe(topic)`, with the bus' error when that is
     * lost. It keeps the process alive as a subscription does; the messages are the loop's own, listeners do not share them.
     * @throws as `subscribe`
     */
    messages<Name extends NameOf<Topics>>(topic: Name, options: MessagesOptions & { raw: true }): Messages<Buffer, Name>
    messages<Name extends NameOf<Topics>>(
      topic: Name,
      options?: MessagesOptions & { raw?: false },
    ): Messages<MessageOf<Topics, Name>, Name>
    /** Where `raw` is not known to be either. */
    messages<Name extends NameOf<Topics>>(
      topic: Name,
      options: MessagesOptions,
    ): Messages<MessageOf<Topics, Name> | Buffer, Name>

    /**
     * Asks all who respond to a topic, in whatever process, this one among them, and one member of each group that does: a promise of the
     * first answer. An error of a handler is an answer: the promise is rejected with an `Error` of its name, message, code and stack. Answers that come later are
     * dropped. It keeps the process alive while it waits. Where the slab is full it waits in the outbox.
     * @throws (rejects) `ERR_NO_RESPONDERS`: nobody responds, or those who were asked died or left before they answered (told
     *   within some 0.1 s); `ERR_TIMEOUT`, also, with `lost`, where this thread did not read for longer than `stallTimeout`, was cut off,
     *   and the answer may have been overwritten meanwhile; `AbortError`; as `publish` and `subscribe`. `ERR_CLOSED`: also when it is closed meanwhile.
     */
    request<Answer = any, Name extends NameOf<Topics> = NameOf<Topics>>(
      topic: Name,
      message: MessageOf<Topics, Name>,
      options?: RequestOptions,
    ): Promise<Answer>

    /**
     * As `request`: a promise of what became of each who was asked, a group being one, as of `Promise.allSettled`, in the order in which it became
     * known. Who died or left is `ERR_NO_RESPONDERS`, who has not answered by `timeout` is `ERR_TIMEOUT`. Nobody responds: `[]`.
     * @throws (rejects) as `request`, but for these two
     */
    requestMany<Answer = any, Name extends NameOf<Topics> = NameOf<Topics>>(
      topic: Name,
      message: MessageOf<Topics, Name>,
      options?: RequestOptions,
    ): Promise<PromiseSettledResult<Answer>[]>

    /**
     * Answers to the requests of a topic from now on: with what the handler returns, its promise gives, or it throws. Subscribers of
     * the topic do not see requests, responders do not see messages; `unsubscribe(topic)` leaves them. After the subscription has
     * ended, and before the bus is closed, what was begun is still answered. Requests that a thread missed are told by `'gap'`, under
     * this topic; who asked gets the others' answers, or `ERR_TIMEOUT`.
     * @throws as `subscribe`
     */
    respond<Name extends NameOf<Topics>>(
      topic: Name,
      handler: Handler<MessageOf<Topics, Name>, unknown, Name>,
      options?: RespondOptions,
    ): Subscription<Name>

    /**
     * Resolves once all that this thread has published by whatever handle, the outbox too, was consumed: everybody who reads the
     * bus has gone past it and their listeners have returned, or they are gone. Keeps the process alive meanwhile.
     * @throws (rejects) `ERR_CLOSED`: also when it is closed meanwhile; `ERR_CORRUPT` once the bus is lost
     */
    settled(): Promise<void>

    /**
     * Subscribes to all topics that a pattern matches, those there are and those that appear: of the former everything published
     * after it returns, of the latter everything. One call for each subscription that matches, with `meta.pattern`; those
     * to the topic itself are called first. Ends with `subscription.unsubscribe()`, `signal` or `close`.
     * @param pattern as in Redis: `*` any bytes, `?` one byte, `[ab]`, `[a-c]` and `[^a]` one of a class, a backslash takes the next
     *   byte as it is. Compared byte by byte of UTF-8: `é` is `??`. 1 to 1,024 bytes, no NUL, no lone surrogate: else a `TypeError`
     *   with `ERR_INVALID_ARG_VALUE`. No pattern matches topics that begin with `$slabcast/`.
     * @throws as `subscribe`, but `ERR_INVALID_TOPIC` and `ERR_TOO_MANY_TOPICS`
     */
    psubscribe(
      pattern: string,
      listener: PatternListener<Buffer, NameOf<Topics>>,
      options: PatternOptions & { raw: true },
    ): PatternSubscription
    psubscribe(
      pattern: string,
      listener: PatternListener<AnyMessageOf<Topics>, NameOf<Topics>>,
      options?: PatternOptions & { raw?: false },
    ): PatternSubscription
    /** Where `raw` is not known to be either. */
    psubscribe(
      pattern: string,
      listener: PatternListener<AnyMessageOf<Topics> | Buffer, NameOf<Topics>>,
      options: PatternOptions,
    ): PatternSubscription

    /** Ends this handle's subscriptions to a topic, loops too: all, or those of one listener. Those by a pattern go on. */
    unsubscribe<Name extends NameOf<Topics>>(topic: Name, listener?: Listener<any, Name>): void

    /**
     * The topics there are, in no order. Synchronous; looks at the whole table: some microseconds for a hundred topics.
     * @param pattern those it matches, as in `psubscribe`
     * @throws `ERR_CLOSED`; `ERR_CORRUPT` once the bus is lost
     */
    topics(pattern?: string): TopicInfo<NameOf<Topics>>[]

    /**
     * The threads attached to the bus, this one among them, in the order in which they came. Synchronous.
     * @throws `ERR_CLOSED`; `ERR_CORRUPT` once the bus is lost
     */
    members(): MemberInfo[]

    /**
     * Where the bus stands, who holds its slab, and what this thread has done. Synchronous; costs some microseconds.
     * @throws `ERR_CLOSED`; `ERR_CORRUPT` once the bus is lost
     */
    stats(): Stats

    /** The codec itself: MessagePack. */
    encode(value: unknown): Buffer
    /** @throws `ERR_CORRUPT`: the bytes are not what `encode`, or any other MessagePack writer, writes */
    decode(bytes: Bytes): any

    /** Its subscriptions keep the process alive (the default). */
    ref(): this
    /** The process may end though this bus has subscriptions. */
    unref(): this

    /** Ends all subscriptions at once, flushes the outbox, leaves the bus. Idempotent. */
    close(): Promise<void>
    [Symbol.asyncDispose](): Promise<void>
  }

  /** The default bus is the module, and carries what one opens others with. */
  interface DefaultBus extends Bus {
    /** Opens a bus, synchronously. Without `name`: another handle of the default bus. */
    open<Topics = AnyTopics>(options?: OpenOptions): Bus<Topics>
    SlabcastError: SlabcastErrorConstructor
  }

  type ErrorCode =
    | 'ERR_OUTBOX_FULL'
    | 'ERR_MESSAGE_TOO_LARGE'
    | 'ERR_INVALID_TOPIC'
    | 'ERR_NOT_SERIALIZABLE'
    | 'ERR_CLOSED'
    | 'ERR_NO_SPACE'
    | 'ERR_ACCESS'
    | 'ERR_LAYOUT_VERSION'
    | 'ERR_CORRUPT'
    | 'ERR_TOO_MANY_MEMBERS'
    | 'ERR_TOO_MANY_TOPICS'
    | 'ERR_NO_RESPONDERS'
    | 'ERR_TIMEOUT'
    | 'ERR_IN_USE'
    | 'ERR_SYSTEM'
    | 'ERR_UNSUPPORTED_PLATFORM'

  /** What this package throws, beside Node's own argument errors and `AbortError`. */
  interface SlabcastError extends Error {
    readonly name: 'SlabcastError'
    /** One of ours, or the system's own (`EMFILE`, `EACCES`, ...) where the system refused. */
    readonly code: ErrorCode | `E${string}`
    /** Bytes, of `ERR_OUTBOX_FULL`, `ERR_MESSAGE_TOO_LARGE`, `ERR_NO_SPACE`. */
    readonly needed?: number
    readonly available?: number
    /** Of `ERR_ACCESS`: a user's number; on Windows, its security identifier as text. */
    readonly owner?: number | string
    /** Of `ERR_LAYOUT_VERSION`. */
    readonly foundVersion?: number
    readonly ownVersion?: number
    /** Of `ERR_TOO_MANY_MEMBERS`, `ERR_TOO_MANY_TOPICS`. */
    readonly capacity?: number
    /** Of `ERR_NOT_SERIALIZABLE`: where the value is, like `message.user.avatar`. */
    readonly path?: string
    /** Of `ERR_INVALID_TOPIC`, `ERR_NO_RESPONDERS`, and of `ERR_TIMEOUT` of a request. */
    readonly topic?: string
    /** Of `ERR_TIMEOUT` of a request whose answer may have been overwritten: how many answers to this thread were. */
    readonly lost?: number
    /** Of `ERR_IN_USE`: one of the processes that use the bus, where it can be told, or the one that holds a durable subscription. */
    readonly pid?: number
    /** Of `ERR_IN_USE`: the member that holds a durable subscription. */
    readonly member?: number
  }

  interface SlabcastErrorConstructor {
    new (code: ErrorCode, message: string, facts?: Record<string, unknown>): SlabcastError
    readonly prototype: SlabcastError
  }
}

export = ipc

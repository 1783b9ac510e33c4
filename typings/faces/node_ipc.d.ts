import ipc = require('../index')

/**
 * The calls of the addon node_ipc, over the bus: what a worker writes, every other worker reads. One for each process, and
 * each worker_thread. docs/faces/node_ipc.md has what differs from the original.
 */

export interface InitOptions {
  /**
   * The bus it goes over; it is not closed by `processExit`.
   * @default a handle of its own of the application's default bus, with places for 256 threads and `workers` more
   */
  bus?: ipc.Bus
}

export interface WorkerOptions extends InitOptions {
  /**
   * Bytes of messages that may wait to be read, with what holding them costs, as of `messages()`: a number or like `'1mb'`. Beyond it
   * the oldest go, which the next read tells by a process warning (`SLABCAST_GAP`). The newest always waits, however large.
   * @default 16 MiB
   */
  inbox?: number | string
}

/**
 * In the primary: attaches, so that it can write to the workers; it reads nothing. Workers need not wait for it. Rejected with what
 * opening a bus throws, or an argument error.
 * @param workers how many there will be: a whole number, 1 to 4,096
 */
export declare function masterInit(workers: number, options?: InitOptions): Promise<void>

/**
 * In a worker: from the call on it is given what the others write. Again: instead of the first time; what had come and was not
 * read is gone. Rejected with what opening a bus and subscribing throw, or an argument error.
 * @param workers as in the primary
 * @param index 0 to `workers` - 1; one that replaces another takes its index again
 */
export declare function workerInit(workers: number, index: number, options?: WorkerOptions): Promise<void>

/**
 * Gives a string of any content to every other worker. It is on its way when the call returns; the promise comes when
 * there is room for more. Rejected: `ERR_OUTBOX_FULL`, and nobody gets it: wait for the promises of those before;
 * `ERR_MESSAGE_TOO_LARGE` (by default 8 MiB); `ERR_CLOSED` before an init and after `processExit`.
 */
export declare function testShmWrite(text: string): Promise<void>

/**
 * All that has come since the last read, in order: `[`, the messages as they are with commas between, `]`. A JSON array if the messages
 * are JSON; `'[]'`: there was nothing.
 */
export declare function testShmRead(): string

/**
 * Calls back with what `testShmRead` would give, when something has come: never with nothing. It is read then; only the callback
 * itself may read it again by `testShmRead`, until it first awaits. Several callbacks are given the same. Keeps a worker alive until
 * `processExit`.
 */
export declare function callSafeFunc(callback: (data: string) => unknown): void

/** Gives 100: when there is something to read, or after a second. */
export declare function callNodeFunc(): Promise<number>

/** Waits for this worker's semaphore, in the order of the calls; it is free at first. */
export declare function testSemaRequire(): Promise<void>

/** Posts it: to who has waited longest, or it is free. It is never more than that, however often it is posted. */
export declare function testSemaRelease(): Promise<void>

/**
 * Leaves the others, at once: nobody is called any more, what was not read is gone, what was written is still flushed. Again, or without
 * an init: no effect. An init begins anew.
 */
export declare function processExit(): void

/** The number of this process. */
export declare function show(): number

/** Does nothing. */
export declare function init(): void

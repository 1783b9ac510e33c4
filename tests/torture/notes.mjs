// What a thread notes down while it lives, in a file of its own: a record per event, in the order in which they happened
// to it. Each is written before the thread does anything else, so a kill -9 loses nothing that was noted.

import fs from 'node:fs'

export const KIND = {
  /** before, after, number, topic, 1: in the slab, 0: in the outbox */
  PUBLISHED: 1,
  /** Everything up to this number is in the slab: number */
  DRAINED: 2,
  /** before, after, subscription, topic, handle, 1: once */
  SUBSCRIBED: 3,
  /** subscription */
  UNSUBSCRIBED: 4,
  /** subscription, topic, publisher (-1: the message is too short to say), number, position, sequence, member, length,
   * crc, 1: raw, ms since it was published, 1: redelivered */
  RECEIVED: 5,
  /** handle, topic, from, to, lost, reason (0: stalled, 1: overwritten), group (-1: none) */
  GAP: 6,
  /** before, after, handle */
  OPENED: 7,
  /** handle */
  CLOSED: 8,
  /** It lives, and has all it was to have: nothing */
  SETTLED: 9,
  /** before, after, subscription, pattern, handle */
  PSUBSCRIBED: 10,
  /** before, after, subscription, topic, handle (of this one alone), replay or -1, after or -1 */
  FOLLOWED: 11,
  /** before, after, subscription, topic, handle, group */
  JOINED: 12,
  /** It is about to begin a durable subscription: subscription, topic, name */
  TRIED: 13,
  /** That was done: before, after, subscription, topic, handle (of this one alone), name */
  HELD: 14,
  /** Or not: before, subscription, topic, name, 1: somebody holds it, 0: nothing could be done */
  REFUSED: 15,
  /** The listener of a durable one is about to return, or its promise to settle: subscription, sequence */
  HANDLED: 16,
  /** A subscription in a group, or a durable one, is about to be ended: subscription, 1: and forgotten */
  ENDING: 17,
  /** before, after, responder, question */
  RESPONDS: 18,
  /** It is about to respond no more: responder */
  RESPONDS_NO_MORE: 19,
  /** It is about to be called: responder, question, asker, request */
  SERVED: 20,
  /** before, request, question, timeout, 1: all are asked for */
  ASKED: 21,
  /** An answer came to a request: request, 0: a value, 1: an error of the handler's; who served it: actor, responder */
  ANSWERED: 22,
  /** It has ended: request, by (see BY), how many of those that `requestMany` gives are no answers, of how many there was no room for one */
  ENDED: 23,
  /** An answer of this thread could not be sent: nothing */
  UNSENT: 24,
}

/** What ends a request: its answers, nobody to answer, its time, its bus being closed, a full outbox, answers that were lost. */
export const BY = { ANSWERS: 0, NOBODY: 1, TIMEOUT: 2, CLOSED: 3, FULL: 4, LOST: 5 }

/** kind, time, and up to twelve more. */
const WORDS = 14
const BYTES = WORDS * 8

/** Milliseconds of a clock that all processes share, and nobody sets. */
export const now = () => Number(process.hrtime.bigint()) / 1e6

const fileOf = (folder, actor) => `${folder}/actor-${actor}.notes`
const faultsOf = (folder, actor) => `${folder}/actor-${actor}.faults`

/** The notes of one thread, being written. */
export class Notebook {
  #file
  #faults
  #record = new Float64Array(WORDS)
  #bytes = new Uint8Array(this.#record.buffer)

  constructor(folder, actor) {
    this.#file = fs.openSync(fileOf(folder, actor), 'a')
    this.#faults = faultsOf(folder, actor)
  }

  note(kind, ...values) {
    const record = this.#record
    record.fill(0)
    record[0] = kind
    record[1] = now()
    for (let at = 0; at < values.length; at++) record[2 + at] = values[at]
    fs.writeSync(this.#file, this.#bytes)
  }

  /** What must not happen, in words. */
  fault(text) {
    fs.appendFileSync(this.#faults, `${text}\n`)
  }
}

/** The notes of one thread, each `{ kind, time, values }`, and its faults. */
export function readNotes(folder, actor) {
  const bytes = read(fileOf(folder, actor))
  const whole = Math.floor(bytes.length / BYTES)
  const words = new Float64Array(bytes.buffer, bytes.byteOffset, whole * WORDS)
  const notes = []
  for (let at = 0; at < words.length; at += WORDS) {
    notes.push({ kind: words[at], time: words[at + 1], values: words.subarray(at + 2, at + WORDS) })
  }
  const faults = read(faultsOf(folder, actor)).toString().split('\n').filter(Boolean)
  return { notes, faults }
}

/** A thread that was killed at once has noted nothing. */
function read(file) {
  try {
    // Of its own memory, aligned for Float64Array.
    return fs.readFileSync(file)
  } catch (error) {
    if (error.code === 'ENOENT') return Buffer.alloc(0)
    throw error
  }
}

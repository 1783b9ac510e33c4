'use strict'

// The JavaScript half of src/node/hot.rs: the arrays a member shares with the binding, and what stands where in them.

const { getSystemErrorName } = require('node:util')
const { outOfRange, SlabcastError } = require('./errors')

/** Results of publish, publishFrom and publishMany. */
const PUBLISHED = 0
const FULL = 1
const MOVED = 2
/** Results of drain and take. */
const ALL = 0
const MORE = 1
/** Of all of them, and of tick and relieve, which otherwise tell 1 (something was done or found) or 0. */
const CORRUPT = 3
const CLOSED = 4

/** Places in the registers. */
const [TOPIC, GENERATION, HASH, FLAGS, LENGTH, DRAINED, NEEDED, TOLD, NOTE, ROW, WOKE, KEEP] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
]
/** Bits of what is to be told: gaps, what else has changed, and that entries of matched topics went to others. */
const GAPS = 1
const NEWS = 2
const REUSED = 4
/** Bits of the note: members seem to be dead; posts wait for the end of the burst. */
const SUSPECTS = 1
const POSTS_DUE = 2
/** Numbers per message in meta, and what they are. */
const META = 9
const [AT_TOPIC, AT_OFFSET, AT_LENGTH, AT_FLAGS, AT_SEQUENCE, AT_POSITION, AT_MEMBER, AT_PID, AT_TIME] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8,
]

/** The body is the user's bytes. */
const FLAG_RAW = 1

/** Messages and bytes of one drain. */
const BATCH = 256
const BATCH_BYTES = 256 * 1024

/** A member's hot calls with their arrays. */
class Hot {
  registers = new Uint32Array(16)
  meta = new Float64Array(BATCH * META)
  bytes = Buffer.allocUnsafeSlow(BATCH_BYTES)

  constructor(member, scratch) {
    this.calls = member.hot()
    this.calls.share(this.registers, this.meta, this.bytes, scratch)
  }

  /** The bytes that publish takes its message from have been replaced. */
  useScratch(scratch) {
    this.calls.share(undefined, undefined, undefined, scratch)
  }

  /** Drains into other bytes, once. */
  drainInto(bytes) {
    return this.#into(bytes, this.calls.drain)
  }

  /** The same of a message of a group. */
  takeInto(bytes) {
    return this.#into(bytes, this.calls.take)
  }

  #into(bytes, read) {
    this.calls.share(undefined, undefined, bytes, undefined)
    const status = read()
    this.calls.share(undefined, undefined, this.bytes, undefined)
    return status
  }

  /** Publishes bodies that lie one after the other, all or none, as `aim` said. */
  publishMany(bytes, lengths) {
    this.registers[LENGTH] = lengths.length
    return this.calls.publishMany(bytes, lengths)
  }

  /** Which topic the next publish is for, and how its body is to be read. */
  aim(words, flags) {
    const registers = this.registers
    registers[TOPIC] = words.index
    registers[GENERATION] = words.generation
    registers[HASH] = words.hash
    registers[FLAGS] = flags
  }
}

/** What a native call that failed says, as an error. */
function failed(failure) {
  const { message, option, expected, ...facts } = failure
  // What the system refused bears the system's own code, as in Node: EMFILE, EACCES.
  const code = failure.errno ? getSystemErrorName(-failure.errno) : failure.code
  delete facts.code
  if (option) return outOfRange(`options.${option}`, expected, undefined)
  for (const key of Object.keys(facts)) if (facts[key] === undefined || facts[key] === null) delete facts[key]
  return new SlabcastError(code, message, facts)
}

/** The result of a native call, or its failure thrown. */
function orThrow(result) {
  if (result?.code !== undefined) throw failed(result)
  return result
}

module.exports = {
  ...{ PUBLISHED, FULL, MOVED, ALL, MORE, CORRUPT, CLOSED },
  ...{ LENGTH, DRAINED, NEEDED, TOLD, GAPS, NEWS, REUSED, NOTE, SUSPECTS, POSTS_DUE, ROW, WOKE, KEEP },
  ...{ META, AT_TOPIC, AT_OFFSET, AT_LENGTH, AT_FLAGS, AT_SEQUENCE, AT_POSITION, AT_MEMBER, AT_PID, AT_TIME },
  ...{ FLAG_RAW, Hot, failed, orThrow },
}

'use strict'

// What users pass in, checked as Node checks its own arguments: types first, then values, then ranges.

const { invalidArgType, invalidArgValue, outOfRange, SlabcastError } = require('./errors')

const MiB = 1024 * 1024
// What native code has no default for, or what is computed from here.
const DEFAULTS = {
  size: 16 * MiB,
  stallTimeout: 2000,
  outbox: 16 * MiB,
  inbox: 16 * MiB,
  timeout: 5000,
  spin: 0,
  mode: 0o600,
}
/** Whom a bus can be for: its owner alone, or a group, too, where there are groups that files belong to. */
const MODES = process.platform === 'win32' ? [0o600] : [0o600, 0o660]
const MODES_SAID =
  process.platform === 'win32'
    ? 'must be 0o600 (its owner alone): on Windows a bus cannot be shared with a group'
    : 'must be 0o600 (its owner alone) or 0o660 (shared with the group)'
/** In us: what else the event loop has to do waits for it. */
const SPIN_MAX = 1000
const UNITS = { '': 1, b: 1, k: 1024, kb: 1024, m: MiB, mb: MiB, g: 1024 * MiB, gb: 1024 * MiB }

function object(name, value) {
  if (value === undefined) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidArgType(name, 'of type object', value)
  return value
}

function boolean(name, value, otherwise) {
  if (value === undefined) return otherwise
  if (typeof value !== 'boolean') throw invalidArgType(name, 'of type boolean', value)
  return value
}

function integer(name, value, least, most) {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value)
  if (!Number.isInteger(value)) throw outOfRange(name, 'an integer', value)
  if (value < least || value > most) throw outOfRange(name, `>= ${least} and <= ${most}`, value)
  return value
}

/** Bytes, as a number or as '64mb' (powers of 1024). */
function bytes(name, value, least, most) {
  if (typeof value !== 'string') {
    if (typeof value !== 'number') throw invalidArgType(name, 'of type number or string', value)
    return integer(name, value, least, most)
  }
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(value)
  const unit = match && UNITS[match[2].toLowerCase()]
  if (!unit) throw invalidArgValue(name, value, "must be a number of bytes like 1048576, '64kb', '16mb' or '1gb'")
  return integer(name, Math.round(Number(match[1]) * unit), least, most)
}

/** Not a string: its characters are nobody's messages. */
function iterable(name, value) {
  if (typeof value !== 'object' || typeof value?.[Symbol.iterator] !== 'function')
    throw invalidArgType(name, 'an iterable object', value)
}

function milliseconds(name, value) {
  if (typeof value !== 'number') throw invalidArgType(name, 'of type number', value)
  if (!(value >= 0)) throw outOfRange(name, '>= 0 (Infinity is allowed)', value)
  return value
}

function busName(name, value) {
  if (typeof value !== 'string') throw invalidArgType(name, 'of type string', value)
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(value) || /^\.+$/.test(value)) {
    throw invalidArgValue(name, value, 'must be 1 to 64 of A-Z a-z 0-9 . _ -, and not only dots')
  }
  return value
}

/** The options of `open`, complete. Sizes that were not given stay undefined: an existing bus has its own. */
function openOptions(value) {
  const options = object('options', value)
  const { size, maxMessage, topics, members, stallTimeout, outbox, spin, mode } = options
  const checked = {
    name: options.name === undefined ? undefined : busName('options.name', options.name),
    size: size === undefined ? undefined : bytes('options.size', size, 64 * 1024, 64 * 1024 * MiB),
    maxMessage: undefined,
    topics: topics === undefined ? undefined : integer('options.topics', topics, 1, 1 << 24),
    members: members === undefined ? undefined : integer('options.members', members, 1, 4096),
    stallTimeout: milliseconds('options.stallTimeout', stallTimeout ?? DEFAULTS.stallTimeout),
    outbox: bytes('options.outbox', outbox ?? DEFAULTS.outbox, 0, Number.MAX_SAFE_INTEGER),
    spin: integer('options.spin', spin ?? DEFAULTS.spin, 0, SPIN_MAX),
    mode: integer('options.mode', mode ?? DEFAULTS.mode, 0, 0o7777),
  }
  if (maxMessage !== undefined) {
    const half = roundedSize(checked.size ?? DEFAULTS.size) / 2
    checked.maxMessage = bytes('options.maxMessage', maxMessage, 1, Math.min(half, 0xffffffff))
  }
  if (!MODES.includes(checked.mode)) throw invalidArgValue('options.mode', checked.mode, MODES_SAID)
  return checked
}

/** The slab is a power of two. */
const roundedSize = (size) => 2 ** Math.ceil(Math.log2(size))

function listener(name, value) {
  if (typeof value !== 'function') throw invalidArgType(name, 'of type function', value)
  return value
}

function abortSignal(name, value) {
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null || typeof value.aborted !== 'boolean' || !('onabort' in value)) {
    throw invalidArgType(name, 'an instance of AbortSignal', value)
  }
  return value
}

/** As topics are: 1 to 255 bytes of UTF-8. */
function durableName(value) {
  if (typeof value !== 'string') throw invalidArgType('options.durable', 'of type string', value)
  if (value === '' || value.includes('\0') || !value.isWellFormed() || Buffer.byteLength(value) > 255)
    throw invalidArgValue('options.durable', value, 'must be 1 to 255 bytes of UTF-8 without NUL')
  return value
}

/** Where a subscription begins, if not with what is live. */
function past({ replay, after, durable, once }) {
  if (durable !== undefined) {
    const other = Object.entries({ replay, after }).find(([, value]) => value !== undefined)
    if (other) throw invalidArgValue(`options.${other[0]}`, other[1], 'cannot be used with options.durable')
    if (once)
      throw invalidArgValue('options.once', once, 'cannot be used with options.durable: unsubscribing forgets it')
    return { durable: durableName(durable) }
  }
  if (replay === undefined && after === undefined) return undefined
  if (replay === undefined) return { after: integer('options.after', after, 0, Number.MAX_SAFE_INTEGER) }
  if (after !== undefined) throw invalidArgValue('options.after', after, 'cannot be used with options.replay')
  return { replay: integer('options.replay', replay, 0, Number.MAX_SAFE_INTEGER) }
}

/** As a topic's name, but for what is reserved. */
function groupName(value) {
  if (typeof value !== 'string') throw invalidArgType('options.group', 'of type string', value)
  const length = Buffer.byteLength(value)
  if (length < 1 || length > 255) {
    throw invalidArgValue('options.group', value, `has ${length} bytes of UTF-8: 1 to 255 are allowed`)
  }
  if (value.includes('\0')) throw invalidArgValue('options.group', value, 'contains NUL')
  if (!value.isWellFormed()) {
    throw invalidArgValue('options.group', value, 'contains a lone surrogate, which UTF-8 cannot carry')
  }
  return value
}

function subscribeOptions(value) {
  const options = object('options', value)
  const group = options.group === undefined ? undefined : groupName(options.group)
  const begins = past(options)
  if (group !== undefined && begins !== undefined) {
    const [name, value] = Object.entries(begins)[0]
    throw invalidArgValue(`options.${name}`, value, 'cannot be used with options.group')
  }
  const echo = boolean('options.echo', options.echo, true)
  if (group !== undefined && !echo) {
    throw invalidArgValue(
      'options.echo',
      echo,
      'cannot be false with a group: each message goes to one member, whoever publishes it',
    )
  }
  return {
    group,
    past: begins,
    echo,
    once: boolean('options.once', options.once, false),
    raw: boolean('options.raw', options.raw, false),
    signal: abortSignal('options.signal', options.signal),
  }
}

/** Those of subscribe, and `inbox`. */
function messagesOptions(value) {
  const options = object('options', value)
  const checked = subscribeOptions(value)
  if (checked.group !== undefined) {
    throw invalidArgValue(
      'options.group',
      checked.group,
      'is not for a loop: use subscribe, whose listener takes one at a time',
    )
  }
  if (checked.once) throw invalidArgValue('options.once', true, 'is not for a loop: leave it after the first message')
  if (options.durable !== undefined) {
    throw invalidArgValue(
      'options.durable',
      options.durable,
      'is not for a loop, which does not tell what it has handled: subscribe',
    )
  }
  return { ...checked, inbox: bytes('options.inbox', options.inbox ?? DEFAULTS.inbox, 0, Number.MAX_SAFE_INTEGER) }
}

/** Those of subscribe that make sense for a handler. */
function respondOptions(value) {
  const checked = subscribeOptions(value)
  if (checked.past !== undefined) {
    const [name, given] = Object.entries(checked.past)[0]
    throw invalidArgValue(
      `options.${name}`,
      given,
      'is not for requests: who asked has long had an answer, or an error',
    )
  }
  if (checked.raw) throw invalidArgValue('options.raw', true, 'is not for requests: they are values')
  return checked
}

function requestOptions(value) {
  const options = object('options', value)
  const { timeout = DEFAULTS.timeout } = options
  if (typeof timeout !== 'number') throw invalidArgType('options.timeout', 'of type number', timeout)
  if (!(timeout > 0)) throw outOfRange('options.timeout', '> 0 (Infinity is allowed)', timeout)
  return { timeout, signal: abortSignal('options.signal', options.signal) }
}

/** Those of `psubscribe`. */
function patternOptions(value) {
  const options = object('options', value)
  for (const name of ['replay', 'after', 'group', 'durable']) {
    if (options[name] !== undefined)
      throw invalidArgValue(`options.${name}`, options[name], 'is for one topic: use subscribe, not psubscribe')
  }
  return subscribeOptions(options)
}

const publishOptions = (value) => boolean('options.raw', object('options', value).raw, false)

/** Topics of replies and faces: users cannot name them. */
const RESERVED = '$slabcast/'

function topic(value) {
  if (typeof value !== 'string') throw invalidArgType('topic', 'of type string', value)
  const invalid = (reason) => {
    const shown = value.length > 64 ? `${value.slice(0, 64)}...` : value
    return new SlabcastError('ERR_INVALID_TOPIC', `The topic ${JSON.stringify(shown)} ${reason}`, { topic: value })
  }
  if (value === '') throw invalid('is empty: a topic has 1 to 255 bytes of UTF-8')
  if (value.includes('\0')) throw invalid('contains NUL')
  if (!value.isWellFormed()) throw invalid('contains a lone surrogate, which UTF-8 cannot carry')
  const length = Buffer.byteLength(value)
  if (length > 255) throw invalid(`has ${length} bytes of UTF-8: at most 255 are allowed`)
  if (value.startsWith(RESERVED)) throw invalid(`begins with ${RESERVED}, which is reserved`)
  return value
}

/** As long as every topic with each of its bytes escaped, or in a class. */
const PATTERN_MAX = 1024

function pattern(value) {
  if (typeof value !== 'string') throw invalidArgType('pattern', 'of type string', value)
  const invalid = (reason) => invalidArgValue('pattern', value, reason)
  if (value === '') throw invalid('must not be empty')
  if (value.includes('\0')) throw invalid('must not contain NUL, which no topic does')
  if (!value.isWellFormed()) throw invalid('must not contain a lone surrogate, which UTF-8 cannot carry')
  const length = Buffer.byteLength(value)
  if (length > PATTERN_MAX) throw invalid(`must have at most ${PATTERN_MAX} bytes of UTF-8, and has ${length}`)
  return value
}

module.exports = {
  ...{ openOptions, subscribeOptions, messagesOptions, patternOptions, publishOptions, requestOptions, respondOptions },
  ...{ integer, iterable, listener, topic, pattern, busName },
}

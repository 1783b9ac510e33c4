'use strict'

// Every error a user can meet: a stable code, a sentence that says what to do, the facts as fields.
// Argument errors are Node's own kinds, so that code which already handles Node's handles ours.

class SlabcastError extends Error {
  /**
   * @param {string} code one of docs/errors.md, never reused
   * @param {string} message says what to do
   * @param {object} [facts] become fields of the error, e.g. { needed, available }
   */
  constructor(code, message, facts) {
    super(message, facts?.cause === undefined ? undefined : { cause: facts.cause })
    this.code = code
    if (facts) for (const key of Object.keys(facts)) if (key !== 'cause') this[key] = facts[key]
  }

  get name() {
    return 'SlabcastError'
  }
}

function describe(value) {
  if (value === null || value === undefined) return `Received ${value}`
  if (typeof value === 'function') return `Received function ${value.name}`
  if (typeof value === 'object') {
    const name = value.constructor?.name
    return name ? `Received an instance of ${name}` : 'Received an object'
  }
  const text =
    typeof value === 'string' ? JSON.stringify(value) : `${String(value)}${typeof value === 'bigint' ? 'n' : ''}`
  return `Received type ${typeof value} (${text.length > 40 ? `${text.slice(0, 40)}...` : text})`
}

function coded(error, code) {
  error.code = code
  // As Node prints its own: the code stands in the stack's first line, the name stays the class's.
  const { name } = error
  error.name = `${name} [${code}]`
  error.stack // the first read renders the line with the code
  delete error.name
  return error
}

/** A TypeError: argument `name` should have been `expected` ("of type string", "an instance of AbortSignal"). */
const invalidArgType = (name, expected, value) =>
  coded(new TypeError(`The "${name}" argument must be ${expected}. ${describe(value)}`), 'ERR_INVALID_ARG_TYPE')

/** A TypeError: the type is right, the value is none that can be. */
const invalidArgValue = (name, value, reason) =>
  coded(new TypeError(`The argument "${name}" ${reason}. ${describe(value)}`), 'ERR_INVALID_ARG_VALUE')

/** A RangeError: a number outside its limits ("an integer >= 1 and <= 64"). */
const outOfRange = (name, range, value) =>
  coded(
    new RangeError(`The value of "${name}" is out of range. It must be ${range}. ${describe(value)}`),
    'ERR_OUT_OF_RANGE',
  )

/** What Node throws for a fired signal: an AbortError whose cause is the signal's reason. */
function abortError(signal) {
  const error = new Error('The operation was aborted', { cause: signal.reason })
  error.name = 'AbortError'
  error.code = 'ABORT_ERR'
  return error
}

module.exports = { SlabcastError, invalidArgType, invalidArgValue, outOfRange, abortError }

'use strict'

// An Error taken apart and put together again: its class, the fields that errors hide from enumeration (name, message,
// code, stack, cause, errors), and the enumerable properties of its own. Not the package's errors: ../errors.js.

const CLASSES = new Map(
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError].map((c) => [
    c.name,
    c,
  ]),
)

const hasOwn = (object, key) => Object.hasOwn(object, key)
const isEnumerable = (object, key) => Object.prototype.propertyIsEnumerable.call(object, key)

/** By name, because an error of another context has classes of its own. */
function baseOf(error) {
  for (let proto = Object.getPrototypeOf(error); proto !== null; proto = Object.getPrototypeOf(proto)) {
    const { name } = (hasOwn(proto, 'constructor') && proto.constructor) || {}
    if (CLASSES.has(name)) return name
  }
  return 'Error'
}

/** @returns {{ base: string, hidden: any[], own: any[] }} names and values in turn */
function describeError(error) {
  const base = baseOf(error)
  const hidden = []
  const hide = (key, value) => hidden.push(key, value)
  // These may also stand on a class of the user's.
  if (!isEnumerable(error, 'name')) {
    const { name } = error
    if (typeof name === 'string' && name !== base) hide('name', name)
  }
  if (!isEnumerable(error, 'message')) {
    const { message } = error
    if (typeof message === 'string' && (message !== '' || hasOwn(error, 'message'))) hide('message', message)
  }
  if (!isEnumerable(error, 'code')) {
    const { code } = error
    if (code !== undefined) hide('code', code)
  }
  if (!isEnumerable(error, 'stack')) {
    const { stack } = error
    if (typeof stack === 'string') hide('stack', stack)
  }
  for (const key of ['cause', 'errors']) if (hasOwn(error, key) && !isEnumerable(error, key)) hide(key, error[key])
  const own = []
  for (const key of Object.keys(error)) own.push(key, error[key])
  return { base, hidden, own }
}

/** @returns {Error | undefined} undefined: no such class */
function buildError(base, hidden, own) {
  const Class = CLASSES.get(base)
  if (Class === undefined) return undefined
  const error = base === 'AggregateError' ? new Class([]) : new Class()
  for (let i = 0; i < hidden.length; i += 2) define(error, hidden[i], hidden[i + 1], false)
  for (let i = 0; i < own.length; i += 2) define(error, own[i], own[i + 1], true)
  return error
}

const define = (error, key, value, enumerable) =>
  Object.defineProperty(error, key, { value, enumerable, writable: true, configurable: true })

module.exports = { describeError, buildError }

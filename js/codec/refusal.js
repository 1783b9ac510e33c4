'use strict'

// Why a value cannot be encoded, and where in it: thrown from the depth, gathers the way up as it passes each
// container, and becomes a SlabcastError at the top. What user code throws on the way (a getter, toJSON) is no
// refusal and passes unchanged. No path is kept while all goes well: that would cost every message.

const { SlabcastError } = require('../errors')

const MAX_LEVELS = 1000
const SHOWN = 200

class Refusal {
  /** @param {string} code @param {string} reason completes the sentence "message.a ..." */
  constructor(code, reason, facts) {
    this.code = code
    this.reason = reason
    this.facts = facts
    /** container, step, container, step ... from the innermost out */
    this.trail = []
  }
}

/** The step from a Map to the value under a key. */
class MapStep {
  constructor(key) {
    this.key = key
  }
}

/** The step from a Map to one of its keys. */
class KeyStep {
  constructor(index) {
    this.index = index
  }
}

const refuse = (reason) => new Refusal('ERR_NOT_SERIALIZABLE', reason)

const tooDeep = () => refuse(`is nested deeper than ${MAX_LEVELS.toLocaleString('en')} levels`)

const tooLarge = (needed, available, cause) => new Refusal('ERR_MESSAGE_TOO_LARGE', '', { needed, available, cause })

/** For `catch (error) { throw trace(error, container, step) }`. */
function trace(error, container, step) {
  if (error instanceof Refusal) error.trail.push(container, step)
  return error
}

function label(key) {
  if (typeof key === 'string') return key.length > 40 ? `${key.slice(0, 40)}...` : key
  if (typeof key === 'bigint') return `${key}n`
  if (typeof key === 'object' && key !== null) return 'object'
  return String(key)
}

function written(step) {
  if (typeof step === 'number') return `[${step}]`
  if (step instanceof MapStep) return `<${label(step.key)}>`
  if (step instanceof KeyStep) return `.keys()[${step.index}]`
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
}

/** The steps from the root, cut where a container meets itself, if one does. */
function wayDown(trail) {
  const seen = new Set()
  const steps = []
  for (let i = trail.length - 2; i >= 0; i -= 2) {
    if (seen.has(trail[i])) return { steps, cycle: true }
    seen.add(trail[i])
    steps.push(trail[i + 1])
  }
  return { steps, cycle: false }
}

/** What a refusal tells the user; any other error is returned as it is. */
function told(error) {
  if (!(error instanceof Refusal)) return error
  const { steps, cycle } = wayDown(error.trail)
  if (error.code === 'ERR_MESSAGE_TOO_LARGE' && !cycle) {
    const { needed, available } = error.facts
    const sentence = `The message needs at least ${needed} bytes, ${available} are allowed: send it in parts or raise the limit`
    return new SlabcastError(error.code, sentence, error.facts)
  }
  const path = `message${steps.map(written).join('')}`
  const shown = path.length > SHOWN ? `${path.slice(0, SHOWN - 60)}...${path.slice(-50)}` : path
  const reason = cycle ? 'is a cycle: it contains itself' : error.reason
  return new SlabcastError('ERR_NOT_SERIALIZABLE', `${shown} ${reason}`, { path })
}

module.exports = { MAX_LEVELS, MapStep, KeyStep, refuse, tooDeep, tooLarge, trace, told }

'use strict'

// What a function's own text says of what it takes.

/** A plain name, or names taken out of an object: `message`, `(message)`, `({ user, text: words })`. */
const ONE =
  /^(?:async\b\s*)?(?:function\b\s*[\w$]*\s*)?(?:[\w$]+\s*=>|\(\s*(?:[\w$]+|\{[\w$\s,:]*\})\s*,?\s*\)\s*(=>|\{))/

/** One function may listen to many topics. */
const known = new WeakMap()

/**
 * Whether a function cannot see more than its first argument: it names one, without a default or a rest, and nothing in it
 * could mean `arguments`. Where the text does not tell (a bound or native function, a method, a comment in between), it may.
 */
function takesOne(listener) {
  if (listener.length !== 1) return false
  let answer = known.get(listener)
  if (answer === undefined) {
    const text = Function.prototype.toString.call(listener)
    answer = ONE.test(text) && !/\barguments\b|\beval\b|\\u/.test(text)
    known.set(listener, answer)
  }
  return answer
}

module.exports = { takesOne }

'use strict'

// Properties put on a new plain object as data, whatever Object.prototype has under their names: __proto__ above all,
// but also what others have added there or made read-only. Defining is slow, so a plain assignment is made wherever
// it does the same. Compiled decoders do without: a literal defines.

const ObjectPrototype = Object.prototype

const namesNow = () => Object.getOwnPropertyNames(ObjectPrototype)

/** By length and first character: some name that Object.prototype had from the start looks so. */
const LENGTHS = 32
const suspects = new Uint8Array(LENGTHS * 128)
const names = namesNow()
for (const name of names) suspects[name.length * 128 + name.charCodeAt(0)] = 1

/** Object.prototype has other names than at the start; undefined: not looked since user code could change it. */
let changed

/** Before the `put`s of one decode: no user code runs until the last. */
function forgetPrototype() {
  changed = undefined
}

function put(object, key, value) {
  if (changed === undefined) changed = namesNow().length !== names.length
  const { length } = key
  const suspect =
    changed || (length < LENGTHS && length > 0 && suspects[length * 128 + (key.charCodeAt(0) & 127)] === 1)
  if (suspect && key in ObjectPrototype) {
    Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true })
  } else object[key] = value
}

module.exports = { put, forgetPrototype }

'use strict'

// Source text of the functions that encode and decode objects of known keys: straight-line code with the keys' bytes
// as constants. Keys come here only as identifiers (shapes.js), so text made of them is what it looks like. Where
// `new Function` is forbidden nothing is compiled, and the generic ways (write.js, decoder.js) serve alone.

/** Set to false by the first refusal, and by tests. */
const mode = { generating: true }

/**
 * How the prototype of an object is asked for. `__proto__`, because V8 knows it from the object's hidden class where it knows
 * that, and calls the runtime for Object.getPrototypeOf in code that sees many classes. `node --disable-proto` takes it away.
 */
const PROTOTYPE_OF = (() => {
  try {
    // biome-ignore lint/suspicious/noProto: as above
    if ({}.__proto__ === Object.prototype) return 'object.__proto__'
  } catch {}
  return 'Object.getPrototypeOf(object)'
})()

function build(names, source) {
  if (!mode.generating) return null
  try {
    return new Function(...names, `'use strict'\n${source}`)
  } catch {
    mode.generating = false
    return null
  }
}

const MAX_NUMBER = 9

const keyBytes = (key) => Buffer.concat([Buffer.from([0xa0 | key.length]), Buffer.from(key, 'latin1')])

function mapHeader(count) {
  return count < 16 ? Buffer.from([0x80 | count]) : Buffer.from([0xde, count >> 8, count & 0xff])
}

// --- encoders

/** Statements that store `bytes` at p and move p on. The last word may run over: a value follows, or the slack. */
function store(bytes) {
  const lines = []
  const padded = Buffer.concat([bytes, Buffer.alloc(8)])
  let at = 0
  for (; at < bytes.length; at += 4) {
    const rest = bytes.length - at
    if (rest === 1) lines.push(`bytes[p${at ? ` + ${at}` : ''}] = ${bytes[at]}`)
    else lines.push(`view.setInt32(p${at ? ` + ${at}` : ''}, ${padded.readInt32LE(at)}, true)`)
  }
  lines.push(`p += ${bytes.length}`)
  return lines.join('; ')
}

function encoderSource(keys, deep) {
  const parts = keys.map(keyBytes)
  parts[0] = Buffer.concat([mapHeader(keys.length), parts[0]])
  let need = 0
  const needs = new Array(keys.length)
  for (let i = keys.length - 1; i >= 0; i--) {
    needs[i] = need
    need += parts[i].length + MAX_NUMBER
  }
  const body = keys.map((key, i) => {
    const again =
      needs[i] === 0 ? '' : `if (p + ${needs[i]} > out.end) room(p, ${needs[i]}); view = out.view; bytes = out.bytes`
    return `${store(parts[i])}
    at = ${i}; v = object.${key}
    if (typeof v === 'number') {
      if ((v & 127) === v && (v !== 0 || 1 / v > 0)) bytes[p++] = v
      else p = number(v, p)
    } else { p = typeof v === 'string' ? text(v, p) : value(v, p, inner); ${again} }`
  })
  return `return function (object, p, depth, isOrdinary) {
  if (depth >= ${deep} || object.toJSON !== undefined) return -1
  if (!isOrdinary && ${PROTOTYPE_OF} !== plain && Object.getPrototypeOf(object) !== null) return -1
  if (p + ${need} > out.end) room(p, ${need})
  const inner = depth + 1
  let at = 0
  try {
    let view = out.view, bytes = out.bytes, v
    ${body.join('\n    ')}
    return p
  } catch (error) {
    throw trace(error, object, keys[at])
  }
}`
}

/**
 * @param {string[]} keys
 * @param {number} deep the depth from which on it must not be used
 * @param {object} parts out, room, number, text, value, trace
 * @returns {((object: object, p: number, depth: number, isOrdinary: boolean) => number) | null} -1: not one for me.
 *   `isOrdinary`: it is known that nothing but its own enumerable properties is to be written
 */
function compileEncoder(keys, deep, { out, room, number, text, value, trace }) {
  const names = ['out', 'room', 'number', 'text', 'value', 'trace', 'keys', 'plain']
  const make = build(names, encoderSource(keys, deep))
  return make === null ? null : make(out, room, number, text, value, trace, keys, Object.prototype)
}

// --- decoders: one per bucket of key lists of one length, a tree that parts where their keys do

/** An expression: are these bytes at p? The header comes first, so that nothing behind a shorter key is read. */
function matches(bytes) {
  const { length } = bytes
  const tests = [`bytes[p] === ${bytes[0]}`]
  const at = (offset) => (offset === 0 ? 'p' : `p + ${offset}`)
  let from = 1
  if (length >= 4) {
    from = 0
    while (length - from >= 4) {
      tests.push(`view.getInt32(${at(from)}, true) === ${bytes.readInt32LE(from)}`)
      from += 4
    }
    if (from < length) tests.push(`view.getInt32(${at(length - 4)}, true) === ${bytes.readInt32LE(length - 4)}`)
  } else for (; from < length; from++) tests.push(`bytes[${at(from)}] === ${bytes[from]}`)
  return tests.join(' && ')
}

function grow(lists) {
  const root = { children: new Map() }
  for (const keys of lists) {
    let node = root
    for (const key of keys) {
      let next = node.children.get(key)
      if (next === undefined) {
        next = { children: new Map() }
        node.children.set(key, next)
      }
      node = next
    }
  }
  return root
}

function decoderSource(lists) {
  const count = lists[0].length
  const prefixes = []
  const emit = (node, path) => {
    const i = path.length
    if (i === count) {
      return `input.p = p; input.limit = limit; return { ${path.map((key, j) => `${key}: v${j}`).join(', ')} }`
    }
    // What the entries after this one must still find: a byte for each key and value.
    const owed = 2 * (count - i - 1)
    const tests = []
    for (const [key, child] of node.children) {
      const bytes = keyBytes(key)
      tests.push(`if (${matches(bytes)}) {
        p += ${bytes.length}; h = bytes[p]
        if (h < 128) { v${i} = h; p++ }
        else if ((h & 224) === 160 && p + h - 159 <= limit) {
          h &= 31; v${i} = text(bytes, view, p + 1, h); if (v${i} === undefined) notText(p); p += h + 1
        } else if (h === 203) { v${i} = view.getFloat64(p + 1); p += 9 }
        else if (h === 204) { v${i} = bytes[p + 1]; p += 2 }
        else if (h === 205) { v${i} = view.getUint16(p + 1); p += 3 }
        else if (h === 206) { v${i} = view.getUint32(p + 1); p += 5 }
        else if ((h & 240) === 128) {
          input.limit = limit - ${owed}; v${i} = map(h & 15, p + 1, inner); p = input.p
        } else { input.p = p; input.limit = limit - ${owed}; v${i} = value(inner); p = input.p }
        ${emit(child, [...path, key])}
      }`)
    }
    prefixes.push(path)
    const values = path.map((_, j) => `v${j}`).join(', ')
    return `${tests.join(' else ')}
      return rest(p, ${count}, limit, prefixes[${prefixes.length - 1}], [${values}], depth)`
  }
  const body = emit(grow(lists), [])
  const names = ['h', ...lists[0].map((_, i) => `v${i}`)]
  const source = `return function (p, limit, depth) {
    const bytes = input.bytes, view = input.view, inner = depth + 1
    let ${names.join(', ')}
    ${body}
  }`
  return { source, prefixes }
}

/**
 * @param {string[][]} lists all of one length, no two alike
 * @param {object} parts input, text, notText, value, map, rest
 * @returns {((p: number, limit: number, depth: number) => object) | null}
 */
function compileDecoder(lists, { input, text, notText, value, map, rest }) {
  const { source, prefixes } = decoderSource(lists)
  const make = build(['input', 'text', 'notText', 'value', 'map', 'rest', 'prefixes'], source)
  return make === null ? null : make(input, text, notText, value, map, rest, prefixes)
}

// --- strings

/** @returns {((bytes: Buffer, p: number) => string)[] | null} by length, from 1 to `longest` */
function compileTextMakers(longest) {
  const makers = []
  for (let length = 0; length <= longest; length++) {
    const codes = Array.from({ length }, (_, i) => `bytes[p + ${i}]`)
    const make = build([], `return (bytes, p) => String.fromCharCode(${codes.join(', ')})`)
    if (make === null) return null
    makers.push(make())
  }
  return makers
}

module.exports = { mode, compileTextMakers, compileEncoder, compileDecoder }

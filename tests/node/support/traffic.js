'use strict'

// Messages whose size and bytes follow from who publishes them, where, and which one it is: whoever reads them can say
// what they must be. Nine in ten are below 1 KiB, the tenth goes up to 256 KiB, most of those small too.

const MOST = 256 * 1024
const SMALL = 1024
/** Every so many messages of a publisher one has the largest size, and one has none. */
const EXTREME = 9973

/** Random bits of three numbers (a xorshift-multiply mix), 0 to 2^32. */
function mix(a, b, c) {
  let x = (Math.imul(a + 1, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b) ^ Math.imul(c + 1, 0xc2b2ae35)) | 0
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

function sizeOf(from, topic, number) {
  if (number % EXTREME === EXTREME - 1) return topic === 0 ? MOST : 0
  const random = mix(from, topic, number)
  if (random % 10 !== 0) return (random >>> 8) % SMALL
  const share = (random >>> 8) / 2 ** 24
  return Math.floor(SMALL * (MOST / SMALL) ** (share * share))
}

/** The same in every process: bodies are pieces of one block of random bytes. */
function traffic() {
  const block = Buffer.allocUnsafe(2 * MOST)
  for (let at = 0; at < block.length; at += 4) block.writeUInt32LE(mix(at, 7, 7), at)

  const body = (from, topic, number) => {
    const start = mix(number, from, topic) % MOST
    return block.subarray(start, start + sizeOf(from, topic, number))
  }
  return {
    body,
    isIntact: (bytes, from, topic, number) => body(from, topic, number).equals(bytes),
    /** What all of them are together. */
    sizes(processes, topics, messages) {
      const sizes = { count: 0, bytes: 0, small: 0, least: MOST, most: 0 }
      for (let from = 0; from < processes; from++)
        for (let topic = 0; topic < topics; topic++)
          for (let number = 0; number < messages; number++) {
            const size = sizeOf(from, topic, number)
            sizes.count++
            sizes.bytes += size
            if (size < SMALL) sizes.small++
            sizes.least = Math.min(sizes.least, size)
            sizes.most = Math.max(sizes.most, size)
          }
      return sizes
    },
  }
}

module.exports = { traffic }

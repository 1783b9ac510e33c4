'use strict'

// What is published: each message bears who published it and the how-manieth it is.

/** As it comes from a socket: flat, not a slice of a longer string. */
const text = (length) => Buffer.alloc(length, 'the quick brown fox jumps over the lazy dog. ').toString('latin1')

const withText = (length) => {
  const body = text(length)
  return {
    make: (from, n) => ({ from, n, text: body }),
    isWhole: (message) => message.text === body,
  }
}

module.exports = {
  /** A chat message of about 60 bytes. */
  small: {
    make: (from, n) => ({ from, n, user: 'ada', text: 'hello there', at: 1682302513688 + n }),
    isWhole: ({ n, user, text, at }) => user === 'ada' && text === 'hello there' && at === 1682302513688 + n,
  },
  '1 KiB': withText(1024),
  '64 KiB': withText(65536),
}

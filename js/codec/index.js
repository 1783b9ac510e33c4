'use strict'

// The codec's only door: values to MessagePack and back, as docs/format.md draws it. It knows neither topics nor frames.
// Publishers keep an Encoder, whose bytes the binding reads in place; everyone else takes `encode`.

const { Encoder, encode } = require('./encoder')
const { decode } = require('./decoder')
require('./deep')
const { Extension } = require('./extensions')

module.exports = { Encoder, Extension, encode, decode }

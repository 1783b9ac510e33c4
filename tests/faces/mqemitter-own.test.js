'use strict'

// mqemitter's own tests, the abstract one and the rest, with this face in the place of the module they test.

const { readFileSync } = require('node:fs')
const path = require('node:path')
const { after } = require('node:test')
const { uniqueName } = require('../node/support/bus')

process.env.SLABCAST_BUS = uniqueName()
const mqemitter = require('slabcast/mqemitter')

// Not every test closes its emitter.
after(() => require('slabcast').close())

const folder = path.join(path.dirname(require.resolve('mqemitter/package.json')), 'test')
const others = (name) => require(name.startsWith('.') ? path.join(folder, name) : name)
const tests = new Function('require', readFileSync(path.join(folder, 'test.js'), 'utf8'))
tests((name) => (name === '../' ? mqemitter : others(name)))

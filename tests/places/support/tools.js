'use strict'

// What setup.mjs installed: the versions of Node, and the programs slabcast runs under.

const fs = require('node:fs')
const path = require('node:path')

const modules = path.join(__dirname, '..', 'node_modules')

function found(file) {
  if (!fs.existsSync(file)) throw new Error(`${file} is not there: run "node tests/places/setup.mjs"`)
  return file
}

const VERSIONS = [20, 22, 24, 26]

/** The program of a version of Node. */
const node = (version) => found(path.join(modules, `node${version}-${process.arch}`, 'bin', 'node'))

/** Files to be run by node. */
const tools = {
  get jest() {
    return found(path.join(modules, 'jest', 'bin', 'jest.js'))
  },
  get pm2() {
    return found(path.join(modules, 'pm2', 'bin', 'pm2'))
  },
  /** The module itself. */
  get esbuild() {
    return require(path.join(modules, 'esbuild'))
  },
}

module.exports = { VERSIONS, node, tools }

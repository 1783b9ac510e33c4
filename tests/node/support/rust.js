'use strict'

// Rust programs that a test talks to: examples/ of the crate.

const { spawnSync } = require('node:child_process')
const path = require('node:path')
const { isWindows } = require('./system')

/** Where they lie ready, for where nothing can be built. */
const { SLABCAST_EXAMPLES } = process.env
const root = path.join(__dirname, '..', '..', '..')

/** The program of that name, built if it has to be. */
function rustProgram(name) {
  if (SLABCAST_EXAMPLES) return path.join(SLABCAST_EXAMPLES, isWindows ? `${name}.exe` : name)
  const build = ['build', '--locked', '--profile', 'tested', '--example', name, '--message-format=json']
  const { status, stdout, stderr, error } = spawnSync('cargo', build, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(`cargo ${build.join(' ')}: ${error ?? stderr}`)
  const lines = stdout.trim().split('\n')
  return lines.map((line) => JSON.parse(line)).find(({ executable, target }) => executable && target.name === name)
    .executable
}

module.exports = { rustProgram }

// Builds the addon in release mode and puts it where js/native.js looks for it.

import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import { createRequire } from 'node:module'
import { run } from './run.mjs'

const { binary } = createRequire(import.meta.url)('../js/native.js')
const target = process.env.CARGO_TARGET_DIR ?? 'target'

run('cargo', ['build', '--locked', '--release', '--lib', '--features', 'node'])
mkdirSync('build', { recursive: true })
// By way of a rename: a process that has the old one loaded keeps it whole.
copyFileSync(`${target}/release/libslabcast.so`, `${binary}.new`)
renameSync(`${binary}.new`, binary)

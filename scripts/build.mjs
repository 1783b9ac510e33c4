// Builds the addon in release mode and puts it where js/native.js looks for it.

import { copyFileSync, mkdirSync, renameSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { releaseEnvironment } from './flags.mjs'
import { run } from './run.mjs'

const binary = createRequire(import.meta.url)('../js/native.js').binary()
const target = process.env.CARGO_TARGET_DIR ?? 'target'
const library = { darwin: 'libslabcast.dylib', win32: 'slabcast.dll' }[process.platform] ?? 'libslabcast.so'
// A library of musl's has no C library of its own, which is what a program has there by default.
const flags = binary.endsWith('-musl.node') ? ['-Ctarget-feature=-crt-static'] : []

run('cargo', ['build', '--locked', '--release', '--lib', '--features', 'node'], {
  env: releaseEnvironment(process.env, flags),
})
mkdirSync(path.dirname(binary), { recursive: true })
// By way of a rename: a process that has the old one loaded keeps it whole.
copyFileSync(`${target}/release/${library}`, `${binary}.new`)
renameSync(`${binary}.new`, binary)

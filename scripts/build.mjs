// Builds the addon in release mode and puts it where js/native.js looks for it: with the cargo of PATH for this machine; with
// `--target x86_64-pc-windows-gnu` (or another of scripts/cross/toolchain.mjs) for another.

import { copyFileSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { releaseEnvironment } from './flags.mjs'
import { run } from './run.mjs'

const { target } = parseArgs({ options: { target: { type: 'string' } } }).values
if (target === undefined) forThisMachine()
else {
  const { toolchain } = await import('./cross/toolchain.mjs')
  console.log(toolchain(target).addon('build'))
}

function forThisMachine() {
  const binary = createRequire(import.meta.url)('../js/native.js').binary()
  const folder = process.env.CARGO_TARGET_DIR ?? 'target'
  const library = { darwin: 'libslabcast.dylib', win32: 'slabcast.dll' }[process.platform] ?? 'libslabcast.so'
  // A library of musl's has no C library of its own, which is what a program has there by default.
  const flags = binary.endsWith('-musl.node') ? ['-Ctarget-feature=-crt-static'] : []
  run('cargo', ['build', '--locked', '--release', '--lib', '--features', 'node'], {
    env: releaseEnvironment(process.env, flags),
  })
  mkdirSync(path.dirname(binary), { recursive: true })
  copyFileSync(path.join(folder, 'release', library), `${binary}.new`)
  replace(binary, `${binary}.new`)
}

/**
 * By way of a rename: a process that has the old one loaded keeps it whole. Windows does not put a file in the place of one that is
 * loaded, but lets that be called something else; it is removed by a build that comes when it is loaded no more.
 */
function replace(file, by) {
  const [folder, name] = [path.dirname(file), path.basename(file)]
  for (const old of readdirSync(folder).filter((entry) => entry.startsWith(`${name}.old-`))) {
    try {
      rmSync(path.join(folder, old))
    } catch (error) {
      if (process.platform !== 'win32') throw error
    }
  }
  try {
    renameSync(by, file)
  } catch (error) {
    if (process.platform !== 'win32') throw error
    renameSync(file, `${file}.old-${process.pid}`)
    renameSync(by, file)
  }
}

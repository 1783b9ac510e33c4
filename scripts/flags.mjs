// The flags of every build that may leave this machine: the names of its folders stay out of the binary. Panics name the
// source they come from, and with it the home folder, the checkout, and cargo's folder of a registry, which holds a host name.

import { readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './run.mjs'

export const checkout = fileURLToPath(new URL('..', import.meta.url)).slice(0, -1)
const cargoHome = path.resolve(process.env.CARGO_HOME ?? path.join(homedir(), '.cargo'))
const sources = path.join(cargoHome, 'registry', 'src')
/** Where Debian's rust-web-src puts the standard library; the rustup tool chain's own is built elsewhere, and says so. */
const library = ['/usr/lib/rustlib/src/rust', '/usr/src/rustc-']

const registries = () => {
  try {
    return readdirSync(sources)
  } catch {
    return []
  }
}

/** The folders that no binary may name, and what it says instead. Of several that fit rustc takes the last. */
function renamed() {
  const target = path.resolve(checkout, process.env.CARGO_TARGET_DIR ?? 'target')
  return [
    [cargoHome, '/cargo'],
    ...registries().map((registry) => [path.join(sources, registry), '/deps']),
    [library[0], '/rustc'],
    [target, '/target'],
    [checkout, '/slabcast'],
  ]
}

/** What must not stand in a binary: text of this machine's, wherever it comes from. */
export function secrets() {
  const home = homedir()
  const folders = [checkout, cargoHome, ...registries(), ...library]
  return [...new Set(path.dirname(home) === home ? folders : [home, ...folders])]
}

/** The environment for a release build, `flags` (an array) among what rustc is given. */
export function releaseEnvironment(env = process.env, flags = []) {
  // Cargo makes a registry's folder when it first fetches from it.
  if (registries().length === 0) run('cargo', ['fetch', '--locked'], { cwd: checkout })
  const given = env.CARGO_ENCODED_RUSTFLAGS?.split('\x1f') ?? env.RUSTFLAGS?.split(/\s+/) ?? []
  const remapped = renamed().map(([folder, name]) => `--remap-path-prefix=${folder}=${name}`)
  const all = [...given.filter(Boolean), ...flags, ...remapped]
  return { ...env, CARGO_ENCODED_RUSTFLAGS: all.join('\x1f') }
}

// Tool chains for other systems than this one's, on Debian and its like: a compiler and the sources of the standard library of
// one version come from packages, the library is built with ours (-Zbuild-std), so that nothing need be there prebuilt. They lie
// beside a rustup tool chain and leave it alone. Each target has a folder of its own under target/cross: other flags or another
// linker build everything anew.
//
//   const chain = toolchain('aarch64-unknown-linux-gnu')   // installs what is missing
//   chain.cargo(['build', '--release', '--lib', '--features', 'node'])
//   chain.addon()     // the release build, copied to target/cross/addons/slabcast.<host>.node; or to a folder that is given

import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { checkout, releaseEnvironment } from '../flags.mjs'
import { run } from '../run.mjs'

/** Programs by the package that has them. */
const RUST = {
  '/usr/bin/rustc': 'rustc-web',
  '/usr/bin/cargo': 'cargo-web',
  '/usr/lib/rustlib/src/rust/library': 'rust-web-src',
}

/** Zig's own parts say where they were compiled: that is debug information. */
const ZIG = ['-Clink-arg=-Wl,-S']

/** What each target needs beside Rust. `host`: as js/native.js names it. */
const TARGETS = {
  'x86_64-pc-windows-gnu': {
    host: 'win32-x64',
    library: 'slabcast.dll',
    packages: { '/usr/bin/x86_64-w64-mingw32-gcc-posix': 'gcc-mingw-w64-x86-64-posix' },
    linker: 'x86_64-w64-mingw32-gcc-posix',
    windows: true,
  },
  // Microsoft's libraries are needed for linking, not for a look at the types.
  'x86_64-pc-windows-msvc': { checkOnly: true },
  'aarch64-pc-windows-msvc': { checkOnly: true },
  'aarch64-apple-darwin': { host: 'darwin-arm64', library: 'libslabcast.dylib', zig: true, flags: ZIG },
  'x86_64-apple-darwin': { host: 'darwin-x64', library: 'libslabcast.dylib', zig: true, flags: ZIG },
  'aarch64-unknown-linux-gnu': {
    host: 'linux-arm64',
    library: 'libslabcast.so',
    packages: {
      '/usr/bin/aarch64-linux-gnu-gcc': 'gcc-aarch64-linux-gnu',
      '/usr/aarch64-linux-gnu/lib/libc.so.6': 'libc6-dev-arm64-cross',
    },
    linker: 'aarch64-linux-gnu-gcc',
  },
  'x86_64-unknown-linux-musl': {
    host: 'linux-x64-musl',
    library: 'libslabcast.so',
    packages: { '/usr/bin/musl-gcc': 'musl-tools' },
    // Else it would be a program's own C library, which a shared library cannot have.
    flags: ['-Ctarget-feature=-crt-static'],
    musl: true,
  },
}

export const cross = path.join(checkout, 'target', 'cross')
/** Where addons for other hosts are put, if nobody says otherwise. */
export const addons = path.join(cross, 'addons')

/** Installs the packages of those files that are not there: { file: package }. */
export function install(files) {
  const missing = Object.keys(files).filter((file) => !existsSync(file))
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((file) => files[file]))]
  const [apt, ...sudo] = process.getuid() === 0 ? ['apt-get'] : ['sudo', 'apt-get']
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  run(apt, [...sudo, 'update', '-qq'], { env })
  run(apt, [...sudo, 'install', '-y', '-qq', '--no-install-recommends', ...packages], { env })
  const still = missing.filter((file) => !existsSync(file))
  if (still.length > 0) throw new Error(`${packages.join(' ')} installed, and ${still.join(', ')} not there`)
}

/** What pip has of it: zig, which links for macOS without Apple's libraries, and what reads its binaries. Returns the folder of its programs. */
function python() {
  const folder = path.join(cross, 'python')
  const bin = path.join(folder, 'bin')
  const packages = ['ziglang==0.17.1', 'cargo-zigbuild==0.24.0', 'lief==1.0.0']
  const installed = path.join(folder, 'installed')
  if (existsSync(installed) && readFileSync(installed, 'utf8') === packages.join(' ')) return bin
  install({ '/usr/bin/python3': 'python3', '/usr/share/doc/python3-venv': 'python3-venv' })
  run('python3', ['-m', 'venv', '--clear', folder])
  run(path.join(bin, 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...packages])
  writeFileSync(installed, packages.join(' '))
  return bin
}

/** What a Mach-O file says: the symbols it exports, the libraries it loads, its own name, the least system it runs on. */
export function readMachO(file) {
  const program = `import json, lief, sys
binary = lief.MachO.parse(sys.argv[1]).at(0)
name = [c.name for c in binary.commands if c.command == lief.MachO.LoadCommand.TYPE.ID_DYLIB]
print(json.dumps({
  "exports": [s.name for s in binary.exported_symbols],
  "loads": [l.name for l in binary.libraries if l.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB],
  "name": name[0] if name else None,
  "minimum": ".".join(map(str, binary.build_version.minos)),
}))`
  const read = spawnSync(path.join(python(), 'python'), ['-c', program, file], { encoding: 'utf8' })
  if (read.status !== 0) throw new Error(`${file} is not to be read: ${read.stderr}`)
  return JSON.parse(read.stdout)
}

/** napi-build asks for Node's import library, although nothing is imported from it: symbols are looked up in the running host. */
function libnode() {
  const folder = path.join(cross, 'libnode')
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'libnode.a'), '!<arch>\n')
  writeFileSync(path.join(folder, 'libnode.dll'), '')
  return folder
}

/** A linker for musl that finds libgcc_s, which musl-gcc does not: rustc knows by the name's end what kind it is. */
function muslLinker() {
  const folder = path.join(cross, 'musl')
  mkdirSync(folder, { recursive: true })
  const at = spawnSync('gcc', ['-print-file-name=libgcc_s.so.1'], { encoding: 'utf8' }).stdout.trim()
  copyFileSync(at, path.join(folder, 'libgcc_s.so.1'))
  const linker = path.join(folder, 'musl-with-libgcc-gcc')
  writeFileSync(linker, `#!/bin/sh\nexec musl-gcc -L${folder} "$@"\n`)
  chmodSync(linker, 0o755)
  return linker
}

/** The tool chain for a target, all it needs installed. */
export function toolchain(target) {
  const settings = TARGETS[target]
  if (!settings) throw new Error(`there is no tool chain for ${target}: ${Object.keys(TARGETS).join(', ')}`)
  install({ ...RUST, ...settings.packages })
  const folder = path.join(cross, target)
  const linker = settings.musl ? muslLinker() : settings.linker
  const variable = (name) => `CARGO_TARGET_${target.toUpperCase().replaceAll('-', '_')}_${name}`

  /** Names the packages' Rust, not the checkout's. */
  const environment = () => {
    // No flags of the checkout's own builds; the tool chain's compiler understands -Z because it is told to.
    const { RUSTFLAGS, CARGO_ENCODED_RUSTFLAGS, RUSTUP_TOOLCHAIN, CARGO_TARGET_DIR, ...inherited } = process.env
    const env = {
      ...inherited,
      PATH: '/usr/bin:/bin',
      RUSTC: '/usr/bin/rustc',
      CARGO: '/usr/bin/cargo',
      RUSTC_BOOTSTRAP: '1',
    }
    if (linker) env[variable('LINKER')] = linker
    if (settings.windows) env.LIBNODE_PATH = libnode()
    return releaseEnvironment(env, settings.flags)
  }

  /** Runs cargo for the target: `args` begins with a command. `std`: the parts of the standard library it needs. */
  const cargo = (args, { env, std = 'std,panic_unwind', ...options } = {}) => {
    const [command, ...rest] = args
    const all = [command, '--locked', `-Zbuild-std=${std}`, '--target', target, '--target-dir', folder, ...rest]
    run('/usr/bin/cargo', all, { cwd: checkout, ...options, env: { ...environment(), ...env } })
  }

  /** As `cargo`, where zig compiles C and links. */
  const throughZig = (command, args, more) => {
    const bin = python()
    const env = {
      ...environment(),
      PATH: `${bin}:/usr/bin:/bin`,
      CARGO_ZIGBUILD_PYTHON_PATH: path.join(bin, 'python'),
      // Zig's caches are as large as the build: here, where they go with it.
      ZIG_GLOBAL_CACHE_DIR: path.join(cross, 'zig-cache'),
      MACOSX_DEPLOYMENT_TARGET: '11.0',
      // The tool that strips is not there. What there is to strip names the object files' folders, so there is to be nothing.
      CARGO_PROFILE_RELEASE_STRIP: 'none',
      CARGO_PROFILE_RELEASE_DEBUG: '0',
      ...more,
    }
    run(path.join(bin, 'cargo-zigbuild'), [command, '--locked', '--target', target, '--target-dir', folder, ...args], {
      cwd: checkout,
      env,
    })
  }

  /** Types and lints; warnings are errors. `args`: what of it. */
  const check = (args) => {
    const env = { CARGO_BUILD_WARNINGS: 'deny' }
    const std = 'std,panic_unwind,test'
    if (settings.zig) throughZig('check', ['-Zwarnings', `-Zbuild-std=${std}`, ...args], env)
    else cargo(['check', '-Zwarnings', ...args], { std, env })
  }

  /** The release build of the addon. */
  const build = () => {
    if (settings.checkOnly) throw new Error(`what is needed to link for ${target} is not to be had here`)
    const args = ['--release', '--lib', '--features', 'node']
    if (settings.zig) throughZig('zigbuild', ['-Zbuild-std=std,panic_unwind', ...args])
    else cargo(['build', ...args])
    return path.join(folder, target, 'release', settings.library)
  }

  /** The same, copied into `to`; returns where it lies. */
  const addon = (to = addons) => {
    const file = path.join(to, `slabcast.${settings.host}.node`)
    const built = build()
    mkdirSync(to, { recursive: true })
    copyFileSync(built, file)
    return file
  }

  return { target, folder, environment, variable, cargo, check, build, addon }
}

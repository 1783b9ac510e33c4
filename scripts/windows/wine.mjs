// A Windows to run tests on: Wine, with a prefix of this checkout's own under target/windows. What is done to the prefix makes
// up for what Wine 8 lacks or says otherwise than a Windows that Node and Rust run on.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { install } from '../cross/toolchain.mjs'
import { checkout } from '../flags.mjs'
import { run } from '../run.mjs'

export const folder = path.join(checkout, 'target', 'windows')
export const WINE = '/usr/lib/wine/wine64'
const SERVER = '/usr/lib/wine/wineserver'
const COMPILER = 'x86_64-w64-mingw32-gcc-posix'
const prefix = path.join(folder, 'prefix')
const ready = path.join(folder, 'prefix.ready')
const shim = fileURLToPath(new URL('bcryptprimitives.c', import.meta.url))

/** What Wine is told: no display, and no words of its own. */
export const settings = {
  WINEPREFIX: prefix,
  WINEARCH: 'win64',
  WINEDEBUG: '-all',
  DISPLAY: '',
  // Neither .NET nor a browser is offered for installation.
  WINEDLLOVERRIDES: 'mscoree,mshtml=',
  SLABCAST_WINE: '1',
}

/** The environment of what we run: nothing of what npm or Node told us. */
const ours = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|SLABCAST_BUS$)/i.test(name))
const environment = { ...Object.fromEntries(ours), ...settings }

/** How a program under Wine finds a file of ours. */
export const windowsPath = (file) => `Z:${path.resolve(checkout, file).replaceAll('/', '\\')}`

const wine = (...args) => run(WINE, args, { env: environment, stdio: ['ignore', 'ignore', 'ignore'] })

/** Wine, and a prefix that is as it should be. */
export function setUp() {
  install({ [WINE]: 'wine64', [`/usr/bin/${COMPILER}`]: 'gcc-mingw-w64-x86-64-posix' })
  const { stdout: version } = spawnSync(WINE, ['--version'], { encoding: 'utf8' })
  // Made anew when what makes it is another.
  const made = createHash('sha256').update(version).update(readFileSync(shim)).update(setUp.toString()).digest('hex')
  if (!existsSync(ready) || readFileSync(ready, 'utf8') !== made) {
    console.log(`# making a prefix for ${version.trim()}`)
    end()
    rmSync(prefix, { recursive: true, force: true })
    rmSync(ready, { force: true })
    mkdirSync(prefix, { recursive: true })
    begin()
    wine('wineboot', '-i')
    // A fresh prefix says it is Windows 7, which Node refuses.
    wine('reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win10', '/f')
    // Rust's standard library takes its random numbers from a library that Wine 8 lacks.
    const dll = path.join(folder, 'bcryptprimitives.dll')
    run(COMPILER, ['-O2', '-Wall', '-Werror', '-shared', '-s', '-o', dll, shim, '-ladvapi32'])
    copyFileSync(dll, path.join(prefix, 'drive_c', 'windows', 'system32', path.basename(dll)))
    writeFileSync(ready, made)
  }
  begin()
}

/** Starts what stays between two programs: to start it for each takes longer than many a test. 2: it is there. */
function begin() {
  const { status } = spawnSync(SERVER, ['-p'], { env: environment, stdio: 'ignore' })
  if (status !== 0 && status !== 2) throw new Error(`${SERVER} ended with exit code ${status}`)
}

/** Ends everything of this prefix, and nothing else. */
export function end() {
  if (!existsSync(SERVER)) return
  for (const act of ['-k', '-w']) spawnSync(SERVER, [act], { env: environment, stdio: 'ignore' })
}

/** Ends everything of this prefix, for others to run there. */
export function restart() {
  end()
  begin()
}

let outputs = 0

/**
 * Runs a Windows program; what it prints goes where ours goes, by way of a file: Node for Windows cannot write to a pipe of
 * this system's. Returns how it ended: { code, output }. What takes longer than so many minutes is ended with all its prefix.
 */
export async function runUnderWine(program, args, { minutes, env = {} }) {
  const file = path.join(folder, `output-${process.pid}-${++outputs}.txt`)
  const writing = openSync(file, 'w')
  const reading = openSync(file, 'r')
  const child = spawn(WINE, [program, ...args], {
    cwd: checkout,
    env: { ...environment, ...env },
    stdio: ['ignore', writing, writing],
  })
  closeSync(writing)
  const chunks = []
  const buffer = Buffer.alloc(1 << 16)
  const show = () => {
    for (;;) {
      const length = readSync(reading, buffer)
      if (length === 0) return
      const chunk = Buffer.from(buffer.subarray(0, length))
      chunks.push(chunk)
      process.stdout.write(chunk)
    }
  }
  const showing = setInterval(show, 200)
  let isLate = false
  const watchdog = setTimeout(() => {
    isLate = true
    end()
    child.kill('SIGKILL')
  }, minutes * 60_000)
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('exit', (code, signal) => resolve(signal ?? code))
  })
  clearTimeout(watchdog)
  clearInterval(showing)
  show()
  closeSync(reading)
  rmSync(file)
  if (isLate) {
    console.log(`\n${program} was ended after ${minutes} minutes`)
    restart()
  }
  return { code: isLate ? 'too late' : code, output: Buffer.concat(chunks).toString() }
}

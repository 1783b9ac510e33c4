'use strict'

// A place for buses of one's own, and what is left in it. For programs that are no tests too.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { isWindows, ROOT } = require('../node/support/system')

const ISOLATED = 'SLABCAST_CRASH_ISOLATED'

/**
 * Runs this test file anew with an empty temp folder and an empty place for buses, so that what is left there is ours, and
 * other tests' buses are not swept. Returns '' inside; where that is not permitted, the reason.
 * @param {string} size of /dev/shm. On Windows the place is a folder, and as large as its disk
 */
function isolate(size = '1g') {
  if (process.env[ISOLATED]) return process.env[ISOLATED] === 'yes' ? '' : process.env[ISOLATED]
  return isWindows ? inFolder() : inMounts(size)
}

/** In a mount namespace with an empty /dev/shm. */
function inMounts(size) {
  const script = `mount -t tmpfs -o size=${size},mode=1777 slabcast-test /dev/shm`
  const flags = process.getuid() === 0 ? ['-m'] : ['-r', '-m']
  const wanted = [...flags, '--propagation', 'private', 'sh', '-c']
  const probe = spawnSync('unshare', [...wanted, script], { encoding: 'utf8' })
  const reason = probe.error?.message ?? (probe.status === 0 ? '' : probe.stderr.trim())
  if (reason) {
    process.env[ISOLATED] = `no private /dev/shm is permitted here (unshare: ${reason})`
    return process.env[ISOLATED]
  }
  const command = ['unshare', ...wanted, `${script} && exec "$@"`, 'sh', process.execPath]
  return again(command, (temp) => ({ TMPDIR: temp }))
}

/** With folders of its own where Windows has a user's. */
function inFolder() {
  return again([process.execPath], (temp) => {
    const local = path.join(temp, 'local')
    const own = path.join(temp, 'temp')
    for (const folder of [local, own]) fs.mkdirSync(folder)
    return { LOCALAPPDATA: local, TEMP: own, TMP: own }
  })
}

/** Runs this program by that command, with a temp folder that goes with it, and ends as it does. */
function again([program, ...before], environment) {
  const temp = fs.mkdtempSync(path.join(os.tmpdir(), 'crash-'))
  const args = [...before, ...process.execArgv, ...process.argv.slice(1)]
  const env = { ...process.env, ...environment(temp), [ISOLATED]: 'yes' }
  const { status } = spawnSync(program, args, { stdio: 'inherit', env })
  fs.rmSync(temp, { recursive: true })
  process.exit(status ?? 1)
}

function list(folder) {
  try {
    return fs.readdirSync(folder).sort()
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

/** A folder's content, and that of the folders in it. */
function walk(folder) {
  return list(folder).flatMap((name) => {
    const file = path.join(folder, name)
    return fs.lstatSync(file, { throwIfNoEntry: false })?.isDirectory() ? [file, ...walk(file)] : [file]
  })
}

/** Every file of slabcast's there is, in its place and the temp folder. Only where `isolate` gave ''. */
function left() {
  if (isWindows) return [...walk(process.env.LOCALAPPDATA), ...walk(os.tmpdir())]
  const ours = list('/dev/shm').filter((name) => name.startsWith('slabcast'))
  const files = ours.map((name) => path.join('/dev/shm', name))
  const isFolder = (file) => fs.statSync(file, { throwIfNoEntry: false })?.isDirectory()
  return [
    ...files,
    ...files.filter(isFolder).flatMap(walk),
    ...list(os.tmpdir()).map((name) => path.join(os.tmpdir(), name)),
  ]
}

/** The segments there are, of living and dead buses. */
const segments = () => left().filter((file) => /^slabcast\.[0-9a-f]{16}$/.test(path.basename(file)))

module.exports = { isolate, left, list, ROOT, segments }

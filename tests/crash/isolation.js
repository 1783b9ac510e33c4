'use strict'

// A /dev/shm of one's own, and what is left in it. For programs that are no tests too.

const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')

const ISOLATED = 'SLABCAST_CRASH_ISOLATED'

/**
 * Runs this test file anew with an empty temp folder and in a mount namespace with an empty /dev/shm, so that what is left there is ours, and other
 * tests' buses are not swept. Returns '' inside; where namespaces are not permitted, the reason.
 */
function isolate(size = '1g') {
  if (process.env[ISOLATED]) return process.env[ISOLATED] === 'yes' ? '' : process.env[ISOLATED]
  const script = `mount -t tmpfs -o size=${size},mode=1777 slabcast-test /dev/shm`
  const flags = process.getuid() === 0 ? ['-m'] : ['-r', '-m']
  const wanted = [...flags, '--propagation', 'private', 'sh', '-c']
  const probe = spawnSync('unshare', [...wanted, script], { encoding: 'utf8' })
  const reason = probe.error?.message ?? (probe.status === 0 ? '' : probe.stderr.trim())
  if (reason) {
    process.env[ISOLATED] = `no private /dev/shm is permitted here (unshare: ${reason})`
    return process.env[ISOLATED]
  }
  const args = [
    ...wanted,
    `${script} && exec "$@"`,
    'sh',
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1),
  ]
  const temp = fs.mkdtempSync(path.join(os.tmpdir(), 'crash-'))
  const env = { ...process.env, [ISOLATED]: 'yes', TMPDIR: temp }
  const { status } = spawnSync('unshare', args, { stdio: 'inherit', env })
  fs.rmSync(temp, { recursive: true })
  process.exit(status ?? 1)
}

const ROOT = `/dev/shm/slabcast-${process.geteuid()}`
const folderOf = (bus) => path.join(ROOT, bus)

function list(folder) {
  try {
    return fs.readdirSync(folder).sort()
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

/** Every file of slabcast's there is, in /dev/shm and the temp folder. Only where `isolate` gave ''. */
function left() {
  const found = []
  const walk = (folder) => {
    for (const name of list(folder)) {
      const file = path.join(folder, name)
      found.push(file)
      if (fs.lstatSync(file, { throwIfNoEntry: false })?.isDirectory()) walk(file)
    }
  }
  for (const name of list('/dev/shm')) if (name.startsWith('slabcast')) found.push(path.join('/dev/shm', name))
  for (const folder of [...found]) if (fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) walk(folder)
  for (const name of list(os.tmpdir())) found.push(path.join(os.tmpdir(), name))
  return found
}

module.exports = { folderOf, isolate, left, list, ROOT }

'use strict'

// The name of the default bus: the same in every process of one application, with no code in any of them.
//
// Processes of one application descend from one another over Node's IPC channel (cluster, child_process.fork, and the
// wrappers that fork: node --watch, nodemon). So the name is that of the topmost ancestor reached over such channels,
// by its pid and the time it started; ancestors need not load slabcast. pm2 hosts many applications under one daemon: there
// the application's name decides.
//
// What is asked of the system about a process is read from /proc on Linux; elsewhere native code knows.

const { createHash } = require('node:crypto')
const { readFileSync, readlinkSync } = require('node:fs')
const native = require('./native')

const HAS_PROC = process.platform === 'linux'

/** What the kernel says of a process: its parent, and when it started. */
function look(pid) {
  if (!HAS_PROC) return native().processOf(pid)
  try {
    // By a detour: for this process' own, qemu answers the plain path itself, and not as others see it.
    const stat = readFileSync(`/proc/./${pid}/stat`, 'latin1')
    // pid (name) state ppid ...: the name may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { parent: Number(fields[1]), started: fields[19] }
  } catch {
    return undefined
  }
}

function wasBornWithChannel(pid) {
  if (!HAS_PROC) return native().wasBornWithChannel(pid)
  // Node deletes the variable from process.env when it starts; the kernel keeps what the process was started with.
  try {
    return /(?:^|\0)NODE_CHANNEL_FD=/.test(readFileSync(`/proc/${pid}/environ`, 'latin1'))
  } catch {
    return false
  }
}

function namespace() {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}

function root() {
  let pid = process.pid
  let at = look(pid)
  while (at && at.parent > 0 && wasBornWithChannel(pid)) {
    const parent = look(at.parent)
    if (!parent) break
    pid = at.parent
    at = parent
  }
  return { pid, started: at?.started ?? '' }
}

function applicationName() {
  const { SLABCAST_BUS, PM2_HOME, pm_id, name, namespace: group } = process.env
  if (SLABCAST_BUS) return { name: SLABCAST_BUS, from: 'the environment variable SLABCAST_BUS' }
  if (PM2_HOME !== undefined && pm_id !== undefined && name) return { identity: ['pm2', PM2_HOME, group ?? '', name] }
  const { pid, started } = root()
  return { identity: ['process', namespace(), pid, started] }
}

let found

/** { name, from? }: found once per process; `from` says where an explicit name came from. */
function defaultBus() {
  if (!found) {
    const { name, from, identity } = applicationName()
    found = name
      ? { name, from }
      : { name: `app-${createHash('sha256').update(identity.join('\0')).digest('hex').slice(0, 16)}` }
  }
  return found
}

module.exports = { defaultBus }

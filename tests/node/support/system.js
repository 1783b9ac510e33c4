'use strict'

// What a test needs to know of the operating system it runs on: where a bus lies there, what can be done to a process, and how
// one ends that was killed.

const fs = require('node:fs')
const path = require('node:path')

const isWindows = process.platform === 'win32'

/** What holds the folders of users. */
const PARENT = process.platform === 'linux' ? '/dev/shm' : '/tmp'

/** The folder of all buses of this user. */
const ROOT = isWindows
  ? path.join(process.env.LOCALAPPDATA, 'slabcast')
  : path.join(PARENT, `slabcast-${process.geteuid()}`)

const folderOf = (name) => path.join(ROOT, name)

/**
 * Where the segment of that id, which begins with a slash, lies: among the buses, or beside their folder. On macOS it is no file:
 * nothing is ever there, and what writes into it is left out (tests/exclusions).
 */
const segmentFile = (id) => path.join(isWindows ? ROOT : PARENT, id.slice(1))

/** The segment of a living bus. */
const segmentOf = (name) => segmentFile(fs.readFileSync(path.join(folderOf(name), 'segment'), 'utf8').trim())

/** How many files lie in the folder of a bus that has so many members. */
const filesOf = isWindows
  ? (members) => 1 + members // the pointer; a lock for each: what is locked or slept on otherwise has a name and no file
  : (members) => 2 + 2 * members // the pointer, the registry's lock; a lock and a FIFO for each

/** Whether a process that ended by `{ code, signal }` was killed. Windows keeps no signal: 1 is what the kill leaves there. */
const wasKilled = ({ code, signal }) => signal === 'SIGKILL' || (isWindows && code === 1 && signal === null)

/** Whether there is a process of that number, be it one that has ended and waits for its parent to see it. */
function exists(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    if (error.code === 'EPERM') return true
    if (error.code === 'ESRCH') return false
    throw error
  }
}

/** Whether a process has ended, though its parent may not have seen it. */
function isOver(pid) {
  if (process.platform !== 'linux') return !exists(pid)
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ')
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ESRCH') return true
    throw error
  }
}

/** Whether a process can be stopped and be told to go on (SIGSTOP, SIGCONT). */
const canStop = !isWindows

/** How many descriptors this process has open. Of its handles Windows tells a program nothing: there none. */
const descriptors = () => (process.platform === 'linux' ? fs.readdirSync('/proc/self/fd').length : 0)

module.exports = {
  canStop,
  descriptors,
  exists,
  filesOf,
  folderOf,
  isOver,
  isWindows,
  ROOT,
  segmentFile,
  segmentOf,
  wasKilled,
}

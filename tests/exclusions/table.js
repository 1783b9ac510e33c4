'use strict'

// What of the tests is not run where, and why: whole files, or `tests` of one by their names. `windows`: there is no such thing on
// Windows. `wine`: Windows has it, and Wine, under which the suites are run on other systems, has not. `macos`: there is no such thing
// on macOS. `qemu`: Linux has it, and qemu, which emulates one process of another processor, has not. In test files of Node
// apply.js leaves the tests out, and fails where a line here fits none.

const windows = (why, file, tests) => ({ where: 'windows', why, file, tests })

const macos = (why, file, tests) => ({ where: 'macos', why, file, tests })

const wine = (why, file, tests) => ({ where: 'wine', why, file, tests })

const qemu = (why, file, tests) => ({ where: 'qemu', why, file, tests })

const STOP = 'Windows has no SIGSTOP: nobody can be stopped by another process'
const GROUPS = 'Windows has no mode 0o660: a bus is its user’s alone'
const WATCHES = 'It counts and watches threads by /proc'
/** Of tests/node/thread-wake.test.js. */
const WATCHED = [
  'each bus has a thread that waits, as long as it is open; where libuv can be used there is none',
  'the thread rests while JavaScript has not come to look',
]

const table = [
  windows('It asks a Redis, which there is none of for Windows', 'tests/node/globs.test.js', [
    'a pattern matches what Redis says it matches',
    'psubscribe hears the topics that Redis says its pattern matches',
  ]),
  windows(STOP, 'tests/node/groups.test.js', [
    'a stopped member keeps nothing from the others that it has not taken',
    'a group whose members are all stopped is cut off as a reader is, and is told once what it missed',
    'who notices what a group missed and leaves it at once tells it, and no other member does',
  ]),
  windows('A folder there has no permission bits to let others in by', 'tests/node/errors.test.js', [
    'ERR_ACCESS: a bus whose folder lets others in is not entered, and nothing is changed',
  ]),
  windows('A thread is the only way there: each suite has it anyway', 'tests/node/thread-wake.test.js', [
    'messages.test.js holds with a thread',
    'subscribe.test.js holds with a thread',
    'threads.test.js holds with a thread',
    'lifecycle.test.js holds with a thread',
  ]),
  windows(WATCHES, 'tests/node/thread-wake.test.js', WATCHED),
  windows(GROUPS, 'tests/crash/group.test.js'),
  windows('It makes files of another Unix user', 'tests/crash/strangers.test.js'),
  windows('Windows has no PID namespaces', 'tests/crash/namespaces.test.js'),
  windows('It fills a /dev/shm, and there the place is a folder of the whole disk', 'tests/crash/space.test.js'),
  windows(STOP, 'tests/crash/stopped.test.js'),
  windows(STOP, 'tests/crash/stall.test.js'),
  windows('Windows has no bound on handles to run into', 'tests/crash/leftovers.test.js', [
    'out of file descriptors while it opens or works: an error there, and no harm to those who live',
  ]),
  windows('Windows has no FIFO that could lie in a file’s place', 'tests/crash/leftovers.test.js', [
    'a FIFO in the place of a file is waited for by nobody',
  ]),
  windows('There the registry’s lock is no file that another program could lock', 'tests/crash/registry.test.js', [
    'a stopped holder of the lock: known topics go on, new ones wait or say so, nothing is lost',
    'out of descriptors while messages to a new topic wait and the lock is to be made anew: they arrive later',
  ]),
  windows('Windows has no zombies', 'tests/crash/places.test.js', [
    'a zombie is dead, though its parent never looks after it',
  ]),
  windows(STOP, 'tests/crash/versions.test.js', [
    'version 1, alive: ERR_LAYOUT_VERSION with both numbers, nothing touched; dead: replaced',
    'version 4, alive: ERR_LAYOUT_VERSION with both numbers, nothing touched; dead: replaced',
    'version 4000000000, alive: ERR_LAYOUT_VERSION with both numbers, nothing touched; dead: replaced',
  ]),
  windows(
    'Windows removes no folder in which a file is open, and no memory that is mapped',
    'tests/crash/vanished.test.js',
    [
      'its folder removed: the members go on, and who comes joins them',
      'the folder of all buses removed: the members go on, and who comes joins them',
      'the memory removed: the members go on, and who comes is told',
      'everything, as at logout removed: the members go on, and who comes is told',
      'all files removed and then all members killed: the next open of any bus leaves nothing',
      'a member killed when its files are gone is reaped as any other',
      'who left a bus before is not said to have the one that has its name now',
      'two buses of one name, where it could not be helped (its folder removed): the members of the first are told, and harm nothing of the other',
      'two buses of one name, where it could not be helped (all but its lock removed): the members of the first are told, and harm nothing of the other',
    ],
  ),
  windows('Windows has no fork', 'tests/rust/fork.rs'),
  windows('Windows has no exec', 'tests/rust/exec.rs'),
  windows('On Windows no thread of a process is its first', 'tests/rust/leader.rs'),
  windows(STOP, 'tests/rust/frozen.rs'),
  windows('It reads the sources, which are the same everywhere', 'tests/rust/house.rs'),
  wine('It compiles with rustc, which is a program of the system beneath', 'tests/node/binary.test.js', [
    'without the flags of a release build a binary names the folder its source lies in, with them it does not',
  ]),
  wine(
    'A turn of the event loop takes as long there as an answer: who comes to sleep after one finds it has come',
    'tests/node/spin.test.js',
    ['nobody spins while there are more awake readers than cores'],
  ),
  macos(WATCHES, 'tests/node/thread-wake.test.js', WATCHED),
  macos('Memory is no file there: no other program can write into it', 'tests/node/errors.test.js', [
    'ERR_LAYOUT_VERSION: a living bus of another version is not joined, and not harmed',
    'ERR_CORRUPT: a living bus whose memory is not one of slabcast’s is not joined',
    'ERR_CORRUPT: a bus that is lost tells each handle once by `error`; every later call throws it',
    'a loop over messages() of a lost bus is given what came, and then the error',
    'whoever opens a lost bus at once, before it was told of, has a new one',
    'a lost bus without an `error` listener ends the process, as any emitter’s error does',
    'a lost bus holds no process: who handles the error ends by itself',
  ]),
  qemu('Who watches starts Node itself, which this kernel cannot execute', 'tests/node/discovery.test.js', [
    'under `node --watch` the bus stays the same over restarts',
  ]),
]

const isWindows = process.platform === 'win32'
const holdsHere = {
  windows: isWindows,
  wine: isWindows && process.env.SLABCAST_WINE === '1',
  macos: process.platform === 'darwin',
  qemu: process.env.SLABCAST_QEMU === '1',
}

/** The files of those lines that are left out as a whole. */
const whole = (lines) => new Set(lines.filter(({ tests }) => !tests).map(({ file }) => file))

module.exports = {
  whole,
  here: table.filter(({ where }) => holdsHere[where]),
  underQemu: table.filter(({ where }) => where === 'qemu'),
  underWine: table.filter(({ where }) => where === 'windows' || where === 'wine'),
}

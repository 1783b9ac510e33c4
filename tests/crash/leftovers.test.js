'use strict'

// Nothing stays behind: the last to leave removes every file, and what a crash of all left goes when the same user next
// opens any bus. Those that live are not touched.

const test = require('node:test')
const assert = require('node:assert')
const children = require('node:child_process')
const fs = require('node:fs')
const path = require('node:path')
const {
  actor,
  actors,
  busName,
  canStop,
  exists,
  filesOf,
  folderOf,
  isolate,
  isWindows,
  left,
  list,
  random,
  ROOT,
  rounds,
  segmentFile,
  segments,
  until,
} = require('./support')

const notIsolated = isolate()
const skip = notIsolated !== '' && `other programs' buses may lie in /dev/shm: ${notIsolated}`

/** For its user alone, and for the group, which Windows has nothing like. */
const MODES = isWindows ? [0o600] : [0o600, 0o660]
/** What ends a process that does not expect it. On Windows all of them are one kill. */
const SIGNALS = isWindows ? ['SIGKILL'] : ['SIGKILL', 'SIGINT', 'SIGTERM', 'SIGHUP']

const open = (one, name, options) =>
  one.run(
    ({ ipc, state }, given) => {
      state.bus = given.name ? ipc.open(given) : ipc
      state.got = []
      state.bus.subscribe('t', (message) => state.got.push(message))
    },
    { name, ...options },
  )

/** All files but a folder that `shared_memory` makes on Windows, though nothing lies in it: it comes, and goes with who leaves. */
const ofBuses = () => left().filter((file) => path.basename(file) !== 'shared_memory-rs')

/** What opening any other bus leaves: nothing, once that is closed. */
async function sweep() {
  const one = await actor()
  const name = busName()
  await one.run(async ({ ipc }, given) => ipc.open({ name: given }).close(), name)
  await one.end()
}

test('after the last member left, whichever way it ended, nothing is left', { skip }, async () => {
  const ends = {
    close: (one) => one.run(({ state }) => state.bus.close()),
    'process.exit': (one) => one.run(({ state }) => void state && setImmediate(() => process.exit(3))),
    'an uncaught exception': (one) =>
      one.run(() => {
        process.stderr.write = () => true
        setImmediate(() => {
          throw new Error('on purpose')
        })
      }),
    'nothing more to do': (one) => one.run(({ state }) => void state.bus.unref()),
  }
  for (const [end, act] of Object.entries(ends)) {
    for (const name of [busName(), undefined]) {
      for (const mode of MODES) {
        if (!name && mode !== 0o600) continue
        const members = await actors(3, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
        for (const one of members) await open(one, name, { mode })
        assert.notDeepStrictEqual(left(), [])
        for (const one of members) {
          await act(one).catch(() => {})
          await one.end()
        }
        assert.deepStrictEqual(left(), [], `${end}, bus ${name ?? 'by default'}`)
      }
    }
  }
})

test('all killed at once: the next open of any bus by the same user removes what they left', { skip }, async () => {
  for (const signal of SIGNALS) {
    for (const name of [busName(), undefined]) {
      for (const mode of MODES) {
        // Where the files lie does not depend on the signal.
        if (mode !== 0o600 && (!name || signal !== 'SIGKILL')) continue
        if (name && signal !== 'SIGKILL') continue
        // A terminal's Ctrl-C goes to the whole group, as this does.
        const leader = await actor({ detached: true })
        await open(leader, name, { mode })
        const pids = await leader.run(
          async ({ children, state }, file, given) => {
            const bus = given.name ? `ipc.open(${JSON.stringify(given)})` : 'ipc'
            const script = `const ipc = require(${JSON.stringify(file)}); ${bus}.subscribe('t', () => {}); process.send(1)`
            state.children = [1, 2, 3].map(() =>
              children.spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
            )
            await Promise.all(state.children.map((child) => new Promise((resolve) => child.on('message', resolve))))
            return [process.pid, ...state.children.map(({ pid }) => pid)]
          },
          require.resolve('../..'),
          { name, mode },
        )
        const [segment] = left().filter((file) => path.basename(file) === 'segment')
        assert.strictEqual(list(path.dirname(segment)).length, filesOf(4), 'all four are on one bus')
        // Where there are no groups, one right after the other.
        for (const pid of isWindows ? pids : [-leader.pid]) process.kill(pid, signal)
        await leader.exited
        await until('all are dead', () => !(isWindows ? pids.some(exists) : exists(-leader.pid)))
        assert.notDeepStrictEqual(left(), [], 'nobody was there to clean')
        await sweep()
        assert.deepStrictEqual(left(), [], `${signal}, bus ${name ?? 'by default'}, mode ${mode.toString(8)}`)
      }
    }
  }
})

test('the same bus opened after a kill of all is a new one, and leaves nothing either', { skip }, async () => {
  const name = busName()
  for (let round = 0; round < 3 * rounds; round++) {
    const members = await actors(2)
    for (const one of members) await open(one, name)
    assert.strictEqual(await members[0].run(({ state }) => state.bus.publish('t', 'alive')), true)
    await until('it arrives', () => members[1].run(({ state }) => state.got.length === 1))
    await Promise.all(members.map((one) => one.kill()))
  }
  const last = await actor()
  await open(last, name)
  assert.strictEqual(list(folderOf(name)).length, filesOf(1))
  assert.strictEqual(segments().length, 1, 'one segment')
  await last.end()
  assert.deepStrictEqual(left(), [])
})

test('living buses of the same user are not touched by that', { skip }, async () => {
  const names = [busName(), undefined, busName()]
  const pairs = []
  for (const name of names) {
    const pair = await actors(2)
    for (const one of pair) await open(one, name)
    pairs.push(pair)
  }
  // One of them stopped: it lives.
  if (canStop) pairs[2][0].signal('SIGSTOP')
  const inodes = () => ofBuses().map((file) => `${file} ${fs.lstatSync(file).ino}`)
  const before = inodes()
  for (let round = 0; round < 3 * rounds; round++) {
    const doomed = await actors(3)
    const name = busName()
    for (const one of doomed) await open(one, name)
    await Promise.all(doomed.map((one) => one.kill()))
    await Promise.all([sweep(), sweep(), sweep()])
    assert.deepStrictEqual(inodes(), before)
  }
  if (canStop) pairs[2][0].signal('SIGCONT')
  for (const [at, [one, other]] of pairs.entries()) {
    const newcomer = await actor()
    await open(newcomer, names[at])
    for (const from of [one, newcomer]) await from.run(({ state }) => state.bus.publish('t', 1))
    for (const to of [one, other, newcomer])
      await until('both arrive', () => to.run(({ state }) => state.got.length === 2))
    await newcomer.end()
  }
  await Promise.all(pairs.flat().map((one) => one.end()))
  assert.deepStrictEqual(left(), [])
})

test('one that leaves while others are killed: at the latest the next open leaves nothing', { skip }, async (t) => {
  const next = random()
  for (let round = 0; round < 5 * rounds; round++) {
    const name = busName()
    const members = await actors(4)
    for (const one of members) await open(one, name)
    await Promise.all(members.map((one) => (next() < 0.5 ? one.kill() : one.end())))
    await sweep()
    assert.deepStrictEqual(left(), [], `round ${round}`)
  }
  t.diagnostic(`${5 * rounds} rounds`)
})

test('out of file descriptors while it opens or works: an error there, and no harm to those who live', {
  skip,
}, async (t) => {
  const name = busName()
  const [first, second] = await actors(2)
  for (const one of [first, second]) await open(one, name)
  const inodes = () => ofBuses().map((file) => `${file} ${fs.lstatSync(file).ino}`)
  const before = inodes()
  const codes = new Map()
  const poor = await actor()
  await poor.run(({ ipc }, other) => ipc.open({ name: other }).close(), busName())
  for (const bus of [name, busName()]) {
    for (let spare = 0; spare < 24; spare++) {
      const code = await poor.run(
        ({ ipc, fs }, given, count) => {
          const held = []
          try {
            for (;;) held.push(fs.openSync('/dev/null'))
          } catch {}
          for (let each = 0; each < count; each++) fs.closeSync(held.pop())
          let code = 'none'
          try {
            ipc.open({ name: given }).close()
          } catch (error) {
            code = error.code
          }
          for (const each of held) fs.closeSync(each)
          return code
        },
        bus,
        spare,
      )
      codes.set(code, (codes.get(code) ?? 0) + 1)
      await poor.run(({ ipc }, other) => ipc.open({ name: other }).close(), busName())
      assert.deepStrictEqual(inodes(), before, `${spare} descriptors to spare`)
    }
  }
  await poor.end()
  // A member that has none left for seconds, with its tick looking for the dead.
  await second.run(({ fs, state }) => {
    state.held = []
    try {
      for (;;) state.held.push(fs.openSync('/dev/null'))
    } catch {}
    return new Promise((resolve) => setTimeout(resolve, 2500))
  })
  assert.deepStrictEqual(inodes(), before)
  await second.run(({ fs, state }) => {
    for (const each of state.held) fs.closeSync(each)
  })
  const third = await actor()
  await open(third, name)
  await third.run(({ state }) => state.bus.publish('t', 1))
  for (const one of [first, second, third])
    await until('it arrives', () => one.run(({ state }) => state.got.length === 1))
  await Promise.all([first, second, third].map((one) => one.end()))
  assert.deepStrictEqual(left(), [])
  t.diagnostic(`opening with few descriptors: ${JSON.stringify([...codes])}`)
})

test('folders and files half made or half removed are cleaned', { skip }, async () => {
  // On Windows neither the registry's lock nor what a member sleeps on is a file.
  const isThere = ([file]) => !isWindows || !/^registry\.lock$|\.fifo$/.test(file)
  const make = (name, files) => {
    const folder = folderOf(name)
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const [file, text] of Object.entries(files).filter(isThere))
      fs.writeFileSync(`${folder}/${file}`, text, { mode: 0o600 })
  }
  fs.mkdirSync(ROOT, { mode: 0o700 })
  const id = (end) => `/slabcast.00000000000000${end}`
  const memory = (end) => fs.writeFileSync(segmentFile(id(end)), Buffer.alloc(4096), { mode: 0o600 })
  make(busName(), {})
  make(busName(), { 'registry.lock': '' })
  make(busName(), { 'registry.lock': '', 'segment.new': '' })
  make(busName(), { 'registry.lock': '', 'segment.new': id('aa') })
  make(busName(), { 'registry.lock': '', 'segment.new': id('ab') })
  memory('ab')
  make(busName(), { 'registry.lock': '', segment: id('ac'), '1.lock': '', '1.fifo': '', '2.lock': '1' })
  memory('ac')
  make(busName(), { segment: id('ad'), '7.lock': `${process.pid} 1 1` })
  make(busName(), { 'registry.lock': '', '3.fifo': '' })
  await sweep()
  assert.deepStrictEqual(left(), [])
})

test('the last member is killed and its bus opened at that moment: a new one, whatever of the dead is not gone yet', {
  skip,
}, async (t) => {
  const opener = await actor()
  let joined = 0
  for (let round = 0; round < 20 * rounds; round++) {
    const name = busName()
    const one = await actor()
    await open(one, name)
    // A process with memory to give back takes its time to die.
    await one.run(({ state }) => {
      state.memory = Array.from({ length: 50 }, () => Buffer.alloc(1 << 20, 1))
    })
    one.signal('SIGKILL')
    const members = await opener.run(({ ipc }, given) => {
      const bus = ipc.open({ name: given })
      const { members } = bus.stats()
      bus.close()
      return members.attached
    }, name)
    // The kill may not have come through: then it lived, and was joined.
    if (members > 1) joined++
    await one.exited
  }
  await sweep()
  await opener.end()
  assert.deepStrictEqual(left(), [])
  t.diagnostic(`${20 * rounds} rounds, ${joined} joined the one about to die`)
})

test('a FIFO in the place of a file is waited for by nobody', { skip }, async () => {
  const name = busName()
  const one = await actor()
  await open(one, name)
  const folder = folderOf(busName())
  for (const file of ['segment', 'segment.new', '1.lock', 'registry.lock']) {
    fs.mkdirSync(folder, { mode: 0o700, recursive: true })
    assert.strictEqual(children.spawnSync('mkfifo', ['-m', '600', `${folder}/${file}`]).status, 0)
    await sweep()
    fs.rmSync(`${folder}/${file}`, { force: true })
  }
  // Under a living member too, which looks at it every second.
  fs.renameSync(`${folderOf(name)}/segment`, `${folderOf(name)}/elsewhere`)
  assert.strictEqual(children.spawnSync('mkfifo', ['-m', '600', `${folderOf(name)}/segment`]).status, 0)
  let looked = false
  one
    .run(({ state }) => {
      const since = Date.now()
      return new Promise((resolve) => {
        const timer = setInterval(() => Date.now() - since > 1500 && resolve(clearInterval(timer)), 10)
        state.bus.publish('t', 'lives')
      })
    })
    .then(
      () => {
        looked = true
      },
      () => {},
    )
  // One that waits for a writer answers no more.
  await until('it goes on', () => looked)
  await until('it hears itself', () => one.run(({ state }) => state.got.includes('lives')))
  fs.renameSync(`${folderOf(name)}/elsewhere`, `${folderOf(name)}/segment`)
  await one.end()
  fs.rmSync(folder, { recursive: true, force: true })
  assert.deepStrictEqual(
    left().filter((file) => !file.endsWith(`slabcast-${process.geteuid()}`)),
    [],
  )
})

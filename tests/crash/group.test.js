'use strict'

// `mode: 0o660`: two real Unix users of one group share a bus, and nobody else comes in.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { spawnSync } = require('node:child_process')
const { actor, busName, isolate, left, list, until } = require('./support')

const notIsolated = isolate()
const [ANN, BEN, EVE] = [64_001, 64_002, 64_003]
const [GROUP, OTHER] = [64_100, 64_101]
const ROOT = `/dev/shm/slabcast-g${GROUP}`

function noOthers() {
  if (process.getuid() !== 0) return 'only root can be other users'
  const ids = ['--reuid', ANN, '--regid', GROUP, '--clear-groups']
  const load = `require(${JSON.stringify(require.resolve('../..'))})`
  const { status, error, stderr } = spawnSync('setpriv', [...ids, process.execPath, '-e', load])
  return status === 0 ? false : `no other users here: ${error?.message ?? stderr}`
}
const skip = notIsolated || noOthers() || false

const user = (uid, gid = GROUP, options = {}) => actor({ uid, gid, ...options })
const open = (one, options) =>
  one.run(({ ipc, state }, given) => {
    state.got = []
    state.bus = ipc.open({ mode: 0o660, ...given })
    state.bus.subscribe('all', (message) => state.got.push(message))
  }, options)
const tryOpen = (one, options) =>
  one.run(async ({ ipc }, given) => {
    try {
      await ipc.open(given).close()
      return { code: 'opened' }
    } catch (error) {
      return { ...error, message: error.message }
    }
  }, options)
const publish = (one, message) => one.run(({ state }, given) => state.bus.publish('all', given), message)
async function conversation(members, word) {
  for (const [at, one] of members.entries()) await publish(one, `${word} ${at}`)
  for (const one of members) {
    await until(`${word} is heard`, () =>
      one.run(
        ({ state }, said) => said.every((each) => state.got.includes(each)),
        members.map((_, at) => `${word} ${at}`),
      ),
    )
  }
}
const modeOf = (file) => (fs.lstatSync(file).mode & 0o7777).toString(8)

test('two users of a group share a bus, whatever their umask, and nobody else is let in', { skip }, async () => {
  const name = busName()
  const ann = await user(ANN)
  const ben = await user(BEN)
  for (const each of [ann, ben]) await each.run(() => void process.umask(0o077))
  await open(ann, { name })
  await open(ben, { name })
  await conversation([ann, ben], 'hello')
  assert.strictEqual(modeOf(ROOT), '2770')
  assert.strictEqual(modeOf(`${ROOT}/${name}`), '2770')
  for (const file of list(`${ROOT}/${name}`)) assert.strictEqual(modeOf(`${ROOT}/${name}/${file}`), '660', file)
  const memory = `/dev/shm${fs.readFileSync(`${ROOT}/${name}/segment`, 'utf8')}`
  assert.strictEqual(modeOf(memory), '660')
  // Of another group: a bus of its own; and the files are out of its reach.
  const eve = await user(EVE, OTHER)
  await open(eve, { name })
  await conversation([eve], 'eve alone')
  const reached = await eve.run(
    ({ fs }, files) => {
      const able = (act) => {
        try {
          act()
          return true
        } catch (error) {
          return error.code
        }
      }
      return files.map((file) => [able(() => fs.openSync(file, 'r')), able(() => fs.readdirSync(file))])
    },
    [ROOT, `${ROOT}/${name}`, `${ROOT}/${name}/segment`, memory],
  )
  for (const [opened, listed] of reached) assert.ok(opened !== true && listed !== true, JSON.stringify(reached))
  // Without the mode each user has a bus of its own by that name.
  const alone = await user(BEN)
  await open(alone, { name, mode: 0o600 })
  await conversation([alone], 'alone')
  await conversation([ann, ben], 'still us')
  for (const each of [ann, ben]) {
    const heard = await each.run(({ state }) => state.got)
    assert.ok(!heard.some((message) => /alone/.test(message)), `${heard}`)
  }
  await Promise.all([alone, eve, ben].map((each) => each.end()))
  await ann.end()
  assert.deepStrictEqual(left(), [])
})

test('each reaps the dead of the other', { skip }, async () => {
  const name = busName()
  const keeper = await user(ANN)
  await open(keeper, { name, members: 2 })
  for (const uid of [BEN, ANN, BEN]) {
    const victim = await user(uid)
    await open(victim, { name })
    await conversation([keeper, victim], `with ${uid}`)
    await victim.kill()
    await until('its files are gone', () => list(`${ROOT}/${name}`).length === 2 + 2)
  }
  await keeper.end()
  assert.deepStrictEqual(left(), [])
})

test('the last one to leave does not own the memory: it is given back, and its name goes with the owner’s next open', {
  skip,
}, async () => {
  for (const end of ['end', 'kill']) {
    const name = busName()
    const ann = await user(ANN)
    const ben = await user(BEN)
    await open(ann, { name })
    await open(ben, { name })
    await conversation([ann, ben], 'hello')
    const memory = `/dev/shm${fs.readFileSync(`${ROOT}/${name}/segment`, 'utf8')}`
    await ann.end()
    if (end === 'end') {
      await ben.end()
    } else {
      await ben.kill()
      const sweeper = await user(BEN)
      assert.strictEqual((await tryOpen(sweeper, { name: busName() })).code, 'opened')
      await sweeper.end()
    }
    assert.ok(fs.statSync(memory).blocks * 512 <= 4096, 'no memory is left behind')
    assert.deepStrictEqual(list(`${ROOT}/${name}`), [`${memory.slice('/dev/shm/'.length)}.owed`])
    // The name is free meanwhile.
    const again = await user(BEN)
    await open(again, { name })
    await conversation([again], 'again')
    if (end === 'end') await again.end()
    assert.ok(fs.existsSync(memory))
    // Any bus the owner opens, also of the other kind; whether or not the name is in use again.
    const owner = await user(ANN)
    assert.strictEqual((await tryOpen(owner, { name: busName() })).code, 'opened')
    assert.ok(!fs.existsSync(memory), 'its name is gone')
    if (end === 'kill') {
      await again.end()
      // The folder of all shared buses is the owner's too: the next to leave such a bus removes it.
      assert.strictEqual((await tryOpen(owner, { name: busName(), mode: 0o660 })).code, 'opened')
    }
    await owner.end()
    assert.deepStrictEqual(left(), [])
  }
})

test('what another group made, or opened to others, is refused', { skip }, async () => {
  const ben = await user(BEN)
  for (const [uid, gid, mode] of [
    [EVE, OTHER, 0o2770],
    // It can come in, and so can others.
    [BEN, OTHER, 0o2770],
    [ANN, GROUP, 0o2777],
    [ANN, GROUP, 0o2775],
  ]) {
    fs.mkdirSync(ROOT)
    fs.chownSync(ROOT, uid, gid)
    fs.chmodSync(ROOT, mode)
    const refused = await tryOpen(ben, { name: busName(), mode: 0o660 })
    assert.deepStrictEqual([refused.code, refused.owner], ['ERR_ACCESS', uid], refused.message)
    assert.deepStrictEqual(list(ROOT), [])
    fs.rmdirSync(ROOT)
  }
  await ben.end()
})

test('links in the place of a file are refused, and what they lead to is not touched', { skip }, async (t) => {
  const outside = '/dev/shm/outside'
  t.after(() => fs.rmSync(outside, { force: true }))
  for (const file of ['registry.lock', 'memory']) {
    for (const kind of ['linkSync', 'symlinkSync']) {
      const name = busName()
      const ann = await user(ANN)
      await open(ann, { name })
      const path =
        file === 'memory' ? `/dev/shm${fs.readFileSync(`${ROOT}/${name}/segment`, 'utf8')}` : `${ROOT}/${name}/${file}`
      // A hard link keeps the file reachable by another name; a symbolic one leads to somebody else's.
      fs.rmSync(outside, { force: true })
      if (kind === 'linkSync') fs.linkSync(path, outside)
      else {
        fs.renameSync(path, outside)
        fs.symlinkSync(outside, path)
      }
      const before = fs.statSync(outside)
      const ben = await user(BEN)
      const refused = await tryOpen(ben, { name, mode: 0o660 })
      assert.notStrictEqual(refused.code, 'opened', `${file} ${kind}`)
      assert.ok(['ERR_ACCESS', 'ELOOP'].includes(refused.code), `${file} ${kind}: ${JSON.stringify(refused)}`)
      const after = fs.statSync(outside)
      assert.deepStrictEqual(
        [after.ino, after.size, after.mode, after.uid],
        [before.ino, before.size, before.mode, before.uid],
      )
      await ben.end()
      await conversation([ann], 'unharmed')
      await ann.kill()
      fs.rmSync(ROOT, { recursive: true, force: true })
      for (const each of left()) fs.rmSync(each, { recursive: true, force: true })
    }
  }
})

test('users of a group open and close one bus at once, again and again: no error, no death, nothing of use left', {
  skip,
}, async (t) => {
  const name = busName()
  const users = [ANN, BEN, EVE]
  const all = await Promise.all([0, 1, 2, 3, 4, 5].map((at) => user(users[at % 3])))
  const times = 150
  const outcomes = await Promise.all(
    all.map((one) =>
      one.run(
        async ({ ipc }, options, count) => {
          process.umask(0o077)
          const outcomes = {}
          for (let time = 0; time < count; time++) {
            let outcome = 'ok'
            try {
              const bus = ipc.open(options)
              const heard = new Promise((resolve) => bus.subscribe('t', resolve))
              bus.publish('t', time)
              await heard
              await bus.close()
            } catch (error) {
              outcome = `${error.code} ${error.message}`
            }
            outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
          }
          return outcomes
        },
        { name, size: 64 * 1024, mode: 0o660 },
        times,
      ),
    ),
  )
  for (const outcome of outcomes) assert.deepStrictEqual(outcome, { ok: times })
  for (const one of all) assert.deepStrictEqual(await one.end(), { code: 0, signal: null })
  // What the last ones could not remove is its owners' to remove, and takes no memory.
  for (const file of left()) {
    if (/^\/dev\/shm\/slabcast\.[0-9a-f]{16}$/.test(file)) assert.ok(fs.statSync(file).blocks * 512 <= 4096, file)
  }
  // Twice round: the folder is its owner's to remove, and empty only when each of them has removed his memory and the note of it.
  for (const uid of [...users, ...users]) {
    const owner = await user(uid)
    assert.strictEqual((await tryOpen(owner, { name: busName() })).code, 'opened')
    await owner.end()
  }
  assert.deepStrictEqual(left(), [])
  t.diagnostic(`${all.length * times} times`)
})

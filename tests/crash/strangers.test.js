'use strict'

// What another user planted where ours should be is refused with its owner's number, and nothing of it is touched.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { spawnSync } = require('node:child_process')
const { actor, busName, folderOf, isolate, left, ROOT } = require('./support')

const NOBODY = 65534
const notIsolated = isolate()
const noRoot = process.getuid() !== 0 && 'only root can make files of another user'
const skip = notIsolated || noRoot || false
const asNobody = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups']
const noSecond = () => {
  const { status, error, stderr } = spawnSync('setpriv', [
    ...asNobody,
    process.execPath,
    '-e',
    `require(${JSON.stringify(require.resolve('../..'))})`,
  ])
  return status === 0 ? false : `no second user here: ${error?.message ?? stderr}`
}

/** Everything about every file below: owner, permissions, content, times. */
function picture(folder) {
  const seen = []
  const walk = (file) => {
    const { uid, gid, mode, mtimeMs, ino } = fs.lstatSync(file)
    seen.push({ file, uid, gid, mode, mtimeMs, ino })
    if (fs.lstatSync(file).isDirectory()) for (const name of fs.readdirSync(file)) walk(`${file}/${name}`)
  }
  walk(folder)
  return seen
}

const tryOpen = (one, options) =>
  one.run(
    async ({ ipc }, given) => {
      try {
        await ipc.open(given).close()
        return 'opened'
      } catch (error) {
        return { ...error, message: error.message }
      }
    },
    { name: busName(), ...options },
  )

function refused(error, owner) {
  assert.strictEqual(error.code, 'ERR_ACCESS', JSON.stringify(error))
  assert.strictEqual(error.owner, owner)
  assert.match(error.message, new RegExp(String(owner)))
}

/** A dead bus' folder, as a sweep would remove it. */
function plant(folder) {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const file of ['segment', '1.lock', 'segment.new'])
    fs.writeFileSync(`${folder}/${file}`, 'mine', { mode: 0o600 })
}

const clean = (t) =>
  t.after(() => {
    fs.rmSync(ROOT, { recursive: true, force: true })
    fs.rmSync('/dev/shm/elsewhere', { recursive: true, force: true })
  })

test('the folder of all buses is of another user', { skip }, async (t) => {
  clean(t)
  const one = await actor()
  plant(`${ROOT}/planted`)
  fs.chownSync(ROOT, NOBODY, NOBODY)
  const before = picture(ROOT)
  refused(await tryOpen(one), NOBODY)
  assert.deepStrictEqual(picture(ROOT), before)
  await one.end()
})

test('it is a link to somewhere of our own: nothing there is taken for a dead bus', { skip }, async (t) => {
  clean(t)
  const one = await actor()
  plant('/dev/shm/elsewhere/.ssh')
  fs.mkdirSync('/dev/shm/elsewhere/empty', { mode: 0o700 })
  fs.symlinkSync('/dev/shm/elsewhere', ROOT)
  fs.lchownSync(ROOT, NOBODY, NOBODY)
  const before = picture('/dev/shm/elsewhere')
  refused(await tryOpen(one), NOBODY)
  assert.deepStrictEqual(picture('/dev/shm/elsewhere'), before)
  await one.end()
})

test('it is open to more than its owner, or no folder', { skip }, async (t) => {
  clean(t)
  const one = await actor()
  for (const mode of [0o755, 0o777, 0o710, 0o704]) {
    plant(`${ROOT}/planted`)
    fs.chmodSync(ROOT, mode)
    const before = picture(ROOT)
    refused(await tryOpen(one), 0)
    assert.deepStrictEqual(picture(ROOT), before)
    fs.rmSync(ROOT, { recursive: true })
  }
  fs.writeFileSync(ROOT, 'a file', { mode: 0o700 })
  refused(await tryOpen(one), 0)
  assert.strictEqual(fs.readFileSync(ROOT, 'utf8'), 'a file')
  await one.end()
})

test('in our own folder: the bus, its lock or its memory is of another user, a link, or open to others', {
  skip,
}, async (t) => {
  clean(t)
  const one = await actor()
  const living = await actor()
  const cases = {
    'the folder of the bus': (name) => fs.chownSync(folderOf(name), NOBODY, NOBODY),
    'its permissions': (name) => fs.chmodSync(folderOf(name), 0o755),
    'its lock': (name) => fs.chownSync(`${folderOf(name)}/registry.lock`, NOBODY, NOBODY),
    'its memory': (name) =>
      fs.chownSync(`/dev/shm${fs.readFileSync(`${folderOf(name)}/segment`, 'utf8')}`, NOBODY, NOBODY),
    "its memory's permissions": (name) =>
      fs.chmodSync(`/dev/shm${fs.readFileSync(`${folderOf(name)}/segment`, 'utf8')}`, 0o644),
  }
  for (const [what, change] of Object.entries(cases)) {
    const name = busName()
    await living.run(({ ipc, state }, given) => {
      state.bus = ipc.open({ name: given })
    }, name)
    change(name)
    const before = picture(folderOf(name))
    const owner = what.includes('permissions') ? 0 : NOBODY
    refused(await tryOpen(one, { name }), owner)
    assert.deepStrictEqual(picture(folderOf(name)), before, what)
    // Opening another bus sweeps: this one lives.
    assert.strictEqual(await tryOpen(one), 'opened')
    assert.deepStrictEqual(picture(folderOf(name)), before, what)
    await living.run(({ state }) => state.bus.close())
    fs.rmSync(ROOT, { recursive: true, force: true })
    for (const file of left()) fs.rmSync(file, { recursive: true, force: true })
  }
  await Promise.all([one.end(), living.end()])
})

test('two users: neither meets the other on one name, nor can stand in the way unnoticed', { skip }, async (t) => {
  const reason = noSecond()
  if (reason) return t.skip(reason)
  clean(t)
  const theirs = `/dev/shm/slabcast-${NOBODY}`
  t.after(() => fs.rmSync(theirs, { recursive: true, force: true }))
  const root = await actor()
  const nobody = await actor({ uid: NOBODY, gid: NOBODY })
  const name = busName()
  for (const one of [root, nobody]) {
    await one.run(({ ipc, state }, given) => {
      state.bus = ipc.open({ name: given })
      state.got = []
      state.bus.subscribe('t', (message) => state.got.push(message))
      state.bus.publish('t', process.getuid())
    }, name)
  }
  for (const [one, uid] of [
    [root, 0],
    [nobody, NOBODY],
  ]) {
    await one.run(
      ({ state }) => new Promise((resolve) => state.bus.subscribe('end', resolve) && state.bus.publish('end', 1)),
    )
    assert.deepStrictEqual(await one.run(({ state }) => state.got), [uid])
    await one.run(({ state }) => state.bus.close())
  }
  assert.deepStrictEqual(left(), [])
  fs.mkdirSync(theirs, { mode: 0o777 })
  const before = picture(theirs)
  refused(await tryOpen(nobody), 0)
  fs.chmodSync(theirs, 0o700)
  refused(await tryOpen(nobody), 0)
  assert.deepStrictEqual(
    picture(theirs).map(({ file, ino }) => [file, ino]),
    before.map(({ file, ino }) => [file, ino]),
  )
  await Promise.all([root.end(), nobody.end()])
})

'use strict'

// Files of a living bus are removed, by hand, by a cleaner of temporary files, by systemd at logout: its members go on, who
// opens it joins them or gets a clear error, and there are never two buses of one name in silence.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { actor, actors, busName, folderOf, isolate, left, list, ROOT, until } = require('./support')

const skip = isolate() || false

const open = (one, name) =>
  one.run(({ ipc, state }, given) => {
    state.got = []
    state.warnings = []
    process.on('warning', ({ code }) => state.warnings.push(code))
    state.bus = ipc.open({ name: given })
    state.bus.subscribe('all', (message) => state.got.push(message))
  }, name)
const tryOpen = (one, name) =>
  one.run(async ({ ipc }, given) => {
    try {
      await ipc.open({ name: given }).close()
      return { code: 'opened' }
    } catch (error) {
      return { ...error, message: error.message }
    }
  }, name)
const publish = (one, message) => one.run(({ state }, given) => state.bus.publish('all', given), message)
const got = (one) => one.run(({ state }) => state.got)
const memoryOf = (name) => `/dev/shm${fs.readFileSync(`${folderOf(name)}/segment`, 'utf8')}`

/** Everybody hears everybody. */
async function conversation(members, word) {
  const said = members.map((_, at) => `${word} ${at}`)
  for (const [at, one] of members.entries()) assert.strictEqual(await publish(one, said[at]), true)
  for (const one of members) {
    await until(`${word} is heard`, async () => {
      const heard = await got(one)
      return said.every((message) => heard.includes(message))
    })
  }
}

/** What is removed, and whether the bus can still be joined then. */
const removals = {
  'the pointer': { remove: (name) => fs.rmSync(`${folderOf(name)}/segment`), joinable: true },
  'the registry lock': { remove: (name) => fs.rmSync(`${folderOf(name)}/registry.lock`), joinable: true },
  'the locks of the members': {
    remove: (name) => {
      for (const file of list(folderOf(name))) if (/^\d+\.lock$/.test(file)) fs.rmSync(`${folderOf(name)}/${file}`)
    },
    joinable: true,
  },
  'their semaphores': {
    remove: (name) => {
      for (const file of list(folderOf(name))) if (file.endsWith('.fifo')) fs.rmSync(`${folderOf(name)}/${file}`)
    },
    joinable: true,
  },
  'its folder': { remove: (name) => fs.rmSync(folderOf(name), { recursive: true }), joinable: true },
  'the folder of all buses': { remove: () => fs.rmSync(ROOT, { recursive: true }), joinable: true },
  'the memory': { remove: (name) => fs.rmSync(memoryOf(name)), joinable: false },
  'everything, as at logout': {
    remove: (name) => {
      fs.rmSync(memoryOf(name))
      fs.rmSync(ROOT, { recursive: true })
    },
    joinable: false,
  },
}

for (const [what, { remove, joinable }] of Object.entries(removals)) {
  test(`${what} removed: the members go on, and who comes ${joinable ? 'joins them' : 'is told'}`, {
    skip,
  }, async () => {
    const name = busName()
    const [one, two, newcomer, sweeper] = await actors(4)
    await open(one, name)
    await open(two, name)
    await conversation([one, two], 'before')
    remove(name)
    // Opening another bus sweeps what the dead left: these live.
    assert.strictEqual((await tryOpen(sweeper, busName())).code, 'opened')
    // At once, before any member can have looked after the files.
    await conversation([one, two], 'after')
    if (joinable) {
      await open(newcomer, name)
      await conversation([one, two, newcomer], 'together')
    } else {
      const refused = await tryOpen(newcomer, name)
      assert.strictEqual(refused.code, 'ERR_IN_USE', JSON.stringify(refused))
      assert.ok([one.pid, two.pid].includes(refused.pid), 'it names a process that has it')
      assert.match(refused.message, /its files were removed/)
    }
    // The registry works on: new topics, new subscriptions.
    for (const each of [one, two]) {
      await each.run(({ state }) => void state.bus.subscribe('new', (message) => state.got.push(message)))
    }
    await one.run(({ state }) => state.bus.publish('new', 'a new topic'))
    for (const each of [one, two]) await until('it arrives', async () => (await got(each)).includes('a new topic'))
    // Within a second or so the files are there again.
    await until('the pointer is back', () => list(folderOf(name)).includes('segment'))
    await until('the registry lock is back', () => list(folderOf(name)).includes('registry.lock'))
    await until('the locks of both are back', () => {
      const files = list(folderOf(name))
      return files.includes('1.lock') && files.includes('2.lock')
    })
    assert.strictEqual((await tryOpen(sweeper, busName())).code, 'opened')
    await conversation([one, two], 'in the end')
    if (!joinable) assert.strictEqual((await tryOpen(sweeper, name)).code, 'ERR_IN_USE')
    for (const each of [one, two]) assert.deepStrictEqual(await each.run(({ state }) => state.warnings), [])
    await Promise.all([one, two, newcomer, sweeper].map((each) => each.end()))
    assert.deepStrictEqual(left(), [])
    // Nobody is there any more: the name is free.
    const last = await actor()
    await open(last, name)
    await conversation([last], 'anew')
    await last.end()
    assert.deepStrictEqual(left(), [])
  })
}

test('all files removed and then all members killed: the next open of any bus leaves nothing', { skip }, async () => {
  for (const memoryToo of [false, true]) {
    const name = busName()
    const members = await actors(3)
    for (const one of members) await open(one, name)
    if (memoryToo) fs.rmSync(memoryOf(name))
    fs.rmSync(ROOT, { recursive: true })
    await Promise.all(members.map((one) => one.kill()))
    const sweeper = await actor()
    assert.strictEqual((await tryOpen(sweeper, busName())).code, 'opened')
    await sweeper.end()
    assert.deepStrictEqual(left(), [])
  }
})

test('a member killed when its files are gone is reaped as any other', { skip }, async () => {
  const name = busName()
  const [one, two] = await actors(2)
  for (const each of [one, two]) {
    await each.run(({ ipc, state }, given) => {
      state.got = []
      state.bus = ipc.open({ name: given, members: 2 })
      state.bus.subscribe('all', (message) => state.got.push(message))
    }, name)
  }
  fs.rmSync(folderOf(name), { recursive: true })
  await two.kill()
  const third = await actor()
  await open(third, name)
  await conversation([one, third], 'again')
  await Promise.all([one.end(), third.end()])
  assert.deepStrictEqual(left(), [])
})

test('two buses of one name, where it could not be helped: the members of the first are told, and harm nothing of the other', {
  skip,
}, async () => {
  const name = busName()
  const [one, two, other] = await actors(3)
  await open(one, name)
  await open(two, name)
  // By a name that its members' presence does not know: as if they were out of sight.
  const elsewhere = `${name}-elsewhere`
  await open(other, elsewhere)
  fs.rmSync(folderOf(name), { recursive: true })
  fs.renameSync(folderOf(elsewhere), folderOf(name))
  for (const each of [one, two]) {
    await until('it is warned', async () => (await each.run(({ state }) => state.warnings)).includes('SLABCAST_SPLIT'))
  }
  await conversation([one, two], 'split')
  const files = list(folderOf(name))
  // Their numbers are the same: what lies there is not theirs to remove.
  await Promise.all([one.end(), two.end()])
  assert.deepStrictEqual(list(folderOf(name)), files)
  await conversation([other], 'unharmed')
  await other.kill()
  fs.rmSync(ROOT, { recursive: true, force: true })
  for (const file of left()) fs.rmSync(file, { recursive: true, force: true })
})

'use strict'

// Files of a living bus are removed, by hand, by a cleaner of temporary files, by systemd at logout: its members go on, who
// opens it joins them or gets a clear error, and there are never two buses of one name in silence.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const {
  actor,
  actors,
  busName,
  folderOf,
  isolate,
  isWindows,
  left,
  list,
  ROOT,
  segmentFile,
  segmentOf,
  until,
} = require('./support')

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
  'the memory': { remove: (name) => fs.rmSync(segmentOf(name)), joinable: false },
  'everything, as at logout': {
    remove: (name) => {
      fs.rmSync(segmentOf(name))
      fs.rmSync(ROOT, { recursive: true })
    },
    joinable: false,
  },
}

// On Windows neither is a file.
if (isWindows) for (const what of ['the registry lock', 'their semaphores']) delete removals[what]

for (const [what, { remove, joinable }] of Object.entries(removals)) {
  test(`${what} removed: the members go on, and who comes ${joinable ? 'joins them' : 'is told'}`, {
    skip,
  }, async () => {
    const name = busName()
    const [one, two, newcomer, sweeper, neighbour] = await actors(5)
    // Other living buses, older and younger: not to be taken for this one.
    const oneMore = ({ ipc, state }, other) => {
      state[other] = ipc.open({ name: other })
    }
    await neighbour.run(oneMore, busName())
    await open(one, name)
    await open(two, name)
    await neighbour.run(oneMore, busName())
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
    if (!isWindows) await until('the registry lock is back', () => list(folderOf(name)).includes('registry.lock'))
    await until('the locks of both are back', () => {
      const files = list(folderOf(name))
      return files.includes('1.lock') && files.includes('2.lock')
    })
    assert.strictEqual((await tryOpen(sweeper, busName())).code, 'opened')
    await conversation([one, two], 'in the end')
    if (!joinable) assert.strictEqual((await tryOpen(sweeper, name)).code, 'ERR_IN_USE')
    for (const each of [one, two]) assert.deepStrictEqual(await each.run(({ state }) => state.warnings), [])
    await Promise.all([one, two, newcomer, sweeper, neighbour].map((each) => each.end()))
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
    // Somebody is present, but not there.
    const neighbour = await actor()
    await open(neighbour, busName())
    const memory = segmentOf(name)
    if (memoryToo) fs.rmSync(memory)
    fs.rmSync(ROOT, { recursive: true })
    await Promise.all(members.map((one) => one.kill()))
    const sweeper = await actor()
    assert.strictEqual((await tryOpen(sweeper, busName())).code, 'opened')
    assert.ok(!fs.existsSync(memory), 'the memory of the dead is gone')
    await conversation([neighbour], 'unharmed')
    await Promise.all([sweeper.end(), neighbour.end()])
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

test('what is removed comes back, though nobody comes and nobody subscribes', { skip }, async () => {
  const name = busName()
  const [one, two] = await actors(2)
  await open(one, name)
  await open(two, name)
  for (const file of [...(isWindows ? [] : ['registry.lock']), 'segment', '1.lock', '2.lock']) {
    fs.rmSync(`${folderOf(name)}/${file}`)
    await until(`${file} is back`, () => list(folderOf(name)).includes(file))
  }
  await Promise.all([one.end(), two.end()])
  assert.deepStrictEqual(left(), [])
})

test('who left a bus before is not said to have the one that has its name now', { skip }, async () => {
  for (const end of ['leaves', 'is killed']) {
    const name = busName()
    const [former, last, owner, newcomer] = await actors(4)
    await open(former, name)
    await open(last, name)
    await former.run(({ state }) => state.bus.close())
    if (end === 'leaves') await last.run(({ state }) => state.bus.close())
    else await last.kill()
    await open(owner, name)
    fs.rmSync(segmentOf(name))
    fs.rmSync(folderOf(name), { recursive: true })
    const { code, pid } = await tryOpen(newcomer, name)
    assert.deepStrictEqual([code, pid], ['ERR_IN_USE', owner.pid], `the last of the former ${end}`)
    await Promise.all([former, last, owner, newcomer].map((each) => each.end()))
    assert.deepStrictEqual(left(), [])
  }
})

/** How the files of one bus come to stand in the place of another's. */
const splits = {
  'its folder': (name, elsewhere) => {
    fs.rmSync(folderOf(name), { recursive: true })
    fs.renameSync(folderOf(elsewhere), folderOf(name))
  },
  'all but its lock': (name, elsewhere) => {
    const files = (bus) => list(folderOf(bus)).filter((file) => file !== 'registry.lock')
    for (const file of files(name)) fs.rmSync(`${folderOf(name)}/${file}`)
    for (const file of files(elsewhere)) fs.renameSync(`${folderOf(elsewhere)}/${file}`, `${folderOf(name)}/${file}`)
  },
}
for (const [what, split] of Object.entries(splits)) {
  test(`two buses of one name, where it could not be helped (${what} removed): the members of the first are told, and harm nothing of the other`, {
    skip,
  }, async () => {
    const name = busName()
    const [one, two, three, ...others] = await actors(5)
    for (const each of [one, two, three]) await open(each, name)
    // By a name that its members' presence does not know: as if they were out of sight.
    const elsewhere = `${name}-elsewhere`
    for (const each of others) await open(each, elsewhere)
    const memory = fs.readFileSync(`${folderOf(elsewhere)}/segment`, 'utf8')
    const first = fs.readFileSync(`${folderOf(name)}/segment`, 'utf8')
    split(name, elsewhere)
    for (const each of [one, two, three]) {
      await until('it is warned', async () =>
        (await each.run(({ state }) => state.warnings)).includes('SLABCAST_SPLIT'),
      )
    }
    await conversation([one, two, three], 'split')
    const files = list(folderOf(name))
    for (const file of ['1.lock', '2.lock', ...(isWindows ? [] : ['1.fifo', '2.fifo'])])
      assert.ok(files.includes(file), `${files}`)
    // Their numbers are the same: what lies there is not theirs to remove.
    if (what === 'its folder') {
      // The lock that lies there is the other's: not theirs to take.
      const subscribe = one.run(({ state }) => void state.bus.subscribe('new', () => {}))
      await assert.rejects(subscribe, (error) => error.code === 'ERR_IN_USE')
      await one.end()
    } else {
      await one.kill()
      await until('it is reaped', () => two.run(({ state }) => state.bus.stats().members.attached === 2))
    }
    assert.deepStrictEqual(list(folderOf(name)), files)
    await two.end()
    await three.end()
    assert.deepStrictEqual(list(folderOf(name)), files)
    assert.strictEqual(fs.readFileSync(`${folderOf(name)}/segment`, 'utf8'), memory)
    assert.ok(fs.existsSync(segmentFile(memory)), 'the memory of the other is there')
    assert.ok(!fs.existsSync(segmentFile(first)), 'their own is not left behind')
    await conversation(others, 'unharmed')
    await Promise.all(others.map((each) => each.kill()))
    fs.rmSync(ROOT, { recursive: true, force: true })
    for (const file of left()) fs.rmSync(file, { recursive: true, force: true })
  })
}

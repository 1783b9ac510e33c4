'use strict'

// Processes of two versions of slabcast meet on one name: while the older ones live the newer are refused and touch nothing;
// when they are dead, what they left is replaced.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { actor, busName, filesOf, folderOf, isolate, left, list, segmentOf, segments, until } = require('./support')

const skip = isolate() || false

const open = (one, name) =>
  one.run(({ ipc, state }, given) => {
    state.got = []
    state.bus = ipc.open({ name: given })
    state.bus.subscribe('all', (message, { sequence }) => state.got.push([message, sequence]))
    state.bus.publish('all', 'hello')
  }, name)
const tryOpen = (one, name) =>
  one.run(async ({ ipc }, given) => {
    try {
      await ipc.open({ name: given }).close()
      return { code: 'opened' }
    } catch (error) {
      return { ...error }
    }
  }, name)
const heard = (one) => until('it hears itself', () => one.run(({ state }) => state.got.length > 0 && state.got))

/** Names, owners, permissions, times and content of all files, the memory's too. */
function picture(name) {
  const folder = folderOf(name)
  const files = [folder, ...list(folder).map((file) => `${folder}/${file}`)]
  return [...files, segmentOf(name)].map((file) => {
    const { ino, mode, uid, size, mtimeMs } = fs.lstatSync(file)
    const content = fs.lstatSync(file).isFile() ? fs.readFileSync(file).toString('base64') : ''
    return { file, ino, mode, uid, size, mtimeMs, content }
  })
}

/** Makes a living bus look as another version made it: with that version's number, and a layout we know nothing of. */
function disguise(name, version) {
  const memory = fs.openSync(segmentOf(name), 'r+')
  fs.writeSync(memory, Uint32Array.of(version), 0, 4, 8)
  // Beyond the label: sizes we would refuse, and members at another place.
  fs.writeSync(memory, Buffer.alloc(64 - 24, 0xff), 0, 64 - 24, 24)
  fs.closeSync(memory)
}

for (const version of [1, 4, 4_000_000_000]) {
  test(`version ${version}, alive: ERR_LAYOUT_VERSION with both numbers, nothing touched; dead: replaced`, {
    skip,
  }, async () => {
    const name = busName()
    const [older, newer] = [await actor(), await actor()]
    await open(older, name)
    assert.deepStrictEqual(await heard(older), [['hello', 1]])
    // It rests from here on, so that a changed byte is the newcomer's doing.
    older.signal('SIGSTOP')
    disguise(name, version)
    // What says that it lives is removed: there is still its presence.
    if (version === 4)
      for (const file of list(folderOf(name))) if (/^\d+\.lock$/.test(file)) fs.rmSync(`${folderOf(name)}/${file}`)
    const before = picture(name)
    for (let time = 0; time < 3; time++) {
      assert.deepStrictEqual(await tryOpen(newer, name), {
        code: 'ERR_LAYOUT_VERSION',
        foundVersion: version,
        ownVersion: 3,
      })
      // The sweep of another bus' opening leaves it alone too.
      assert.strictEqual((await tryOpen(newer, busName())).code, 'opened')
    }
    assert.deepStrictEqual(picture(name), before)
    await older.kill()
    await open(newer, name)
    assert.deepStrictEqual(await heard(newer), [['hello', 1]], 'a bus that begins anew')
    assert.strictEqual(list(folderOf(name)).length, filesOf(1))
    assert.strictEqual(segments().length, 1, 'one segment')
    await newer.end()
    assert.deepStrictEqual(left(), [])
  })
}

test('what a dead process of another version left is swept by whoever opens any bus', { skip }, async () => {
  const name = busName()
  const older = await actor()
  await open(older, name)
  disguise(name, 7)
  await older.kill()
  const newer = await actor()
  assert.strictEqual((await tryOpen(newer, busName())).code, 'opened')
  assert.deepStrictEqual(left(), [])
  await newer.end()
})

'use strict'

// A full /dev/shm is an error that says what to do, never a SIGBUS; what works already goes on working.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { actor, busName, folderOf, isolate, left, list, until } = require('./support')

// Nothing else lies in it: every byte is accounted for.
const skip = isolate('3m') || false

const FILLER = '/dev/shm/filler'

const free = () => {
  const { bavail, bsize } = fs.statfsSync('/dev/shm')
  return bavail * bsize
}

/** Leaves `bytes` of /dev/shm free. */
function leave(bytes) {
  fs.rmSync(FILLER, { force: true })
  const filler = fs.openSync(FILLER, 'w')
  const page = Buffer.alloc(4096, 1)
  while (free() > bytes) fs.writeSync(filler, page)
  fs.closeSync(filler)
}

const open = (one, options) =>
  one.run(({ ipc, state }, given) => {
    state.bus = ipc.open(given)
    state.got = []
  }, options)

const noSpace = (error) => {
  assert.strictEqual(error.code, 'ERR_NO_SPACE')
  assert.ok(error.needed > 0 && error.available >= 0, `needed ${error.needed}, available ${error.available}`)
  assert.ok(error.needed > error.available, `needed ${error.needed}, available ${error.available}`)
  assert.match(error.message, /--shm-size/)
  return true
}

test('a bus that does not fit: ERR_NO_SPACE with what is needed and free, and nothing is left', { skip }, async (t) => {
  const one = await actor()
  t.after(() => one.kill())
  await assert.rejects(open(one, { name: busName() }), (error) => {
    noSpace(error)
    assert.ok(error.needed > 16 << 20 && error.available <= 3 << 20)
    return true
  })
  assert.deepStrictEqual(left(), [])
})

test('with any number of pages free: it opens whole, or ERR_NO_SPACE and nothing is left', { skip }, async (t) => {
  const one = await actor()
  t.after(() => one.kill())
  t.after(() => fs.rmSync(FILLER, { force: true }))
  const options = { size: 64 * 1024, topics: 600, members: 8 }
  await open(one, { name: busName(), ...options })
  const whole = 3 * (1 << 20) - free()
  await one.run(({ state }) => state.bus.close())
  let [opened, refused] = [0, 0]
  const pages = Math.ceil(whole / 4096)
  const counts = [0, 1, 2, 3, 4, 8, 12, 16]
  for (let count = pages - 60; count <= pages + 6; count++) if (count > 16) counts.push(count)
  for (const count of counts) {
    leave(count * 4096)
    try {
      await open(one, { name: busName(), ...options })
      opened++
      // Every page of it is there: a touch would end the process otherwise.
      await one.run(async ({ state }) => {
        await new Promise((resolve) => {
          let n = 0
          state.bus.subscribe('t', (message) => {
            if (message.length !== 20000) throw new Error('torn')
            if (++n === 20) resolve()
            else state.bus.publish('t', 'x'.repeat(20000))
          })
          state.bus.publish('t', 'x'.repeat(20000))
        })
        await state.bus.close()
      })
    } catch (error) {
      noSpace(error)
      refused++
    }
    assert.deepStrictEqual(left(), [], `${count} pages free`)
  }
  assert.ok(opened > 0 && refused > 0, `${opened} opened, ${refused} refused`)
  t.diagnostic(`${opened} opened, ${refused} refused`)
})

test('no memory for more topics: new ones throw, known ones go on, and it ends when there is room', {
  skip,
}, async (t) => {
  const name = busName()
  const [one, other] = [await actor(), await actor()]
  t.after(() => Promise.all([one.kill(), other.kill()]))
  t.after(() => fs.rmSync(FILLER, { force: true }))
  for (const each of [one, other]) await open(each, { name, size: 64 * 1024, topics: 2000 })
  await other.run(({ state }) => void state.bus.subscribe('known', (message) => state.got.push(message)))
  leave(0)
  const made = await one.run(({ state }) => {
    let n = 0
    try {
      for (;;) state.bus.publish(`topic:${n++}`, n)
    } catch (error) {
      state.error = { ...error, message: error.message }
    }
    return n
  })
  noSpace(await one.run(({ state }) => state.error))
  assert.ok(made > 100 && made < 1000, `${made} topics`)
  await assert.rejects(
    other.run(({ state }) => void state.bus.subscribe('one:too:many', () => {})),
    noSpace,
  )
  for (let n = 0; n < 1000; n++) {
    assert.notStrictEqual(await one.run(({ state }, given) => state.bus.publish('known', given), n), undefined)
    if (n % 100 === 0)
      await assert.rejects(
        one.run(({ state }) => state.bus.publish('new', 1)),
        noSpace,
      )
  }
  await until('all of the known arrive', () => other.run(({ state }) => state.got.length === 1000))
  assert.ok(await other.run(({ state }) => state.got.every((message, at) => message === at)))
  // Whoever joins now is told as clearly, and leaves no trace.
  const files = list(folderOf(name))
  const third = await actor()
  t.after(() => third.kill())
  await assert.rejects(open(third, { name }), noSpace)
  assert.deepStrictEqual(list(folderOf(name)), files)
  fs.rmSync(FILLER)
  await open(third, { name })
  await third.run(({ state }) => void state.bus.subscribe('one:too:many', (message) => state.got.push(message)))
  for (const from of [one, other]) await from.run(({ state }) => state.bus.publish('one:too:many', 1))
  await until('both arrive', () => third.run(({ state }) => state.got.length === 2))
  await Promise.all([one, other, third].map((each) => each.end()))
  assert.deepStrictEqual(left(), [])
})

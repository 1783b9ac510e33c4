'use strict'

// What a bus held is given back when it is closed or lost, not when V8 gets to it: shared memory, descriptors, arrays.

const test = require('node:test')
const assert = require('node:assert')
const { actor, busName, isolate, left, until } = require('./support')

// As Docker gives it.
const skip = isolate('64m') || false

/** Opens, uses and closes a bus of the default size `count` times; how many descriptors were open after each. */
const openings = async ({ ipc, system }, name, count) => {
  const open = []
  for (let round = 0; round < count; round++) {
    const bus = ipc.open({ name })
    const got = new Promise((resolve) => bus.subscribe('own', resolve))
    bus.publish('own', { round })
    bus.publish('other', { round })
    await got
    await bus.close()
    open.push(system.descriptors())
  }
  return open
}

const grown = (open) => open.filter((count) => count > open[0])

test('in 64 MB: a default bus opened and closed 20 times', { skip }, async () => {
  const one = await actor()
  const open = await one.run(openings, busName(), 20)
  assert.strictEqual(open.length, 20)
  assert.deepStrictEqual(grown(open), [], `descriptors after each: ${open}`)
  await one.end()
  assert.deepStrictEqual(left(), [])
})

test('the same with another member that stays, and is woken', { skip }, async () => {
  const name = busName()
  const [one, other] = [await actor(), await actor()]
  await other.run(({ ipc, state }, given) => {
    state.got = 0
    ipc.open({ name: given }).subscribe('other', () => state.got++)
  }, name)
  const open = await one.run(openings, name, 20)
  assert.deepStrictEqual(grown(open), [], `descriptors after each: ${open}`)
  await until('all arrive', () => other.run(({ state }) => state.got === 20))
  for (const each of [one, other]) await each.end()
  assert.deepStrictEqual(left(), [])
})

test('the same in a worker_thread that goes on', { skip }, async () => {
  const one = await actor()
  const open = await one.run(
    async ({ workers }, file, system, source, name) => {
      const script = `
        const { parentPort } = require('node:worker_threads')
        const hands = { ipc: require(${JSON.stringify(file)}), system: require(${JSON.stringify(system)}) }
        const report = (message) => parentPort.postMessage(message)
        ;(${source})(hands, ${JSON.stringify(name)}, 20).then(report, ({ code }) => report(code))
        setInterval(() => {}, 1000)`
      const worker = new workers.Worker(script, { eval: true })
      const open = await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))
      await worker.terminate()
      return open
    },
    require.resolve('../..'),
    require.resolve('../node/support/system'),
    String(openings),
    busName(),
  )
  assert.strictEqual(open.length, 20, `${open}`)
  assert.deepStrictEqual(grown(open), [], `descriptors after each: ${open}`)
  await one.end()
  assert.deepStrictEqual(left(), [])
})

test('closed by a listener in the middle of what was drained', { skip }, async () => {
  const one = await actor()
  const { open, got } = await one.run(async ({ ipc, system }, name) => {
    const open = []
    let got = 0
    for (let round = 0; round < 20; round++) {
      const bus = ipc.open({ name })
      await new Promise((resolve) => {
        bus.subscribe('t', () => {
          got++
          resolve(bus.close())
        })
        for (let n = 0; n < 10; n++) bus.publish('t', n)
      })
      open.push(system.descriptors())
    }
    return { open, got }
  }, busName())
  assert.deepStrictEqual(grown(open), [], `descriptors after each: ${open}`)
  assert.strictEqual(got, 20)
  await one.end()
  assert.deepStrictEqual(left(), [])
})

test('lost (ERR_CORRUPT) and opened anew 20 times', { skip }, async () => {
  const one = await actor()
  const open = await one.run(async ({ ipc, fs, system }, name) => {
    const open = []
    for (let round = 0; round < 20; round++) {
      // Header, log, members and buckets of a page each come before its ring.
      const bus = ipc.open({ name, topics: 1024, members: 16 })
      const lost = new Promise((resolve) => bus.on('error', resolve))
      bus.subscribe('t', () => {})
      const memory = fs.openSync(system.segmentOf(name), 'r+')
      fs.writeSync(memory, Buffer.alloc(131072, 0xa5), 0, 131072, 4 * 4096)
      fs.closeSync(memory)
      try {
        bus.publish('t', 1)
      } catch {}
      const { code } = await lost
      if (code !== 'ERR_CORRUPT') throw new Error(code)
      open.push(system.descriptors())
    }
    return open
  }, busName())
  assert.deepStrictEqual(grown(open), [], `descriptors after each: ${open}`)
  await one.end()
  assert.deepStrictEqual(left(), [])
})

test('nor are its arrays kept, which V8 may collect', { skip }, async () => {
  const one = await actor({ execArgv: ['--expose-gc'] })
  const name = busName()
  const held = async () => {
    await one.run(openings, name, 20)
    return one.run(async () => {
      // A turn of the loop in between: what the first lets go, the second finds.
      for (let turn = 0; turn < 4; turn++) {
        global.gc()
        await new Promise(setImmediate)
      }
      return process.memoryUsage().arrayBuffers
    })
  }
  const first = await held()
  const second = await held()
  // 20 times 256 KiB to drain into, and more.
  assert.ok(second - first < 1 << 20, `${first} bytes, then ${second}`)
  await one.end()
  assert.deepStrictEqual(left(), [])
})

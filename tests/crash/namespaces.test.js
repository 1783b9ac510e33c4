'use strict'

// Containers that share /dev/shm but not their processes: pids mean nothing across, so that the locks the kernel holds say
// who lives.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const { spawnSync } = require('node:child_process')
const { actor, busName, folderOf, isolate, left, list, longest, until } = require('./support')

const notIsolated = isolate()
const probe = spawnSync('unshare', ['--pid', '--fork', 'true'], { encoding: 'utf8' })
const skip = notIsolated || (probe.status !== 0 && `no PID namespace is permitted here: ${probe.stderr}`) || false

/** A process that is alone in a PID namespace; with the /proc of that, or, as some sandboxes have it, of the one outside. */
const inside = (own) =>
  actor({
    execPath: 'unshare',
    execArgv: ['--pid', '--fork', '--kill-child=SIGKILL', ...(own ? ['--mount-proc'] : []), process.execPath],
  })

const open = (one, options) =>
  one.run(({ ipc, state }, given) => {
    state.got = []
    state.bus = ipc.open(given)
    state.bus.subscribe('all', (message) => state.got.push(message))
    return process.pid
  }, options)
const publish = (one, message) => one.run(({ state }, given) => state.bus.publish('all', given), message)
const hears = (one, message) =>
  until(`${message} is heard`, () => one.run(({ state }, wanted) => state.got.includes(wanted), message))

const kinds = {
  'each with its own /proc': [() => inside(true), () => inside(true)],
  'each with the /proc outside': [() => inside(false), () => inside(false)],
  'one inside and one outside': [() => actor(), () => inside(true)],
  'one inside, with the /proc outside, and one outside': [() => actor(), () => inside(false)],
}
for (const [what, [here, there]] of Object.entries(kinds)) {
  test(`two PID namespaces, ${what}: they meet, the living are left alone, the dead are reaped`, {
    skip,
  }, async (t) => {
    const waits = []
    const name = busName()
    const options = { name, size: 64 * 1024, members: 2, stallTimeout: Number.POSITIVE_INFINITY }
    const one = await here()
    await open(one, options)
    for (let round = 0; round < 3; round++) {
      const other = await there()
      const pid = await open(other, options)
      await publish(one, `${round} hello`)
      await publish(other, `${round} hi`)
      for (const each of [one, other]) for (const word of ['hello', 'hi']) await hears(each, `${round} ${word}`)
      // Both sides look for the dead, several times (a tick is a second; there is nothing to see when it has passed): nobody
      // takes the other for dead, nor sweeps its files.
      for (const each of [one, other]) {
        await each.run(async ({ ipc, state }, sibling) => {
          for (let time = 0; time < 3; time++) await ipc.open({ name: sibling }).close()
          await new Promise((resolve) => setTimeout(resolve, 1100))
          state.bus.publish('all', `still here ${process.pid}`)
        }, busName())
      }
      await hears(one, `still here ${pid}`)
      assert.strictEqual(list(folderOf(name)).length, 2 + 2 * 2)
      // Dead with unread messages in a full slab, in a place the next one needs.
      other.start(() => {
        for (;;);
      })
      const start = performance.now()
      await one.run(({ state }) => {
        state.drained = new Promise((resolve) => state.bus.once('drain', resolve))
        while (state.bus.publish('filler', 'x'.repeat(1000)));
      })
      await other.kill()
      await one.run(({ state }) => state.drained)
      waits.push(performance.now() - start)
      await until('its files are gone', () => list(folderOf(name)).length === 2 + 2)
    }
    await one.end()
    // One of another namespace was the last: its files are not left behind either.
    const last = await there()
    await open(last, options)
    await last.end()
    assert.deepStrictEqual(left(), [])
    // And those of a dead one are swept from here.
    const doomed = await there()
    await open(doomed, options)
    await doomed.kill()
    const sweeper = await here()
    await sweeper.run(({ ipc }, sibling) => ipc.open({ name: sibling }).close(), busName())
    await sweeper.end()
    assert.deepStrictEqual(left(), [])
    t.diagnostic(`from a full slab to drain: ${longest(waits)}`)
  })
}

test('files removed under a bus of another PID namespace: who comes is told, though it cannot see the processes', {
  skip,
}, async () => {
  const name = busName()
  const one = await inside(true)
  await open(one, { name })
  fs.rmSync(`/dev/shm${fs.readFileSync(`${folderOf(name)}/segment`, 'utf8')}`)
  fs.rmSync(folderOf(name), { recursive: true })
  const other = await inside(true)
  await assert.rejects(open(other, { name }), (error) => error.code === 'ERR_IN_USE' && !('pid' in error))
  await publish(one, 'on my own')
  await hears(one, 'on my own')
  await Promise.all([one.end(), other.end()])
  assert.deepStrictEqual(left(), [])
})

test('two threads of a PID namespace, with the /proc outside, where their pid is another’s: neither takes the other for dead', {
  skip,
}, async () => {
  const name = busName()
  const one = await inside(false)
  await open(one, { name })
  await one.run(
    ({ workers, state }, file, given) => {
      state.bus.subscribe('heard', (message) => state.got.push(`heard ${message}`))
      const script = `
        const bus = require(${JSON.stringify(file)}).open(require('node:worker_threads').workerData)
        bus.subscribe('all', (message) => bus.publish('heard', message))`
      state.worker = new workers.Worker(script, { eval: true, workerData: given })
    },
    require.resolve('../..'),
    { name },
  )
  await until('the thread is there', () => one.run(({ state }) => state.bus.stats().members.reading === 2))
  await publish(one, 'hello')
  await hears(one, 'heard hello')
  // As above: three ticks go by, with nothing to see of them.
  await one.run(() => new Promise((resolve) => setTimeout(resolve, 3300)))
  await publish(one, 'still here')
  await hears(one, 'heard still here')
  const { reaped } = await one.run(({ state }) => state.bus.stats())
  assert.strictEqual(reaped, 0)
  await one.end()
  assert.deepStrictEqual(left(), [])
})

test('two processes of a PID namespace, with the /proc outside, where their pids are others’: neither takes the other for dead', {
  skip,
}, async () => {
  const name = busName()
  const one = await inside(false)
  await open(one, { name })
  await one.run(
    ({ workers, state }, file, given) => {
      state.bus.subscribe('heard', (message) => state.got.push(`heard ${message}`))
      const program = `
        const bus = require(${JSON.stringify(file)}).open(${JSON.stringify(given)})
        bus.subscribe('all', (message) => bus.publish('heard', message))
        bus.subscribe('end', () => bus.close())`
      const script = `
        const { spawn } = require('node:child_process')
        spawn(process.execPath, ['-e', require('node:worker_threads').workerData], { stdio: 'ignore' })`
      state.worker = new workers.Worker(script, { eval: true, workerData: program })
    },
    require.resolve('../..'),
    { name },
  )
  await until('the process is there', () => one.run(({ state }) => state.bus.stats().members.reading === 2))
  await publish(one, 'hello')
  await hears(one, 'heard hello')
  // As above: three ticks go by, with nothing to see of them.
  await one.run(() => new Promise((resolve) => setTimeout(resolve, 3300)))
  await publish(one, 'still here')
  await hears(one, 'heard still here')
  const { reaped } = await one.run(({ state }) => state.bus.stats())
  assert.strictEqual(reaped, 0)
  await one.run(({ state }) => state.bus.publish('end', 0))
  await until('the process has left', () => one.run(({ state }) => state.bus.stats().members.attached === 1))
  await one.end()
  assert.deepStrictEqual(left(), [])
})

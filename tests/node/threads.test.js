'use strict'

// worker_threads as members: they come, go and die while messages flow, and each is a member of its own.

const test = require('node:test')
const assert = require('node:assert')
const { once } = require('node:events')
const { readdirSync } = require('node:fs')
const path = require('node:path')
const { Worker } = require('node:worker_threads')
const { assertNothingLeft, folderOf, openBus, segmentOf, uniqueName } = require('./support/bus')
const { run } = require('./support/process')
const { filesOf } = require('./support/system')
const { until } = require('./support/wait')

const CLEAN = { code: 0, signal: null }

/** A thread that runs `work(...args)`, a self-contained function; ended after the test. */
function thread(t, work, args = [], options = {}) {
  const worker = new Worker(path.join(__dirname, 'support', 'thread.js'), {
    ...options,
    workerData: { work: work.toString(), args },
  })
  t.after(() => worker.terminate())
  return worker
}

/** Answers each number with itself, once it has said that it listens. */
function echo(name) {
  const bus = require('slabcast').open({ name })
  bus.subscribe('question', (number) =>
    bus.publish('answer', { number, thread: require('node:worker_threads').threadId }),
  )
  require('node:worker_threads').parentPort.postMessage('listening')
}

test('main thread and workers are members of one bus; each decodes for itself', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const workers = [thread(t, echo, [name]), thread(t, echo, [name])]
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const answers = []
  bus.subscribe('answer', (answer, { publisher }) => answers.push([answer.thread, publisher.pid, publisher.member]))
  bus.publish('question', 1)
  await until(() => answers.length === 2)
  assert.deepStrictEqual(answers.map(([thread]) => thread).sort(), workers.map(({ threadId }) => threadId).sort())
  assert.deepStrictEqual(
    answers.map(([, pid]) => pid),
    [process.pid, process.pid],
  )
  assert.strictEqual(new Set(answers.map(([, , member]) => member)).size, 2)
})

test('echo: false keeps away the messages of this thread, not those of others of the process', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const worker = thread(t, echo, [name])
  await once(worker, 'message')
  const seen = []
  bus.subscribe('answer', ({ number }) => seen.push(number), { echo: false })
  bus.publish('answer', { number: 'mine' })
  bus.publish('question', 'theirs')
  await until(() => seen.length > 0)
  assert.deepStrictEqual(seen, ['theirs'])
})

test('a worker with a subscription lives until it ends it, then leaves by itself', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const worker = thread(
    t,
    (name) => {
      const { parentPort } = require('node:worker_threads')
      const bus = require('slabcast').open({ name })
      const subscription = bus.subscribe('t', (message) => {
        bus.publish('seen', message)
        if (message === 'end') subscription.unsubscribe()
      })
      parentPort.postMessage('listening')
    },
    [name],
  )
  let exited = false
  worker.on('exit', () => {
    exited = true
  })
  await once(worker, 'message')
  const seen = []
  bus.subscribe('seen', (message) => seen.push(message))
  bus.publish('t', 1)
  await until(() => seen.length === 1)
  assert.strictEqual(exited, false)
  bus.publish('t', 'end')
  await until(() => exited, 'the worker ends')
  const left = readdirSync(folderOf(name))
  assert.strictEqual(left.length, filesOf(1), `${left}`)
})

test('workers started and terminated in a loop while messages flow: nobody else loses anything, nothing piles up', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say, until }, name) => {
      const { once } = require('node:events')
      const path = require('node:path')
      const { Worker } = require('node:worker_threads')
      const { readdirSync } = require('node:fs')
      const { filesOf, folderOf } = require('./system')
      const bus = require('slabcast').open({ name, size: '256kb', members: 8 })
      // Reads everything, publishes as fast as it may, and is ended at any point of it.
      const busy = (name) => {
        const bus = require('slabcast').open({ name })
        let told = false
        bus.subscribe('flow', () => {
          if (!told) require('node:worker_threads').parentPort.postMessage('flowing')
          told = true
        })
        const more = () => {
          for (let room = true, n = 0; room && n < 100; n++) room = bus.publish('noise', { n, text: 'x'.repeat(50) })
          setImmediate(more)
        }
        more()
      }
      let sent = 0
      let next = 0
      bus.subscribe('flow', (number) => {
        if (number !== next++) throw new Error(`${number} instead of ${next - 1}`)
      })
      bus.subscribe('noise', () => {})
      let flowing = true
      const flow = () => {
        if (!flowing) return
        for (let n = 0; n < 20; n++) bus.publish('flow', sent++)
        setTimeout(flow, 1)
      }
      flow()
      const file = path.join(path.dirname(require.resolve('./child')), 'thread.js')
      for (let round = 0; round < 12; round++) {
        const workers = [0, 1, 2].map(() => new Worker(file, { workerData: { work: busy.toString(), args: [name] } }))
        // One is ended before it has begun, the others in full flow.
        workers[2].terminate()
        await Promise.all(workers.slice(0, 2).map((worker) => once(worker, 'message')))
        await Promise.all(workers.map((worker) => worker.terminate()))
      }
      flowing = false
      await until(() => next === sent)
      await until(() => readdirSync(folderOf(name)).length === filesOf(1))
      await say(sent)
      await bus.close()
    },
    name,
  )
  assert.ok((await child.hear()) > 0)
  assert.deepStrictEqual(await child.end(), CLEAN)
  assertNothingLeft(name)
})

test('process.exit of the main thread while workers are members leaves nothing', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const { once } = require('node:events')
      const path = require('node:path')
      const { Worker } = require('node:worker_threads')
      const bus = require('slabcast').open({ name, size: '1mb' })
      bus.subscribe('t', () => {})
      const work = (name) => {
        const bus = require('slabcast').open({ name })
        bus.subscribe('t', () => {})
        require('node:worker_threads').parentPort.postMessage('in')
        setInterval(() => bus.publish('t', 1), 1)
      }
      const file = path.join(path.dirname(require.resolve('./child')), 'thread.js')
      for (let n = 0; n < 2; n++)
        await once(new Worker(file, { workerData: { work: work.toString(), args: [name] } }), 'message')
      await say('in')
      await hear()
      process.exit(3)
    },
    name,
  )
  await child.hear()
  const segment = segmentOf(name)
  child.say('exit')
  assert.deepStrictEqual(await child.end(), { code: 3, signal: null })
  assertNothingLeft(name, segment)
})

test('process.exit in a worker ends that worker alone', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const worker = thread(
    t,
    (name) => {
      const bus = require('slabcast').open({ name })
      bus.subscribe('t', () => process.exit(5))
      require('node:worker_threads').parentPort.postMessage('listening')
    },
    [name],
  )
  await once(worker, 'message')
  const ended = once(worker, 'exit')
  bus.publish('t', 1)
  assert.deepStrictEqual(await ended, [5])
  assert.strictEqual(bus.publish('t', 2), true)
})

test('a listener that throws in a worker ends that worker, with its error; the others go on', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const worker = thread(
    t,
    (name) => {
      const bus = require('slabcast').open({ name })
      bus.subscribe('t', () => {
        throw new RangeError('of the worker')
      })
      require('node:worker_threads').parentPort.postMessage('listening')
    },
    [name],
  )
  await once(worker, 'message')
  const seen = []
  bus.subscribe('t', (message) => seen.push(message))
  const failed = once(worker, 'error')
  const ended = new Promise((resolve) => worker.once('exit', resolve))
  bus.publish('t', 1)
  const [error] = await failed
  assert.strictEqual(error.name, 'RangeError')
  assert.strictEqual(error.message, 'of the worker')
  assert.strictEqual(await ended, 1)
  bus.publish('t', 2)
  await until(() => seen.length === 2)
})

test('a worker is a member as long as it has the bus open: as many as the bus takes, and again', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, members: 3 })
  for (let round = 0; round < 3; round++) {
    const workers = [thread(t, echo, [name]), thread(t, echo, [name])]
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    const tooMany = thread(t, echo, [name])
    const [error] = await once(tooMany, 'error')
    assert.match(String(error.message), /members/)
    assert.strictEqual(error.code, 'ERR_TOO_MANY_MEMBERS')
    await Promise.all(workers.map((worker) => worker.terminate()))
  }
  assert.strictEqual(bus.publish('t', 1), true)
})

test('buses in many threads opened and closed at once: the last removes everything', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say }, name) => {
      const path = require('node:path')
      const { Worker } = require('node:worker_threads')
      const work = async (name) => {
        for (let round = 0; round < 20; round++) {
          const bus = require('slabcast').open({ name, size: '64kb' })
          const heard = new Promise((resolve) => bus.subscribe('t', resolve, { once: true }))
          bus.publish('t', round)
          await heard
          await bus.close()
        }
      }
      const file = path.join(path.dirname(require.resolve('./child')), 'thread.js')
      const ends = await Promise.all(
        [0, 1, 2, 3].map(() => {
          const worker = new Worker(file, { workerData: { work: work.toString(), args: [name] } })
          return new Promise((resolve) => {
            worker.once('error', (error) => resolve(error.stack))
            worker.once('exit', resolve)
          })
        }),
      )
      await say(ends)
    },
    name,
  )
  assert.deepStrictEqual(await child.hear(), [0, 0, 0, 0])
  assert.deepStrictEqual(await child.end(), CLEAN)
  assertNothingLeft(name)
})

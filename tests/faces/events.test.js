'use strict'

// slabcast/events: an EventEmitter whose emit reaches the other processes.

const assert = require('node:assert/strict')
const { AsyncLocalStorage } = require('node:async_hooks')
const { EventEmitter, errorMonitor, on, once } = require('node:events')
const path = require('node:path')
const test = require('node:test')
const { BusEmitter } = require('slabcast/events')
const { openBus, uniqueName } = require('../node/support/bus')
const { application, run } = require('../node/support/process')
const { until } = require('../node/support/wait')
const { outcome, PARTS } = require('./support/parts')

const SMALL = { size: '1mb', topics: 1024, members: 16, stallTimeout: Number.POSITIVE_INFINITY }
const PROGRAM = path.join(__dirname, 'events', 'program.js')

const ODD = ['', ' ', '__proto__', 'constructor', 'toString', '*', '\0', '\ud800', 'x'.repeat(300), 'é', 7]
const VALUES = [
  [],
  [undefined],
  [null, 0, -0, ''],
  [{ a: [1, { b: 2n }] }, new Map([[1, new Set(['x'])]]), new Date(0), /x/g],
  [Buffer.from([1, 2]), new Float64Array([1.5])],
  Array.from({ length: 20 }, (_, n) => n),
  [['an', 'array']],
]

/** What is done, by which part. */
const STEPS = [
  ['a', 'on', 'x', 'a on'],
  ['b', 'on', 'x', 'b on'],
  ['a', 'emit', 'x', 1],
  ['c', 'emit', 'x', 'from who does not listen'],
  ['b', 'once', 'x', 'b once'],
  ['b', 'prependListener', 'x', 'b first'],
  ['b', 'prependOnceListener', 'x', 'b very first'],
  ['b', 'addListener', 'x', 'b on'],
  ['c', 'emit', 'x', 2],
  ['c', 'emit', 'x', 3],
  ['b', 'off', 'x', 'b on'],
  ['a', 'removeListener', 'x', 'a on'],
  ['a', 'emit', 'x', 4],
  ['b', 'off', 'x', 'b on'],
  ['b', 'off', 'x', 'b first'],
  ['a', 'emit', 'x', 'nobody'],
  ['b', 'off', 'x', 'never added'],
  ['b', 'on', 'x', 'b again'],
  ['b', 'emit', 'x', 5],
  ...VALUES.flatMap((values) => [['c', 'emit', 'x', ...values]]),
  ...ODD.flatMap((name) => [
    ['b', 'on', name, `b ${String(name).slice(0, 10)}`],
    ['a', 'emit', name, 'odd'],
  ]),
  ['c', 'on', '7', 'c 7'],
  ['a', 'emit', 7, 'a number is a name'],
  ['a', 'answer', 'question', 'answer'],
  ['b', 'answer', 'question', 'answer'],
  ['c', 'on', 'answer', 'c hears'],
  ['c', 'once', 'answer', 'c hears once'],
  ['a', 'once', 'question', 'a hears once'],
  ['c', 'emit', 'question', 1],
  ['b', 'emit', 'question', 2],
]

test('three processes hear what three parts of one process do by an EventEmitter', async (t) => {
  const one = run(t, (child, file, ...args) => require(file).official(child, ...args), PROGRAM, PARTS)
  const official = await outcome({ a: one, b: one, c: one }, STEPS)

  const options = { name: uniqueName(), ...SMALL }
  const start = (part) => run(t, (child, file, ...args) => require(file).ours(child, ...args), PROGRAM, [part], options)
  const ours = await outcome({ a: start('a'), b: start('b'), c: start('c') }, STEPS)
  assert.deepEqual(ours, official)
  assert.deepEqual(ours.b.slice(1, 3), [
    ['b on', 'from who does not listen'],
    ['b very first', 2],
  ])
  assert.equal(ours.c.filter(([label]) => label === 'c hears').length, 4)
})

/** An emitter on a bus of its own, and another thing that hears and emits: a process. */
function pair(t, options) {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const emitter = new BusEmitter({ bus, ...options })
  t.after(() => emitter.close())
  return { bus, emitter, name, far: () => new Far(t, name) }
}

/** An emitter in another process. */
class Far {
  constructor(t, name) {
    this.child = run(
      t,
      async ({ say, hear }, options) => {
        const { BusEmitter } = require('slabcast/events')
        const emitter = new BusEmitter({ bus: require('slabcast').open(options) })
        const heard = []
        for (;;) {
          const [verb, event, ...args] = await hear()
          if (verb === 'hears')
            emitter.on(event, (...args) => heard.push([event, ...args.filter((arg) => typeof arg !== 'function')]))
          if (verb === 'emits') emitter.emit(event, ...args)
          if (verb === 'closes') emitter.close()
          await say(heard)
        }
      },
      { name, ...SMALL },
    )
  }
  async does(...act) {
    this.child.say(act)
    return this.child.hear()
  }
  async heard(count) {
    let heard = []
    while (heard.length < count) heard = await this.does('look')
    return heard
  }
}

const subscribers = (bus) =>
  bus
    .topics('slabcast:events/*')
    .filter(({ subscribers }) => subscribers > 0)
    .map(({ topic, subscribers }) => [topic, subscribers])

test('emit calls the listeners here before it returns, once, and says whether there are any', async (t) => {
  const { emitter, far } = pair(t)
  const other = far()
  await other.does('hears', 'x')
  assert.equal(emitter.emit('x', 'nobody here'), false)
  const seen = []
  emitter.on('x', (...args) => seen.push(args))
  assert.equal(emitter.emit('x', 1, 2), true)
  assert.deepEqual(seen, [[1, 2]])
  assert.deepEqual(await other.heard(2), [
    ['x', 'nobody here'],
    ['x', 1, 2],
  ])
  await other.does('emits', 'x', 'back')
  await until(() => seen.length > 1)
  assert.deepEqual(seen, [[1, 2], ['back']])
})

test('two emitters of one name in a thread hear each other, those of other names do not', async (t) => {
  const { bus, emitter } = pair(t)
  const same = new BusEmitter({ bus })
  const others = [
    new BusEmitter({ bus, name: 'other' }),
    new BusEmitter({ bus, name: '/' }),
    new BusEmitter({ bus, name: '\ud800' }),
  ]
  const seen = []
  for (const [at, one] of [emitter, same, ...others].entries()) one.on('x', (what) => seen.push([at, what]))
  for (const [at, one] of others.entries()) one.emit('x', `other ${at}`)
  emitter.emit('x', 'first')
  same.emit('x', 'second')
  emitter.emit('x', 'last')
  await until(() => seen.filter(([at]) => at === 1).length === 3)
  const of = (number) => seen.filter(([at]) => at === number).map(([, what]) => what)
  assert.deepEqual(of(0).sort(), ['first', 'last', 'second'])
  assert.deepEqual(of(1), ['second', 'first', 'last'])
  assert.deepEqual([of(2), of(3), of(4)], [['other 0'], ['other 1'], ['other 2']])
})

test('an event has one subscription, from its first listener to its last', (t) => {
  const { bus, emitter } = pair(t)
  const x = [['slabcast:events//x', 1]]
  const f = () => {}
  const is = (expected, what) => assert.deepEqual(subscribers(bus), expected, what)
  let count = 0
  const { subscribe } = bus
  bus.subscribe = (...args) => {
    count++
    return subscribe.apply(bus, args)
  }
  for (const add of ['on', 'addListener', 'prependListener', 'once', 'prependOnceListener'])
    for (const remove of ['off', 'removeListener', 'removeAllListeners']) {
      assert.equal(emitter[add]('x', f), emitter)
      is(x, add)
      assert.equal(emitter[remove]('x', f), emitter)
      is([], `${add}, ${remove}`)
    }
  assert.equal(count, 15)
  emitter.once('x', f).on('x', f).on('x', f)
  assert.equal(count, 16)
  emitter.off('x', f)
  emitter.off('x', f)
  is(x)
  // The last is called, and gone.
  emitter.emit('x')
  is([])
  emitter.on('x', f).on('y', f).on('z', f)
  assert.equal(subscribers(bus).length, 3)
  emitter.removeAllListeners()
  is([])
  emitter.on('x', f).on('y', f).on('removeListener', f)
  emitter.removeAllListeners()
  is([])
  assert.deepEqual(emitter.eventNames(), [])
  // A number is the name of what it looks like.
  emitter.on(7, f).on('7', f)
  assert.deepEqual(subscribers(bus), [['slabcast:events//7', 1]])
  const before = count
  emitter.off('7', f).on('7', f).off(7, f).off(7, f)
  assert.deepEqual([count, subscribers(bus)], [before, []])
  emitter.removeAllListeners('never there')
  emitter.off('never there', f)
})

test('what a newListener or removeListener does to others leaves the subscription as it must be', async (t) => {
  const { bus, emitter, far } = pair(t)
  const other = far()
  const seen = []
  const names = []
  const old = () => seen.push('old')
  emitter.on('x', old)
  emitter.on('removeListener', (name) => names.push(['removed', name]))
  emitter.once('newListener', (name, listener) => {
    names.push(['new', name, typeof listener])
    emitter.removeAllListeners('x')
  })
  emitter.on('x', (what) => seen.push(what))
  assert.deepEqual(names, [
    ['removed', 'newListener'],
    ['new', 'x', 'function'],
    ['removed', 'x'],
  ])
  assert.deepEqual(subscribers(bus), [['slabcast:events//x', 1]])
  await other.does('emits', 'x', 'heard')
  await until(() => seen.length > 0)
  assert.deepEqual(seen, ['heard'])
  // What failed to be added or removed leaves nothing behind.
  emitter.once('newListener', () => {
    throw new Error('no')
  })
  assert.throws(() => emitter.on('y', old), /no/)
  assert.throws(() => emitter.on('y', 'no function'), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.deepEqual(subscribers(bus), [['slabcast:events//x', 1]])
  emitter.once('removeListener', () => {
    throw new Error('no')
  })
  assert.throws(() => emitter.removeAllListeners('x'), /no/)
  assert.deepEqual(subscribers(bus), [])
  emitter.on('x', old)
  emitter.once('removeListener', () => {
    throw new Error('no')
  })
  assert.throws(() => emitter.off('x', old), /no/)
  assert.deepEqual(subscribers(bus), [])
})

test('symbols, error, newListener and removeListener stay in their process', async (t) => {
  const { bus, emitter, far } = pair(t)
  const other = far()
  const own = Symbol('own')
  const seen = []
  for (const event of [own, 'error', 'newListener', 'removeListener', errorMonitor]) {
    assert.equal(
      emitter.on(event, (what) => seen.push([event, what])),
      emitter,
    )
    if (typeof event === 'string') await other.does('hears', event)
  }
  assert.deepEqual(subscribers(bus), [])
  seen.length = 0
  const error = Object.assign(new Error('here'), { cannot: () => 'travel' })
  assert.equal(emitter.emit(own, 1), true)
  assert.equal(emitter.emit('error', error), true)
  assert.deepEqual(seen, [
    [own, 1],
    [errorMonitor, error],
    ['error', error],
  ])
  emitter.emit('newListener', 'x')
  emitter.removeAllListeners()
  assert.throws(
    () => emitter.emit('error', error),
    (thrown) => thrown === error,
  )
  // By the order of the bus nothing comes after this.
  await other.does('hears', 'last')
  emitter.emit('last')
  let heard = []
  while (!heard.some(([event]) => event === 'last')) heard = await other.does('look')
  // It has been told of its own listeners.
  assert.deepEqual([...new Set(heard.map(([event]) => event))], ['newListener', 'last'])
  assert.deepEqual(
    bus
      .topics()
      .map(({ topic }) => topic)
      .sort(),
    ['slabcast:events//last'],
  )
})

test('captureRejections: what a listener’s promise rejects with is an error here, whoever emitted', async (t) => {
  const { emitter, far } = pair(t, { captureRejections: true })
  const other = far()
  await other.does('hears', 'error')
  const errors = []
  emitter.on('error', (error) => errors.push(error.message))
  emitter.on('x', async (what) => {
    throw new Error(what)
  })
  emitter.emit('x', 'here')
  await other.does('emits', 'x', 'elsewhere')
  await until(() => errors.length === 2)
  assert.deepEqual(errors, ['here', 'elsewhere'])
  assert.deepEqual(await other.does('look'), [])
  assert.throws(() => new BusEmitter({ captureRejections: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
})

test('a listener that throws does so in its own process alone', async (t) => {
  const { emitter, far, name } = pair(t)
  const other = far()
  await other.does('hears', 'x')
  emitter.on('x', () => {
    throw new Error('mine')
  })
  assert.throws(() => emitter.emit('x', 1), /mine/)
  assert.deepEqual(await other.heard(1), [['x', 1]])
  // From elsewhere there is no caller: it is an uncaught exception, as a bus' listener's.
  const child = run(
    t,
    async ({ say }, options) => {
      const { BusEmitter } = require('slabcast/events')
      const emitter = new BusEmitter({ bus: require('slabcast').open(options) })
      process.on('uncaughtException', (error) => say(error.message))
      emitter.on('y', (what) => {
        throw new Error(what)
      })
      await say('listens')
    },
    { name, ...SMALL },
  )
  assert.equal(await child.hear(), 'listens')
  emitter.emit('y', 'thrown there')
  assert.equal(await child.hear(), 'thrown there')
})

test('what a listener does to what it is given nobody else sees', async (t) => {
  const { emitter, far } = pair(t)
  const other = far()
  await other.does('hears', 'x')
  emitter.on('x', (object) => {
    object.changed = true
  })
  emitter.emit('x', { as: 'emitted' })
  assert.deepEqual(await other.heard(1), [['x', { as: 'emitted' }]])
})

test('what a listener emits comes after what it heard, in other processes, too', async (t) => {
  const { emitter, far } = pair(t)
  const other = far()
  for (const event of ['x', 'y']) await other.does('hears', event)
  emitter.on('x', (n) => emitter.emit('y', n))
  for (let n = 0; n < 3; n++) emitter.emit('x', n)
  assert.deepEqual(
    await other.heard(6),
    [0, 1, 2].flatMap((n) => [
      ['x', n],
      ['y', n],
    ]),
  )
})

test('events.once and events.on of Node wait for what is emitted elsewhere', async (t) => {
  const { bus, emitter, far } = pair(t)
  const other = far()
  const first = once(emitter, 'x')
  const all = on(emitter, 'x')
  await other.does('emits', 'x', 1, 2)
  await other.does('emits', 'x', 3)
  assert.deepEqual(await first, [1, 2])
  assert.deepEqual([(await all.next()).value, (await all.next()).value], [[1, 2], [3]])
  await all.return()
  assert.deepEqual(subscribers(bus), [])
  assert.ok(emitter instanceof EventEmitter)
})

test('what comes from elsewhere is heard in the async context the emitter was made in, not in a listener’s', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const storage = new AsyncLocalStorage()
  const emitter = storage.run('made', () => new BusEmitter({ bus }))
  t.after(() => emitter.close())
  const seen = []
  const hear = () => seen.push(storage.getStore())
  storage.run('first', () => emitter.on('x', hear))
  storage.run('second', () => emitter.on('x', hear))
  await new Far(t, name).does('emits', 'x')
  await until(() => seen.length === 2)
  storage.run('emitter', () => emitter.emit('x'))
  assert.deepEqual(seen, ['made', 'made', 'emitter', 'emitter'])
})

test('what cannot travel, or does not fit, emit throws, and no listener is called', async (t) => {
  const bus = openBus(t, { size: '64kb', outbox: 0 })
  const emitter = new BusEmitter({ bus })
  let heard = 0
  emitter.on('x', () => heard++)
  assert.throws(() => emitter.emit('x', () => {}), { code: 'ERR_NOT_SERIALIZABLE' })
  assert.throws(() => emitter.emit('x', 'x'.repeat(40_000)), { code: 'ERR_MESSAGE_TOO_LARGE' })
  assert.equal(heard, 0)
  let emitted = 0
  const fill = () => {
    for (;;) emitted += emitter.emit('x', 'x'.repeat(1000)) ? 1 : 0
  }
  assert.throws(fill, { code: 'ERR_OUTBOX_FULL' })
  assert.equal(heard, emitted)
  await new Promise((resolve) => bus.once('drain', resolve))
  assert.equal(emitter.emit('x'), true)
})

test('a listener that cannot be subscribed is not added', async (t) => {
  const bus = openBus(t)
  const emitter = new BusEmitter({ bus })
  const f = () => {}
  emitter.on('x', f)
  await bus.close()
  assert.throws(() => emitter.on('y', f), { code: 'ERR_CLOSED' })
  assert.equal(emitter.listenerCount('y'), 0)
  emitter.off('x', f)
})

test('close: nothing is heard from elsewhere any more, the bus goes on, and the process may end', async (t) => {
  const { bus, emitter, far, name } = pair(t)
  const seen = []
  emitter.on('x', (what) => seen.push(what))
  const child = run(
    t,
    async ({ say, hear }, options) => {
      const { BusEmitter } = require('slabcast/events')
      const emitter = new BusEmitter({ bus: require('slabcast').open(options) })
      emitter.on('x', () => {})
      emitter.emit('x', 'still open')
      await say('listens')
      await hear()
      emitter.close()
      emitter.close()
    },
    { name, ...SMALL },
  )
  assert.equal(await child.hear(), 'listens')
  assert.deepEqual(subscribers(bus), [['slabcast:events//x', 2]])
  assert.equal(child.ended, undefined)
  child.say('close')
  assert.deepEqual(await child.end(), { code: 0, signal: null })
  await until(() => seen.length === 1)
  emitter.close()
  assert.deepEqual(subscribers(bus), [])
  await far().does('emits', 'x', 'too late')
  let done = false
  bus.subscribe('t', () => {
    done = true
  })
  bus.publish('t', 1)
  await until(() => done)
  assert.deepEqual(seen, ['still open'])
  for (const call of [() => emitter.emit('x'), () => emitter.on('y', () => {}), () => emitter.once('x', () => {})])
    assert.throws(call, { code: 'ERR_CLOSED' })
  // What is its own goes on, and its listeners can be taken away.
  emitter.on('error', () => seen.push('error'))
  emitter.emit('error')
  emitter.removeAllListeners('x')
  assert.deepEqual(seen, ['still open', 'error'])
})

test('of what others publish to the topic of an event arrays are heard, without their first element', async (t) => {
  const { bus, emitter } = pair(t)
  const seen = []
  emitter.on('x', (...args) => seen.push(args))
  for (const message of [undefined, null, 1, 'text', {}, [], [0], [0, 'a', 'b']])
    bus.publish('slabcast:events//x', message)
  await until(() => seen.length === 3)
  assert.deepEqual(seen, [[], [], ['a', 'b']])
})

test('without a bus named it is the default bus; wrong arguments are told as Node tells them', async (t) => {
  const child = run(t, async ({ say }) => {
    const ipc = require('slabcast')
    const { BusEmitter } = require('slabcast/events')
    const emitter = new BusEmitter()
    const heard = new Promise((resolve) => emitter.on('x', resolve))
    ipc.publish('slabcast:events//x', [0, 'heard'])
    await say(await heard)
    emitter.close()
  })
  assert.equal(await child.hear(), 'heard')
  assert.deepEqual(await child.end(), { code: 0, signal: null })
  const type = (message) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message })
  for (const options of [null, 'name', []])
    assert.throws(() => new BusEmitter(options), type(/^The "options" argument/))
  assert.throws(() => new BusEmitter({ bus: {} }), type(/^The "options\.bus" argument must be a bus/))
  for (const name of [null, 1, Symbol('s')])
    assert.throws(() => new BusEmitter({ name }), type(/^The "options\.name" argument must be of type string/))
})

test('the example shows what is said to any of its workers to those who listen to any', async (t) => {
  const example = path.join(__dirname, '..', '..', 'examples', 'events')
  const env = { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined }
  const app = application(t, [example, '--port', '0', '--workers', '3'], { env })
  await until(
    () => app.output.includes('\n') || app.ended,
    () => `the example listens: ${app.errors}`,
  )
  const [, port] = /http:\/\/localhost:(\d+)\n/.exec(app.output) ?? assert.fail(app.output + app.errors)
  const url = `http://127.0.0.1:${port}`
  const streams = []
  for (let n = 0; n < 3; n++) {
    const abort = new AbortController()
    t.after(() => abort.abort())
    const response = await fetch(url, { signal: abort.signal })
    const stream = { text: '', worker: response.headers.get('worker') }
    const read = async () => {
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) stream.text += chunk
    }
    read().catch(() => {})
    streams.push(stream)
  }
  assert.equal(new Set(streams.map(({ worker }) => worker)).size, 3)
  assert.equal((await fetch(url, { method: 'POST', body: 'hi' })).status, 204)
  for (const stream of streams) await until(() => stream.text.includes('\n\n'), 'each stream shows it')
  for (const { text } of streams) assert.match(text, /^data: \{"text":"hi","worker":\d+\}\n\n$/)
})

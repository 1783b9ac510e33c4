'use strict'

// Every error a user can meet: its code, its class, its facts; and that a call that throws leaves the bus as it was.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const slabcast = require('slabcast')
const native = require('../../js/native')
const { assertNothingLeft, folderOf, openBus, segmentOf, uniqueName } = require('./support/bus')
const { run } = require('./support/process')
const { until } = require('./support/wait')

const ARG_TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
const ARG_VALUE = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' }
const RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }

/** Asserts that `call` throws what an error of Node's kind looks like, naming the argument. */
function refuses(call, kind, argument) {
  assert.throws(call, (error) => {
    assert.strictEqual(error.name, kind.name)
    assert.strictEqual(error.code, kind.code)
    assert.ok(error instanceof { TypeError, RangeError }[kind.name])
    assert.ok(error.message.includes(`"${argument}"`), `${error.message} names "${argument}"`)
    assert.ok(error.stack.startsWith(`${kind.name} [${kind.code}]`), error.stack)
    return true
  })
}

/** Asserts that it throws a SlabcastError with these fields. */
function fails(call, fields) {
  assert.throws(call, (error) => {
    assert.ok(error instanceof slabcast.SlabcastError, `${error}`)
    assert.ok(error instanceof Error)
    assert.strictEqual(error.name, 'SlabcastError')
    for (const [key, value] of Object.entries(fields)) assert.deepStrictEqual(error[key], value, key)
    assert.ok(error.message.length > 10)
    return true
  })
}

const NOT_STRINGS = [undefined, null, 1, Symbol('t'), {}, [], Buffer.from('t'), ['t'], 1n, true]
const INVALID_TOPICS = {
  'an empty one': '',
  '256 bytes': 'x'.repeat(256),
  '256 bytes of few characters': 'é'.repeat(128),
  NUL: 'a\0b',
  'a lone high surrogate': 'a\ud800',
  'a lone low surrogate': '\udc00b',
  'the reserved beginning': '$slabcast/x',
  'the reserved beginning alone': '$slabcast/',
}

test('a topic is a string', (t) => {
  const bus = openBus(t)
  for (const topic of NOT_STRINGS) {
    refuses(() => bus.publish(topic, 1), ARG_TYPE, 'topic')
    refuses(() => bus.publish(topic, Buffer.from('x'), { raw: true }), ARG_TYPE, 'topic')
    refuses(() => bus.subscribe(topic, () => {}), ARG_TYPE, 'topic')
    refuses(() => bus.unsubscribe(topic), ARG_TYPE, 'topic')
  }
})

for (const [what, topic] of Object.entries(INVALID_TOPICS)) {
  test(`ERR_INVALID_TOPIC: ${what}`, (t) => {
    const bus = openBus(t)
    const invalid = { code: 'ERR_INVALID_TOPIC', topic }
    fails(() => bus.publish(topic, 1), invalid)
    fails(() => bus.publish(topic, Buffer.from('x'), { raw: true }), invalid)
    fails(() => bus.subscribe(topic, () => {}), invalid)
    fails(() => bus.unsubscribe(topic), invalid)
  })
}

test('topics up to 255 bytes, and those that only look reserved, are topics', async (t) => {
  const bus = openBus(t)
  const topics = ['x'.repeat(255), `${'é'.repeat(127)}x`, '$slabcast', '$Slabcast/x', ' ', '\n', '\u{10ffff}', '$']
  const seen = []
  for (const topic of topics) bus.subscribe(topic, (_, meta) => seen.push(meta.topic))
  for (const topic of topics) assert.strictEqual(bus.publish(topic, 1), true)
  await until(() => seen.length === topics.length)
  assert.deepStrictEqual(seen, topics)
})

test('arguments of the wrong type are refused as Node refuses them', (t) => {
  const bus = openBus(t)
  for (const listener of [undefined, null, 'f', {}, 1])
    refuses(() => bus.subscribe('t', listener), ARG_TYPE, 'listener')
  for (const listener of [null, 'f', {}, 1]) refuses(() => bus.unsubscribe('t', listener), ARG_TYPE, 'listener')
  for (const options of [null, 1, 'once', true, []]) {
    refuses(() => bus.subscribe('t', () => {}, options), ARG_TYPE, 'options')
    refuses(() => bus.publish('t', 1, options), ARG_TYPE, 'options')
    refuses(() => slabcast.open(options), ARG_TYPE, 'options')
  }
  for (const option of ['once', 'echo', 'raw'])
    for (const value of [null, 1, 'true', {}])
      refuses(() => bus.subscribe('t', () => {}, { [option]: value }), ARG_TYPE, `options.${option}`)
  for (const signal of [null, 1, {}, { aborted: false }, new AbortController()])
    refuses(() => bus.subscribe('t', () => {}, { signal }), ARG_TYPE, 'options.signal')
  for (const raw of [null, 1, 'true']) refuses(() => bus.publish('t', 1, { raw }), ARG_TYPE, 'options.raw')
  for (const message of [undefined, null, 'text', 1, {}, [1], new SharedArrayBuffer(1)])
    refuses(() => bus.publish('t', message, { raw: true }), ARG_TYPE, 'message')
  for (const bytes of [undefined, null, 'text', 1, {}, [1]]) {
    refuses(() => slabcast.decode(bytes), ARG_TYPE, 'bytes')
    refuses(() => bus.decode(bytes), ARG_TYPE, 'bytes')
  }
})

test('the options of open are checked: types, values, ranges', () => {
  const opening = (option, value) => () => slabcast.open({ name: uniqueName(), [option]: value })
  const cases = {
    name: [
      [ARG_TYPE, [null, 1, {}, ['x']]],
      [ARG_VALUE, ['', 'x'.repeat(65), 'a b', 'a/b', '..', '.', 'ä', 'a\0']],
    ],
    size: [
      [ARG_TYPE, [null, {}, true, 1n]],
      [ARG_VALUE, ['', 'mb', '16 tb', '-1mb', '16mbs', '1e6', '0x100000', 'NaN', '1,5mb']],
      [RANGE, [0, -1, 65535, 65536.5, Number.NaN, Number.POSITIVE_INFINITY, '63kb', '65gb', 2 ** 37]],
    ],
    maxMessage: [
      [ARG_TYPE, [null, {}]],
      [ARG_VALUE, ['x']],
      [RANGE, [0, -1, 1.5, 8 * 2 ** 20 + 1, '9mb']],
    ],
    topics: [
      [ARG_TYPE, [null, '100']],
      [RANGE, [0, -1, 1.5, 2 ** 24 + 1, Number.NaN]],
    ],
    members: [
      [ARG_TYPE, [null, '100']],
      [RANGE, [0, 4097, 1.5, Number.POSITIVE_INFINITY]],
    ],
    stallTimeout: [
      [ARG_TYPE, ['2s', {}, 1n]],
      [RANGE, [-1, Number.NaN]],
    ],
    outbox: [
      [ARG_TYPE, [{}, true]],
      [ARG_VALUE, ['lots']],
      [RANGE, [-1, 0.5, Number.POSITIVE_INFINITY]],
    ],
    spin: [
      [ARG_TYPE, ['20', 20n, true, {}]],
      [RANGE, [-1, 0.5, 1001, Number.NaN, Number.POSITIVE_INFINITY]],
    ],
    mode: [
      [ARG_TYPE, ['600', {}]],
      [ARG_VALUE, [0o666, 0o400, 0, 0o777, 600]],
      [RANGE, [-1, 0o10000, 1.5]],
    ],
  }
  for (const [option, kinds] of Object.entries(cases))
    for (const [kind, values] of kinds)
      for (const value of values) refuses(opening(option, value), kind, `options.${option}`)
})

test('a bus is shared with a group where there are groups: elsewhere that is refused, and said', () => {
  const open = () => slabcast.open({ name: uniqueName(), mode: 0o660 })
  if (process.platform !== 'win32') assert.doesNotThrow(open)
  else assert.throws(open, { ...ARG_VALUE, message: /"options\.mode" must be 0o600.*Windows.*group/ })
})

test('maxMessage is at most half of the size, rounded up to a power of two', (t) => {
  refuses(
    () => slabcast.open({ name: uniqueName(), size: '1mb', maxMessage: 2 ** 19 + 1 }),
    RANGE,
    'options.maxMessage',
  )
  const bus = openBus(t, { size: 2 ** 20 - 5, maxMessage: '512kb' })
  assert.strictEqual(bus.publish('t', Buffer.alloc(2 ** 19), { raw: true }), true)
})

test('sizes are numbers or strings with a unit', (t) => {
  for (const size of [65536, '64kb', '64KB', ' 64 kb ', '64k', '0.0625mb', '65536', '65536b']) {
    const bus = openBus(t, { size })
    assert.strictEqual(bus.publish('t', Buffer.alloc(32 * 1024), { raw: true }), true)
    fails(() => bus.publish('t', Buffer.alloc(32 * 1024 + 1), { raw: true }), {
      code: 'ERR_MESSAGE_TOO_LARGE',
      needed: 32 * 1024 + 1,
      available: 32 * 1024,
    })
  }
})

test('names of 1 to 64 letters, digits, dots, dashes and underscores are names', (t) => {
  const unique = `${process.pid}-${Date.now()}`
  for (const name of [`${unique}.${'x'.repeat(63 - unique.length)}`, `.${unique}`, `_A-z.0${unique}`])
    assert.strictEqual(openBus(t, { name }).publish('t', 1), true)
})

test('names that a file system may take for one, or for a device, are buses of their own', async (t) => {
  const unique = uniqueName()
  const names = ['a-', 'A-', 'con.', 'NUL.', 'com1.', 'slabcast.'].map((start) => start + unique)
  names.push(`a-${unique}.`)
  const seen = []
  for (const name of names) openBus(t, { name }).subscribe('t', (message) => seen.push([name, message]))
  const other = run(
    t,
    async (_, names) => {
      for (const name of names) require('slabcast').open({ name }).publish('t', name)
    },
    names,
  )
  assert.deepStrictEqual(await other.end(), { code: 0, signal: null })
  await until(() => seen.length >= names.length)
  assert.deepStrictEqual(seen.sort(), names.map((name) => [name, name]).sort())
})

test('ERR_MESSAGE_TOO_LARGE says what is needed and available, raw and encoded; the largest one goes', async (t) => {
  const bus = openBus(t, { maxMessage: 1000 })
  const seen = []
  bus.subscribe('t', (message) => seen.push(message.length))
  fails(() => bus.publish('t', Buffer.alloc(1001), { raw: true }), {
    code: 'ERR_MESSAGE_TOO_LARGE',
    needed: 1001,
    available: 1000,
  })
  assert.throws(
    () => bus.publish('t', 'x'.repeat(5000)),
    (error) => {
      assert.strictEqual(error.code, 'ERR_MESSAGE_TOO_LARGE')
      assert.strictEqual(error.available, 1000)
      assert.ok(error.needed > 1000, `${error.needed}`)
      return true
    },
  )
  // 3 bytes of MessagePack say that 997 follow.
  assert.throws(() => bus.publish('t', 'x'.repeat(998)), { code: 'ERR_MESSAGE_TOO_LARGE' })
  assert.strictEqual(bus.publish('t', 'x'.repeat(997)), true)
  assert.strictEqual(bus.publish('t', Buffer.alloc(1000), { raw: true }), true)
  await until(() => seen.length === 2)
  assert.deepStrictEqual(seen, [997, 1000])
})

test('a message too large is told before the whole is built', (t) => {
  const bus = openBus(t, { maxMessage: 1000 })
  let read = 0
  const message = Array.from({ length: 10_000 }, () => ({
    get text() {
      read++
      return 'x'.repeat(100)
    },
  }))
  assert.throws(() => bus.publish('t', message), { code: 'ERR_MESSAGE_TOO_LARGE' })
  assert.ok(read < 100, `${read} of 10,000 elements were read`)
})

test('the creator’s sizes count: later openers get them', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, maxMessage: 100 })
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name, size: '4mb', maxMessage: '2mb' })
      try {
        bus.publish('t', Buffer.alloc(101), { raw: true })
      } catch ({ code, needed, available }) {
        await say({ code, needed, available })
      }
    },
    name,
  )
  assert.deepStrictEqual(await child.hear(), { code: 'ERR_MESSAGE_TOO_LARGE', needed: 101, available: 100 })
  // A new topic, which waits for who is leaving.
  await child.end()
  assert.strictEqual(bus.publish('t', 1), true)
})

test('ERR_NOT_SERIALIZABLE names the path', (t) => {
  const bus = openBus(t)
  for (const [message, path] of [
    [() => {}, /^message /],
    [{ a: { b: [1, Symbol('s')] } }, /a\.b\[1\]/],
    [{ list: [Promise.resolve()] }, /list\[0\]/],
    ['\ud800', /surrogate/],
  ])
    assert.throws(
      () => bus.publish('t', message),
      (error) => {
        assert.strictEqual(error.code, 'ERR_NOT_SERIALIZABLE')
        assert.ok(error instanceof slabcast.SlabcastError)
        assert.match(error.message, path)
        return true
      },
    )
  const circle = {}
  circle.self = circle
  fails(() => bus.publish('t', circle), { code: 'ERR_NOT_SERIALIZABLE' })
})

test('a publish that throws leaves the bus as it was: no number is consumed, nothing arrives, the next is fine', async (t) => {
  const bus = openBus(t, { maxMessage: 1000 })
  const metas = []
  bus.subscribe('t', (message, { sequence, position }) => metas.push([message, sequence, position]))
  const thrown = new Error('of a getter')
  const throwing = [
    () => bus.publish('t', () => {}),
    () => bus.publish('t', { deep: [{ deeper: Symbol('s') }] }),
    () => bus.publish('t', 'x'.repeat(2000)),
    () => bus.publish('t', Buffer.alloc(2000), { raw: true }),
    () => bus.publish('t', 'not bytes', { raw: true }),
    () => bus.publish('t', 1, { raw: 'yes' }),
    () => bus.publish('', 1),
    () =>
      bus.publish('t', {
        a: 'x'.repeat(100),
        get b() {
          throw thrown
        },
      }),
    () =>
      bus.publish('t', {
        toJSON() {
          throw thrown
        },
      }),
  ]
  bus.publish('t', 0)
  for (const [at, publish] of throwing.entries()) {
    assert.throws(publish, at >= 7 ? (error) => error === thrown : Error)
    assert.strictEqual(bus.publish('t', at + 1), true)
  }
  await until(() => metas.length === throwing.length + 1)
  assert.deepStrictEqual(
    metas,
    Array.from({ length: throwing.length + 1 }, (_, at) => [at, at + 1, at]),
  )
})

test('a subscribe that throws leaves nothing behind: the process ends by itself', async (t) => {
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name, size: '64kb', topics: 2 })
      const codes = []
      const attempts = [
        () => bus.subscribe('', () => {}),
        () => bus.subscribe('t'),
        () => bus.subscribe('t', () => {}, { once: 1 }),
        () => bus.subscribe('t', () => {}, { signal: AbortSignal.abort() }),
      ]
      for (const attempt of attempts) {
        try {
          attempt()
        } catch (error) {
          codes.push(error.code)
        }
      }
      await say(codes)
    },
    uniqueName(),
  )
  assert.deepStrictEqual(await child.hear(), [
    ...['ERR_INVALID_TOPIC', 'ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_TYPE', 'ABORT_ERR'],
  ])
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

test('ERR_TOO_MANY_TOPICS: only topics with subscribers fill the table', async (t) => {
  const bus = openBus(t, { topics: 4 })
  for (let number = 0; number < 100; number++) assert.strictEqual(bus.publish(`passing ${number}`, 1), true)
  const seen = []
  const subscriptions = ['a', 'b', 'c', 'd'].map((topic) => bus.subscribe(topic, (message) => seen.push(message)))
  const full = { code: 'ERR_TOO_MANY_TOPICS', capacity: 4 }
  fails(() => bus.subscribe('e', () => {}), full)
  fails(() => bus.publish('e', 1), full)
  fails(() => bus.publish('passing 99', 1), full)
  // Those that are there work on, and one that is left gives its place.
  for (const topic of ['a', 'b', 'c', 'd']) assert.strictEqual(bus.publish(topic, topic), true)
  await until(() => seen.length === 4)
  subscriptions[1].unsubscribe()
  assert.strictEqual(bus.publish('e', 1), true)
  bus.subscribe('f', (message) => seen.push(message))
  assert.strictEqual(bus.publish('f', 'f'), true)
  await until(() => seen.length === 5)
  assert.deepStrictEqual(seen, ['a', 'b', 'c', 'd', 'f'])
})

test('a topic that gave its place comes back under higher numbers, and finds its way from who still knows it', async (t) => {
  const bus = openBus(t, { topics: 2 })
  const publishAll = () => {
    for (let number = 0; number < 10; number++) for (let topic = 0; topic < 5; topic++) bus.publish(`t${topic}`, number)
  }
  publishAll()
  const seen = []
  bus.subscribe('t0', (message, { sequence }) => seen.push([message, sequence]))
  publishAll()
  await until(() => seen.length === 10)
  assert.deepStrictEqual(
    seen.map(([message]) => message),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  const first = seen[0][1]
  assert.ok(first > 1)
  assert.deepStrictEqual(
    seen.map(([, sequence]) => sequence),
    Array.from({ length: 10 }, (_, at) => first + at),
  )
})

test('ERR_TOO_MANY_MEMBERS: threads are counted, not handles; who leaves makes room', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, members: 2 })
  const handle = openBus(t, { name })
  const member = async ({ say, hear }, name) => {
    const { open } = require('slabcast')
    for (;;) {
      try {
        const bus = open({ name })
        await say('in')
        await hear()
        return await bus.close()
      } catch ({ name, code, capacity }) {
        await say({ name, code, capacity })
        await hear()
      }
    }
  }
  const [second, third] = [run(t, member, name), run(t, member, name)]
  const answers = new Map([
    [second, await second.hear()],
    [third, await third.hear()],
  ])
  const [inside, outside] = answers.get(second) === 'in' ? [second, third] : [third, second]
  assert.strictEqual(answers.get(inside), 'in')
  assert.deepStrictEqual(answers.get(outside), { name: 'SlabcastError', code: 'ERR_TOO_MANY_MEMBERS', capacity: 2 })
  inside.say('leave')
  await inside.end()
  outside.say('again')
  assert.strictEqual(await outside.hear(), 'in')
  outside.say('leave')
  await outside.end()
  assert.strictEqual(handle.publish('t', 1), bus.publish('t', 1))
})

test('ERR_ACCESS: a bus whose folder lets others in is not entered, and nothing is changed', (t) => {
  const name = uniqueName()
  openBus(t) // so that the user's folder is there, and stays
  const folder = folderOf(name)
  fs.mkdirSync(folder)
  fs.chmodSync(folder, 0o777)
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  fails(() => slabcast.open({ name }), { code: 'ERR_ACCESS', owner: process.getuid() })
  assert.deepStrictEqual(fs.readdirSync(folder), [])
})

/** Changes bytes of a living bus' shared memory. */
function overwrite(segment, offset, bytes) {
  const file = fs.openSync(segment, 'r+')
  fs.writeSync(file, bytes, 0, bytes.length, offset)
  fs.closeSync(file)
}

const openElsewhere = async ({ say }, name) => {
  try {
    require('slabcast').open({ name })
    await say('opened')
  } catch ({ message, ...fields }) {
    await say(fields)
  }
}

test('ERR_LAYOUT_VERSION: a living bus of another version is not joined, and not harmed', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  overwrite(segmentOf(name), 8, Buffer.from(Uint32Array.of(77).buffer))
  assert.deepStrictEqual(await run(t, openElsewhere, name).hear(), {
    code: 'ERR_LAYOUT_VERSION',
    foundVersion: 77,
    ownVersion: 3,
  })
  const seen = []
  bus.subscribe('t', (message) => seen.push(message))
  bus.publish('t', 1)
  await until(() => seen.length === 1)
})

test('ERR_CORRUPT: a living bus whose memory is not one of slabcast’s is not joined', async (t) => {
  const name = uniqueName()
  openBus(t, { name })
  overwrite(segmentOf(name), 0, Buffer.from('somebody'))
  assert.deepStrictEqual(await run(t, openElsewhere, name).hear(), { code: 'ERR_CORRUPT' })
})

/** Overwrites the ring of a bus of openBus' sizes: header, log, members and buckets of a page each come before it. */
const corrupt = (name) => overwrite(segmentOf(name), 4 * 4096, Buffer.alloc(131_072, 0xa5))

test('ERR_CORRUPT: a bus that is lost tells each handle once by `error`; every later call throws it', async (t) => {
  const name = uniqueName()
  const [bus, handle] = [openBus(t, { name }), openBus(t, { name })]
  const errors = []
  bus.on('error', (error) => errors.push(['bus', error]))
  handle.on('error', (error) => errors.push(['handle', error]))
  const calls = []
  bus.subscribe('t', (message) => calls.push(message))
  corrupt(name)
  const lost = { code: 'ERR_CORRUPT' }
  fails(() => bus.publish('t', 1), lost)
  assert.deepStrictEqual(errors, [], 'told asynchronously')
  await until(() => errors.length === 2)
  for (const call of [
    () => bus.publish('t', 1),
    () => handle.publish('t', 1),
    () => bus.subscribe('t', () => {}),
    () => handle.unsubscribe('t'),
  ])
    assert.throws(call, (error) => error === errors[0][1])
  assert.deepStrictEqual(
    errors.map(([who, { code }]) => [who, code]),
    [
      ['bus', 'ERR_CORRUPT'],
      ['handle', 'ERR_CORRUPT'],
    ],
  )
  await Promise.all([bus.close(), handle.close()])
  assert.deepStrictEqual(calls, [])
})

test('a loop over messages() of a lost bus is given what came, and then the error', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  bus.on('error', () => {})
  const [came, waits] = [bus.messages('t'), bus.messages('u')]
  let isIn = false
  bus.subscribe('t', () => {
    isIn = true
  })
  bus.publish('t', 1)
  await until(() => isIn)
  const call = waits.next()
  corrupt(name)
  assert.throws(() => bus.publish('t', 2), { code: 'ERR_CORRUPT' })
  await assert.rejects(call, { code: 'ERR_CORRUPT' })
  assert.strictEqual((await came.next()).value.message, 1)
  await assert.rejects(came.next(), { code: 'ERR_CORRUPT' })
  assert.deepStrictEqual(await came.next(), { value: undefined, done: true })
})

test('whoever opens a lost bus at once, before it was told of, has a new one', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const errors = []
  bus.on('error', ({ code }) => errors.push(code))
  corrupt(name)
  assert.throws(() => bus.publish('t', 1), { code: 'ERR_CORRUPT' })
  const anew = openBus(t, { name })
  const seen = []
  anew.subscribe('t', (message) => seen.push(message))
  assert.strictEqual(anew.publish('t', 1), true)
  await until(() => seen.length === 1)
  assert.deepStrictEqual(errors, ['ERR_CORRUPT'])
})

test('a lost bus without an `error` listener ends the process, as any emitter’s error does', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name, size: '1mb', topics: 1024, members: 16 })
      bus.subscribe('t', () => {})
      await say('in')
      await hear()
      try {
        bus.publish('t', 1)
      } catch ({ code }) {
        await say(code)
      }
    },
    name,
  )
  await child.hear()
  corrupt(name)
  child.say('publish')
  assert.strictEqual(await child.hear(), 'ERR_CORRUPT')
  assert.strictEqual((await child.end()).code, 1)
  assert.match(child.errors, /ERR_CORRUPT/)
})

test('a lost bus holds no process: who handles the error ends by itself', async (t) => {
  const name = uniqueName()
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name, size: '1mb', topics: 1024, members: 16 })
      bus.subscribe('t', () => {})
      bus.on('error', () => {})
      await say('in')
      await hear()
      try {
        bus.publish('t', 1)
      } catch {}
    },
    name,
  )
  await child.hear()
  corrupt(name)
  child.say('publish')
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

/** The package's code in a folder of its own, where nothing was built. */
function elsewhere(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'slabcast-elsewhere-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const root = path.join(__dirname, '..', '..')
  fs.cpSync(path.join(root, 'js'), path.join(folder, 'js'), { recursive: true })
  fs.cpSync(path.join(root, 'package.json'), path.join(folder, 'package.json'))
  return folder
}

/** What the first use says where Node says that it is this system and processor, and its program is that file. */
const firstUse = async (t, host) => {
  const child = run(
    t,
    async ({ say }, folder, host) => {
      for (const [key, value] of Object.entries(host)) Object.defineProperty(process, key, { value })
      const ipc = require(folder)
      try {
        ipc.publish('t', 1)
      } catch ({ name, code, message, host }) {
        await say({ name, code, message, host })
      }
    },
    elsewhere(t),
    host,
  )
  const { name, code, ...rest } = await child.hear()
  assert.deepStrictEqual({ name, code }, { name: 'SlabcastError', code: 'ERR_UNSUPPORTED_PLATFORM' })
  return rest
}

test('ERR_UNSUPPORTED_PLATFORM says, at first use and not at require, which platform it is and what to do', async (t) => {
  for (const [platform, arch] of [
    ['freebsd', 'x64'],
    ['linux', 'ia32'],
    ['win32', 'ia32'],
    ['aix', 'ppc64'],
  ]) {
    const { host, message } = await firstUse(t, { platform, arch })
    assert.strictEqual(host, `${platform}-${arch}`)
    assert.match(message, new RegExp(`${platform}-${arch}.*Linux, macOS and Windows.*x64 and arm64`))
    assert.doesNotMatch(message, /npm run build/)
  }
})

test('where a binary could be, but is not, ERR_UNSUPPORTED_PLATFORM says how to come by it', async (t) => {
  const absent = process.arch === 'x64' ? 'arm64' : 'x64'
  for (const platform of ['linux', 'darwin', 'win32']) {
    const { host, message } = await firstUse(t, { platform, arch: absent })
    assert.strictEqual(host, `${platform}-${absent}`)
    assert.match(message, new RegExp(`${host}.*npm run build.*build/slabcast\\.${host}\\.node`))
  }
})

test('a Node that stands on musl is told from one on glibc: no binary of the other is loaded', async (t) => {
  // As the head of Alpine's program: an ELF file that names its loader.
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'slabcast-musl-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const execPath = path.join(folder, 'node')
  fs.writeFileSync(execPath, Buffer.concat([Buffer.from('\x7fELF\x02\x01'), Buffer.from('/lib/ld-musl-x86_64.so.1\0')]))
  const { host, message } = await firstUse(t, { platform: 'linux', arch: process.arch, execPath })
  assert.strictEqual(host, `linux-${process.arch}-musl`)
  assert.match(message, /npm run build/)
})

test('a binary that cannot be loaded is told with the reason and what to do', async (t) => {
  const folder = elsewhere(t)
  fs.mkdirSync(path.join(folder, 'build'))
  fs.writeFileSync(path.join(folder, 'build', path.basename(native.binary())), 'no library')
  const ipc = require(path.join(folder, 'js', 'index.js'))
  assert.throws(
    () => ipc.publish('t', 1),
    (error) => {
      assert.strictEqual(error.code, 'ERR_UNSUPPORTED_PLATFORM')
      assert.match(error.message, /cannot be loaded: .*npm run build/s)
      assert.strictEqual(error.cause.code, 'ERR_DLOPEN_FAILED')
      return true
    },
  )
})

test('an open that throws leaves nothing behind', () => {
  const name = uniqueName()
  for (const options of [{ size: 1 }, { spin: -1 }, { members: 0 }, { mode: 0o777 }])
    assert.throws(() => slabcast.open({ name, ...options }))
  assertNothingLeft(name)
})

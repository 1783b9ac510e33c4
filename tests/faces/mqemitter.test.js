'use strict'

// slabcast/mqemitter beside mqemitter itself, in one process, and mqemitter-redis, in three: what is heard is the same.

const assert = require('node:assert/strict')
const { once } = require('node:events')
const path = require('node:path')
const test = require('node:test')
const slabcast = require('slabcast')
const mqemitter = require('slabcast/mqemitter')
const { openBus, uniqueName } = require('../node/support/bus')
const { gate } = require('../node/support/gate')
const { run } = require('../node/support/process')
const { redis } = require('../node/support/redis')
const { until } = require('../node/support/wait')

const PARTIES = path.join(__dirname, 'mqemitter', 'parties.js')
const WHO = ['ann', 'bob', 'cid']

/** In a child: parties that listen, emit, leave and emit again, a step at a word each; then says what they heard. */
async function takePart({ say, hear, until }, file, kind, settings, who, script) {
  const { emitterOf, Party } = require(file)
  const emitter = emitterOf(kind, settings)
  const parties = who.map((name) => new Party(emitter, name))
  const all = (step) => Promise.all(parties.map(step))
  const ended = (times) =>
    until(() => parties.every(({ ends }) => ends === times * script.parties), 'all have heard the end of each other')
  await all((party) => party.listen(script.filters))
  await say('listening')
  await hear()
  await all((party) => party.emit(script.topics))
  await ended(1)
  await say('heard')
  await hear()
  await all((party) => party.leave(script.left))
  await say('left')
  await hear()
  await all((party) => party.emit(script.topics))
  await ended(2)
  await say(Object.fromEntries(parties.map((party, at) => [who[at], party.heard])))
  await new Promise((resolve) => emitter.close(resolve))
}

/** What each of three parties hears by emitters of a kind: each in a process of its own, or all by one emitter in one. */
async function play(t, kind, settings, script) {
  const processes = kind === 'mqemitter' ? [WHO] : WHO.map((who) => [who])
  const children = processes.map((who) => run(t, takePart, PARTIES, kind, settings, who, { ...script, parties: 3 }))
  for (const step of ['listening', 'heard', 'left']) {
    for (const child of children) assert.equal(await child.hear(), step)
    for (const child of children) child.say('go on')
  }
  const heard = []
  for (const child of children) heard.push(await child.hear())
  return Object.assign({}, ...heard)
}

/** Of each filter a listener; and two that are added more than once. */
const listenersTo = (filters) => [
  ...filters.map((filter) => [`of ${filter}`, filter]),
  ['twice', filters[0]],
  ['twice', filters[0]],
  ['of two', filters[1]],
  ['of two', filters[2]],
]

/** All at once, many times. */
const often = (topics) => Array.from({ length: 20 }, () => topics).flat()

const USUAL = {
  filters: listenersTo([
    '#',
    'a/#',
    'a/+',
    'a/b',
    '+/b',
    '+',
    '+/+',
    '/+',
    '/#',
    'a/+/c',
    'a/b/c',
    '$SYS/+/heartbeat',
    'nobody/#',
  ]),
  topics: often([
    'a',
    'a/b',
    'a/b/c',
    'a//c',
    '/',
    '/a',
    'ab',
    'ab/b',
    'b',
    'b/b/b',
    'a/',
    '$SYS/x/heartbeat',
    'grüße/b',
  ]),
  left: [
    ['of #', '#'],
    ['twice', '#'],
    ['of two', 'a/#'],
    ['of a/b', 'a/b'],
    ['of /#', 'nobody/#'],
  ],
}

test('three processes hear what three parties of one mqemitter do, as those of mqemitter-redis', async (t) => {
  const expected = await play(t, 'mqemitter', {}, USUAL)
  assert.equal(expected.ann['of #'].bob.length, 20 * 13 + 1)
  assert.equal(expected.ann.twice.bob.length, 3 * (20 * 13 + 1))
  assert.deepEqual(await play(t, 'mqemitter-redis', { socket: (await redis(t)).path }, USUAL), expected)
  const { name } = openBusNamed(t)
  assert.deepEqual(await play(t, 'slabcast', { bus: name }, USUAL), expected)
  assert.deepEqual(await play(t, 'slabcast', { bus: name, concurrency: 2 }, USUAL), expected)
})

const LONG = 'x'.repeat(300)
const ODD = {
  filters: listenersTo(
    [
      ...[
        '#',
        '+',
        '+/#',
        `${LONG}/#`,
        `${LONG}/+`,
        `+/${LONG}`,
        `${LONG}`,
        '#/b',
        'a/#/b',
        '#/a/#',
        '\ud800/#',
        '\ud800/+',
        '\udc00',
        '+/\0',
      ],
      ...[
        '*/+',
        'a*/+',
        '?',
        '?/+',
        '[ab]/+',
        '\\/+',
        '\\*/#',
        '[/+',
        'a]/#',
        '#a/+',
        '#a',
        '',
        '%/+',
        'a+b/+',
        '$slabcast/+',
      ],
    ].filter((filter) => filter !== ''),
  ),
  topics: often([
    ...[
      '',
      '#',
      '+',
      '#/b',
      '+/b',
      LONG,
      `${LONG}y`,
      `${LONG}/a`,
      `${LONG}/a/b`,
      `a/${LONG}`,
      `a/${LONG}/b`,
      'a/b',
      'a/x/y/b',
      'b',
    ],
    ...[
      '\ud800',
      '\ud800/a',
      '\udc00',
      '\udc00/a',
      '\ufffd',
      'a/\0',
      '*/a',
      'aa/a',
      'a*/a',
      'x',
      '?',
      '?/a',
      'a',
      'a/a',
      'b/a',
      '[ab]/a',
    ],
    ...[
      '\\/a',
      '\\*/a',
      '\\x/a',
      '[/a',
      'a]/a',
      '#a/b',
      '#a',
      '%/a',
      '%2F/a',
      'a+b/a',
      '$slabcast/a',
      'ü'.repeat(120),
      'ü/ü',
    ],
  ]),
  left: [
    ['of +', '+'],
    ['twice', '#'],
    [`of ${LONG}`, LONG],
  ],
}

test('topics and filters are any strings, and heard as mqemitter hears them', async (t) => {
  const { name } = openBusNamed(t)
  const expected = await play(t, 'mqemitter', {}, ODD)
  assert.deepEqual(await play(t, 'slabcast', { bus: name }, ODD), expected)
})

test('separator, wildcards and empty levels are as the options say', async (t) => {
  const script = {
    filters: listenersTo(['**', 'a.**', 'a.$$', 'a.b', '$$.b', 'a.$$.c', '#', '+']),
    topics: often(['a', 'a.b', 'a.b.c', 'a..c', 'a.', '.b', 'a/b', '#', '+', '+/b']),
    left: [],
  }
  for (const matchEmptyLevels of [true, false]) {
    const options = { separator: '.', wildcardOne: '$$', wildcardSome: '**', matchEmptyLevels }
    const { name } = openBusNamed(t)
    const expected = await play(t, 'mqemitter', options, script)
    assert.deepEqual(await play(t, 'slabcast', { bus: name, ...options }, script), expected)
  }
})

/** A bus that is there as long as the test. */
function openBusNamed(t, options) {
  const name = uniqueName()
  return { name, bus: openBus(t, { name, ...options }) }
}

const emitted = (emitter, message) =>
  new Promise((resolve, reject) => emitter.emit(message, (error) => (error ? reject(error) : resolve())))

/** An emitter's listener that keeps what it is given. */
function keep(emitter, filter) {
  const heard = []
  const listener = (message, done) => {
    heard.push(message)
    done()
  }
  emitter.on(filter, listener)
  return { heard, listener }
}

test('two emitters of one thread hear each other once, by one handle of the bus or by two', async (t) => {
  const { name, bus } = openBusNamed(t)
  const emitters = [mqemitter({ bus }), mqemitter({ bus }), mqemitter({ bus: openBus(t, { name }) })]
  const all = emitters.map((emitter) => [keep(emitter, 'a/+').heard, keep(emitter, '#').heard])
  for (const [number, emitter] of emitters.entries()) await emitted(emitter, { topic: 'a/b', number })
  await until(() => all.flat().every((heard) => heard.length >= 3))
  await bus.settled()
  for (const heard of all.flat()) assert.deepEqual(heard.map(({ number }) => number).sort(), [0, 1, 2])
})

test('what no filter can match is not read', async (t) => {
  const { name, bus } = openBusNamed(t)
  const other = mqemitter({ bus: openBus(t, { name }) })
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name })
      const emitter = require('slabcast/mqemitter')({ bus })
      const done = (_, done) => done()
      for (const filter of ['plain', 'room/+/text', 'house/#'])
        await new Promise((resolve) => emitter.on(filter, done, resolve))
      await say('listening')
      await hear()
      await say(bus.stats().delivered.messages)
      await bus.close()
    },
    name,
  )
  await child.hear()
  for (const topic of ['plain/not', 'plains', 'room/1/voice', 'rooms/1/text', 'houses/1', 'other'])
    await emitted(other, { topic })
  for (const topic of ['plain', 'room/1/text', 'room/1/2/text', 'house', 'house/1/2', 'long/'.repeat(60)])
    await emitted(other, { topic })
  await bus.settled()
  child.say('go on')
  // One of them mqemitter does not let through; one only its digest tells.
  assert.equal(await child.hear(), 6)
})

test('messages that a listener emits come after the one it was called for, in every process', async (t) => {
  const { name, bus } = openBusNamed(t)
  const emitter = mqemitter({ bus })
  const child = run(
    t,
    async ({ say, until }, name) => {
      const bus = require('slabcast').open({ name })
      const emitter = require('slabcast/mqemitter')({ bus })
      const heard = []
      const listener = ({ topic }, done) => {
        heard.push(topic)
        done()
      }
      emitter.on('question', listener).on('answer/+', listener)
      await say('listening')
      await until(() => heard.length === 2)
      await say(heard)
      await new Promise((resolve) => emitter.close(resolve))
    },
    name,
  )
  await child.hear()
  emitter.on('question', (_, done) => emitter.emit({ topic: 'answer/1' }, done))
  await emitted(emitter, { topic: 'question' })
  assert.deepEqual(await child.hear(), ['question', 'answer/1'])
})

/** In a child: listens to 't' and stops until the gate opens; then says what it heard up to 'end'. */
async function blockedListener({ say, until }, name, file) {
  const { blockUntilOpen } = require('./gate')
  const bus = require('slabcast').open({ name })
  const emitter = require('slabcast/mqemitter')({ bus })
  const heard = []
  emitter.on('t', ({ number }, done) => {
    heard.push(number)
    done()
  })
  await say('listening')
  blockUntilOpen(file)
  await until(() => heard.at(-1) === 'end')
  await say(heard)
  await new Promise((resolve) => emitter.close(resolve))
  await bus.close()
}

/** A small bus whose only reader stands still until `open()`. */
async function blocked(t, options) {
  const { file, open } = gate(t)
  const { name, bus } = openBusNamed(t, { size: '64kb', ...options })
  t.after(open)
  const reader = run(t, blockedListener, name, file)
  assert.equal(await reader.hear(), 'listening')
  return { bus, reader, open }
}

const TEXT = 'x'.repeat(1000)

/** Emits numbers until one has to wait in the outbox; that number. What is called back is kept in `told`. */
function emitUntilFull(bus, emitter, told) {
  for (let number = 0; ; number++) {
    emitter.emit({ topic: 't', number, TEXT }, (error) => told.push(error ? error.code : number))
    if (bus.stats().outbox.messages > 0) return number
  }
}

test('emit calls back when the message is in the slab, and not before', async (t) => {
  const { bus, reader, open } = await blocked(t)
  const emitter = mqemitter({ bus })
  const { heard } = keep(emitter, 't')
  const told = []
  const number = emitUntilFull(bus, emitter, told)
  assert.equal(heard.length, number + 1, 'the listeners here are called at once')
  assert.equal(told.length, number)
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  assert.equal(told.length, number)
  open()
  await until(() => told.length === number + 1)
  assert.equal(told.at(-1), number)
  await emitted(emitter, { topic: 't', number: 'end' })
  assert.deepEqual(await reader.hear(), [...told, 'end'])
})

test('a message the full bus refuses is told to the callback, later, and nobody gets it', async (t) => {
  const { bus, reader, open } = await blocked(t, { outbox: '4kb' })
  const emitter = mqemitter({ bus })
  const { heard } = keep(emitter, 't')
  const told = []
  const last = emitUntilFull(bus, emitter, told)
  let refused
  for (let number = last + 1; bus.stats().outbox.bytes < 3000; number++) emitter.emit({ topic: 't', number, TEXT })
  const accepted = heard.length
  emitter.emit({ topic: 't', number: 'refused', TEXT: TEXT.repeat(4) }, (error) => {
    refused = error
  })
  assert.equal(refused, undefined, 'not inside emit')
  await until(() => refused)
  assert.equal(refused.code, 'ERR_OUTBOX_FULL')
  assert.equal(heard.length, accepted)
  const warned = once(process, 'warning')
  emitter.emit({ topic: 't', number: 'refused', TEXT: TEXT.repeat(4) })
  const [warning] = await warned
  assert.equal(warning.code, 'SLABCAST_MQEMITTER')
  open()
  await once(bus, 'drain')
  await emitted(emitter, { topic: 't', number: 'end' })
  assert.deepEqual(
    await reader.hear(),
    heard.map(({ number }) => number),
  )
})

test('with concurrency a full bus refuses nothing: what has no room waits, in order, also through close', async (t) => {
  const MESSAGES = 500
  const { bus, reader, open } = await blocked(t, { outbox: '8kb' })
  const emitter = mqemitter({ bus, concurrency: 3 })
  const { heard } = keep(emitter, 't')
  const told = []
  const numbers = [...Array(MESSAGES).keys(), 'end']
  for (const number of numbers) emitter.emit({ topic: 't', number, TEXT }, (error) => told.push(error ?? number))
  assert.ok(bus.stats().outbox.messages <= 3)
  assert.ok(emitter.length > MESSAGES / 2)
  let isClosed = false
  emitter.close(() => {
    isClosed = true
  })
  let refused
  emitter.emit({ topic: 't' }, (error) => {
    refused = error
  })
  assert.match(refused.message, /closed/)
  for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  assert.equal(isClosed, false)
  open()
  await until(() => isClosed)
  assert.deepEqual(told, numbers)
  assert.deepEqual(
    heard.map(({ number }) => number),
    numbers,
  )
  assert.deepEqual(await reader.hear(), numbers)
})

test('what cannot be published is told to the callback, and no listener is called', async (t) => {
  const { bus } = openBusNamed(t, { size: '64kb' })
  const emitter = mqemitter({ bus })
  const { heard } = keep(emitter, '#')
  await assert.rejects(emitted(emitter, { topic: 'a', act() {} }), { code: 'ERR_NOT_SERIALIZABLE' })
  await assert.rejects(emitted(emitter, { topic: 'a', payload: Buffer.alloc(100_000) }), {
    code: 'ERR_MESSAGE_TOO_LARGE',
  })
  await bus.close()
  await assert.rejects(emitted(emitter, { topic: 'a' }), { code: 'ERR_CLOSED' })
  assert.deepEqual(heard, [])
  const [refused] = await new Promise((resolve) =>
    emitter.on(
      'a',
      () => {},
      (...told) => resolve(told),
    ),
  )
  assert.equal(refused.code, 'ERR_CLOSED')
  assert.throws(() => emitter.on('a', () => {}), { code: 'ERR_CLOSED' })
})

test('after close nothing of others comes, and the process ends though its bus is open', async (t) => {
  const { name, bus } = openBusNamed(t)
  const emitter = mqemitter({ bus })
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name })
      const emitter = require('slabcast/mqemitter')({ bus })
      const heard = []
      const listener = ({ topic }, done) => {
        heard.push(topic)
        done()
      }
      for (const filter of ['a', '+', '#', 'b/#']) await new Promise((resolve) => emitter.on(filter, listener, resolve))
      emitter.emit({ topic: 'mine' })
      emitter.close(() => say('closed'))
      // A second time: as mqemitter.
      emitter.close()
      await hear()
      await say([heard, emitter.closed])
    },
    name,
  )
  assert.equal(await child.hear(), 'closed')
  await emitted(emitter, { topic: 'a' })
  await bus.settled()
  child.say('go on')
  assert.deepEqual(await child.hear(), [['mine', 'mine'], true])
  assert.deepEqual(await child.end(), { code: 0, signal: null })
})

test('a process that has removed its listeners may end without close', async (t) => {
  const { name } = openBusNamed(t)
  const child = run(
    t,
    async (_, name) => {
      const emitter = require('slabcast/mqemitter')({ bus: require('slabcast').open({ name }) })
      const listener = () => {}
      emitter.on('a/#', listener).on('a/#', listener).on('b', listener).removeAllListeners('b')
      emitter.removeListener('a/#', listener).removeListener('a/#', listener).removeListener('c', listener)
    },
    name,
  )
  assert.deepEqual(await child.end(), { code: 0, signal: null })
})

test('a killed process takes nothing from the others', async (t) => {
  const { name } = openBusNamed(t)
  const work = async ({ say, hear, until }, name, who) => {
    const emitter = require('slabcast/mqemitter')({ bus: require('slabcast').open({ name }) })
    const heard = new Set()
    emitter.on('from/+', ({ topic }, done) => {
      heard.add(topic)
      done()
    })
    await say('listening')
    for (;;) {
      const others = await hear()
      heard.clear()
      // Again and again: until all have gone on, some have not.
      await until(() => {
        emitter.emit({ topic: `from/${who}` })
        return others.every((other) => heard.has(`from/${other}`))
      })
      await say('heard')
    }
  }
  const children = WHO.map((who) => run(t, work, name, who))
  for (const child of children) await child.hear()
  for (const child of children) child.say(WHO)
  for (const child of children) await child.hear()
  await children[0].kill()
  for (const child of children.slice(1)) child.say(WHO.slice(1))
  for (const child of children.slice(1)) assert.equal(await child.hear(), 'heard')
})

test('a topic of more levels than mqemitter takes is refused where it is emitted, and no exception elsewhere', async (t) => {
  const { name, bus } = openBusNamed(t)
  const emitter = mqemitter({ bus })
  const deep = 'a/'.repeat(100)
  assert.throws(() => emitter.emit({ topic: deep }), { code: 'ERR_INVALID_ARG_VALUE' })
  assert.throws(() => require('mqemitter')().emit({ topic: deep }), /too many words/)
  assert.throws(() => emitter.on(deep, () => {}), /too many words/)
  // By its own separator another takes it.
  const dotted = mqemitter({ bus: openBus(t, { name }), separator: '.' })
  const { heard } = keep(emitter, '#')
  await emitted(dotted, { topic: deep })
  await emitted(dotted, { topic: deep.slice(2) })
  await until(() => heard.length > 0)
  assert.deepEqual(
    heard.map(({ topic }) => topic),
    [deep.slice(2)],
  )
  assert.equal(bus.topics('slabcast:mqemitter/a/*').filter(({ subscribers }) => subscribers > 1).length, 0)
})

test('arguments are checked', () => {
  const type = { code: 'ERR_INVALID_ARG_TYPE', name: 'TypeError' }
  assert.throws(() => mqemitter('a bus'), type)
  assert.throws(() => mqemitter({ bus: {} }), type)
  assert.throws(() => mqemitter({ concurrency: '1' }), type)
  assert.throws(() => mqemitter({ concurrency: -1 }), { code: 'ERR_OUT_OF_RANGE', name: 'RangeError' })
  assert.throws(() => mqemitter({ separator: /x/ }), type)
  const emitter = mqemitter({ bus: slabcast, concurrency: null })
  assert.throws(() => emitter.emit({}), type)
  assert.throws(() => emitter.emit(), type)
  assert.throws(() => emitter.on(1, () => {}), type)
  assert.throws(() => emitter.on('a'), type)
  assert.throws(() => emitter.removeListener('a'), type)
})

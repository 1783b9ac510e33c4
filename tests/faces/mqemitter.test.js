'use strict'

// slabcast/mqemitter beside mqemitter itself, in one process, and mqemitter-redis, in three: what is heard is the same.

const assert = require('node:assert/strict')
const path = require('node:path')
const test = require('node:test')
const slabcast = require('slabcast')
const mqemitter = require('slabcast/mqemitter')
const { openBus } = require('../node/support/bus')
const { run } = require('../node/support/process')
const { redis } = require('../node/support/redis')
const { until } = require('../node/support/wait')
const { dotted, odd, usual } = require('./mqemitter/scripts')
const { emitted, keep, openBusNamed } = require('./mqemitter/support')

const PARTIES = path.join(__dirname, 'mqemitter', 'parties.js')
const WHO = ['ann', 'bob', 'cid']

/** In a child: parties that listen, emit, leave and emit again, a step at a word each; then says what they heard. */
async function takePart({ say, hear, until }, file, kind, settings, who, script) {
  const { Emitters, Party } = require(file)
  const emitters = new Emitters(kind, settings)
  const parties = who.map((name) => new Party(emitters.for, name))
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
  await emitters.close()
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

test('three processes hear what three parties of one mqemitter do, as those of mqemitter-redis', async (t) => {
  const expected = await play(t, 'mqemitter', {}, usual)
  assert.equal(expected.ann['of #'].bob.length, 20 * 13 + 1)
  assert.equal(expected.ann.twice.bob.length, 3 * (20 * 13 + 1))
  assert.deepEqual(await play(t, 'mqemitter-redis', { socket: (await redis(t)).path }, usual), expected)
  const { name } = openBusNamed(t)
  assert.deepEqual(await play(t, 'slabcast', { bus: name }, usual), expected)
  assert.deepEqual(await play(t, 'slabcast', { bus: name, concurrency: 2 }, usual), expected)
  assert.deepEqual(await play(t, 'slabcast', { bus: name, apart: true }, usual), expected)
})

test('topics and filters are any strings, and heard as mqemitter hears them', async (t) => {
  const { name } = openBusNamed(t)
  const expected = await play(t, 'mqemitter', {}, odd)
  assert.deepEqual(await play(t, 'slabcast', { bus: name }, odd), expected)
  assert.deepEqual(await play(t, 'slabcast', { bus: name, apart: true }, odd), expected)
})

test('separator, wildcards and empty levels are as the options say', async (t) => {
  for (const matchEmptyLevels of [true, false]) {
    const options = { separator: '.', wildcardOne: '$$', wildcardSome: '**', matchEmptyLevels }
    const { name } = openBusNamed(t)
    const expected = await play(t, 'mqemitter', options, dotted)
    assert.deepEqual(await play(t, 'slabcast', { bus: name, apart: true, ...options }, dotted), expected)
  }
})

test('two emitters of one thread hear each other once, by one handle of the bus or by two', async (t) => {
  const { name, bus } = openBusNamed(t)
  const emitters = [mqemitter({ bus }), mqemitter({ bus }), mqemitter({ bus: openBus(t, { name }) })]
  const all = emitters.map((emitter) => [keep(emitter, 'a/+').heard, keep(emitter, '#').heard])
  for (const [number, emitter] of emitters.entries()) await emitted(emitter, { topic: 'a/b', number })
  await until(() => all.flat().every((heard) => heard.length >= 3))
  await bus.settled()
  for (const heard of all.flat()) assert.deepEqual(heard.map(({ number }) => number).sort(), [0, 1, 2])
})

test('what others publish to the topic of a topic, and is no message of an emitter, is left out', async (t) => {
  const { name, bus } = openBusNamed(t)
  const { heard } = keep(mqemitter({ bus: openBus(t, { name }) }), '#')
  const others = [null, 7, 'text', Buffer.from('bytes'), {}, [], ['id'], ['id', null], ['id', {}], ['id', { topic: 7 }]]
  for (const other of others) bus.publish('slabcast:mqemitter/a', other)
  await emitted(mqemitter({ bus }), { topic: 'a', is: 'one' })
  await until(() => heard.length > 0)
  assert.deepEqual(heard, [{ topic: 'a', is: 'one' }])
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
      await say([heard, emitter.closed, bus.stats().delivered.messages])
    },
    name,
  )
  assert.equal(await child.hear(), 'closed')
  for (const topic of ['a', 'a/b', 'long '.repeat(60)]) await emitted(emitter, { topic })
  await bus.settled()
  child.say('go on')
  assert.deepEqual(await child.hear(), [['mine', 'mine'], true, 0])
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
  assert.ok(bus.topics().every(({ subscribers }) => subscribers === 0))
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

'use strict'

// respond with `group`: each request goes to exactly one member of the group, and who asks learns what becomes of it, whoever dies.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { openBus, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run } = require('./support/process')
const { until } = require('./support/wait')

const FOREVER = { timeout: Number.POSITIVE_INFINITY }
const NO_RESPONDERS = { name: 'SlabcastError', code: 'ERR_NO_RESPONDERS', topic: 't' }

/**
 * In a child: responds to 't' in groups, and does what the message says: { wait } (says 'asked' first, until told 'go'), else it
 * answers { pid, message, meta }. Told 'block' with a gate it blocks its event loop, 'leave' ends its last subscription, 'join' with a
 * group begins one.
 */
async function member({ say, hear }, options, ...groups) {
  const { blockUntilOpen } = require('./gate')
  const bus = require('slabcast').open(options)
  const waiting = []
  const gaps = []
  bus.on('gap', (gap) => gaps.push(gap))
  const join = (group) =>
    bus.respond(
      't',
      async (message, meta) => {
        if (message?.wait) {
          // Before it says so: it may be told to go on before it is told that its word has gone out.
          const told = new Promise((go) => waiting.push(go))
          await say('asked')
          await told
        }
        return { pid: process.pid, message, meta }
      },
      { group },
    )
  const subscriptions = groups.map(join)
  await say('responding')
  for (;;) {
    const [what, given] = await hear()
    if (what === 'block') {
      await say('blocked')
      blockUntilOpen(given)
    } else if (what === 'go') waiting.shift()()
    else if (what === 'leave') {
      subscriptions.pop().unsubscribe()
      await say('left')
    } else if (what === 'join') {
      subscriptions.push(join(given))
      await say('joined')
    } else if (what === 'gaps') await say(gaps)
    else await bus.close()
  }
}

async function members(t, count, options, ...groups) {
  const all = Array.from({ length: count }, () => run(t, member, options, ...groups))
  for (const one of all) assert.strictEqual(await one.hear(), 'responding')
  return all
}

async function tell(child, ...what) {
  child.say(what)
  return child.hear()
}

/** In a child: responds to 'dying', and never says a word. */
async function dying({ say, hear }, name) {
  require('slabcast')
    .open({ name })
    .respond('dying', () => new Promise(() => {}))
  await say('responding')
  await hear()
}

/** Returns when the bus has looked again whether those whom it has asked still answer: somebody does not any more. */
async function looks(t, bus, name) {
  const dies = run(t, dying, name)
  assert.strictEqual(await dies.hear(), 'responding')
  const answer = bus.request('dying', 0, FOREVER)
  await Promise.all([assert.rejects(answer, { code: 'ERR_NO_RESPONDERS' }), dies.kill()])
}

/** The first of some children that says anything; it says `what`. */
async function whoSays(what, children) {
  const speaks = () => children.find(({ unheard }) => unheard.length > 0)
  await until(speaks)
  const one = speaks()
  assert.strictEqual(await one.hear(), what)
  return one
}

test('respond(topic, handler, { group }): each request goes to exactly one member of the group, of whatever process', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const all = await members(t, 3, { name }, 'g')
  const answers = await Promise.all(Array.from({ length: 300 }, (_, at) => bus.request('t', at)))
  assert.deepStrictEqual(
    answers.map(({ message }) => message),
    [...answers.keys()],
  )
  for (const { pid, meta } of answers) {
    assert.ok(all.some((one) => one.pid === pid))
    assert.strictEqual(meta.topic, 't')
    assert.strictEqual(meta.publisher.pid, process.pid)
  }
  const many = await Promise.all(Array.from({ length: 100 }, (_, at) => bus.requestMany('t', at)))
  for (const [at, results] of many.entries())
    assert.deepStrictEqual(
      results.map(({ value }) => value.message),
      [at],
      'one entry for the group',
    )
})

test('respond(topic, handler, { group }): requestMany has one result of each group and of each who is in none', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  await members(t, 2, { name }, 'g', 'h')
  const plain = openBus(t, { name })
  plain.respond('t', () => 'plain')
  plain.respond('t', () => 'plain too')
  bus.respond('t', () => 'mine', { group: 'h' })
  bus.respond('t', () => 'of a third', { group: 'i' })
  for (let at = 0; at < 50; at++) {
    const results = await bus.requestMany('t', at)
    assert.strictEqual(results.length, 5)
    assert.ok(results.every(({ status }) => status === 'fulfilled'))
    const values = results.map(({ value }) => value)
    for (const one of ['plain', 'plain too', 'of a third']) assert.ok(values.includes(one))
    const others = values.filter((value) => value.message === at || value === 'mine')
    assert.strictEqual(others.length, 2)
  }
  assert.deepStrictEqual(
    bus.topics().map(({ topic }) => topic),
    [],
    'no group of theirs is of a topic of users',
  )
})

test('respond(topic, handler, { group }): the idle ones come first', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const shut = gate(t)
  const [busy, idle] = await members(t, 2, { name }, 'g')
  assert.strictEqual(await tell(busy, 'block', shut.file), 'blocked')
  for (let at = 0; at < 100; at++) assert.strictEqual((await bus.request('t', at)).pid, idle.pid)
})

test('respond(topic, handler, { group }): what a member that is killed has not taken, another takes', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const shut = gate(t)
  const dying = await members(t, 2, { name }, 'g')
  for (const one of dying) assert.strictEqual(await tell(one, 'block', shut.file), 'blocked')
  const answers = Array.from({ length: 10 }, (_, at) => bus.request('t', at, FOREVER))
  const many = bus.requestMany('t', 'many', FOREVER)
  const [rescue] = await members(t, 1, { name }, 'g')
  for (const one of dying) await one.kill()
  for (const answer of answers) assert.strictEqual((await answer).pid, rescue.pid)
  assert.deepStrictEqual(
    (await many).map(({ value }) => value.pid),
    [rescue.pid],
  )
})

test('respond(topic, handler, { group }): ERR_NO_RESPONDERS when who took it is killed, though others of the group live', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const all = await members(t, 2, { name }, 'g')
  bus.respond('t', () => 'plain')
  const many = bus.requestMany('t', { wait: true }, FOREVER)
  const taker = await whoSays('asked', all)
  const other = all.find((one) => one !== taker)
  await taker.kill()
  const results = await many
  assert.deepStrictEqual(
    results.map(({ value, reason }) => value ?? reason.code),
    ['plain', 'ERR_NO_RESPONDERS'],
  )
  assert.deepStrictEqual(other.unheard, [], 'it may have been done')
  const alone = uniqueName()
  const lonely = openBus(t, { name: alone })
  const [only] = await members(t, 1, { name: alone }, 'g')
  const answer = lonely.request('t', { wait: true }, FOREVER)
  assert.strictEqual(await only.hear(), 'asked')
  only.kill()
  await assert.rejects(answer, NO_RESPONDERS)
})

for (const [others, count] of [
  ['others of the group live', 1],
  ['it was the last one', 0],
]) {
  test(`respond(topic, handler, { group }): ERR_NO_RESPONDERS when who took it dies before it can say so, and ${others}`, async (t) => {
    const name = uniqueName()
    const bus = openBus(t, { name })
    const dies = run(
      t,
      async ({ say, hear }, name) => {
        const envelopes = require('../../../js/envelopes')
        const { HELD, wrapped } = envelopes
        envelopes.wrapped = (id, kind, body) => {
          if (kind === HELD) {
            process.kill(process.pid, 'SIGKILL')
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
          }
          return wrapped(id, kind, body)
        }
        const bus = require('slabcast').open({ name })
        bus.respond('t', () => 'never', { group: 'g' })
        await say('responding')
        await hear()
      },
      name,
    )
    assert.strictEqual(await dies.hear(), 'responding')
    const shut = gate(t)
    const rest = await members(t, count, { name }, 'g')
    for (const one of rest) assert.strictEqual(await tell(one, 'block', shut.file), 'blocked')
    const [answer, many] = [bus.request('t', 1, FOREVER), bus.requestMany('t', 2, FOREVER)]
    await assert.rejects(answer, NO_RESPONDERS)
    if (count > 0) {
      shut.open()
      assert.deepStrictEqual(
        (await many).map(({ value }) => value.pid),
        [rest[0].pid],
        'it had not taken that',
      )
    } else {
      assert.deepStrictEqual(
        (await many).map(({ reason }) => reason.code),
        ['ERR_NO_RESPONDERS'],
      )
    }
  })
}

for (const how of ['is killed', 'leaves', 'closes its bus']) {
  test(`respond(topic, handler, { group }): ERR_NO_RESPONDERS when the last of the group ${how} before it took it`, async (t) => {
    const name = uniqueName()
    const bus = openBus(t, { name })
    const shut = gate(t)
    const child = run(
      t,
      async ({ say, hear }, name, file, how) => {
        const { blockUntilOpen } = require('./gate')
        const bus = require('slabcast').open({ name })
        const subscription = bus.respond('t', () => 'never', { group: 'g' })
        await say('responding')
        await hear()
        await say('blocked')
        blockUntilOpen(file)
        if (how === 'leaves') subscription.unsubscribe()
        else await bus.close()
        await hear()
      },
      name,
      shut.file,
      how,
    )
    assert.strictEqual(await child.hear(), 'responding')
    assert.strictEqual(await tell(child, 'block'), 'blocked')
    const [answer, many] = [bus.request('t', 1, FOREVER), bus.requestMany('t', 1, FOREVER)]
    const rejected = assert.rejects(answer, NO_RESPONDERS)
    if (how === 'is killed') await child.kill()
    else shut.open()
    await rejected
    assert.deepStrictEqual(
      (await many).map(({ reason }) => reason.code),
      ['ERR_NO_RESPONDERS'],
    )
  })
}

test('respond(topic, handler, { group }): who leaves takes no more, still answers what it took, and the group goes with the last', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const [one, other] = await members(t, 2, { name }, 'g')
  const first = bus.request('t', { wait: true }, FOREVER)
  const taker = await whoSays('asked', [one, other])
  // It is at work, and nobody else has it.
  await looks(t, bus, name)
  assert.strictEqual(await tell(taker, 'leave'), 'left')
  const stays = taker === one ? other : one
  for (let at = 0; at < 20; at++) assert.strictEqual((await bus.request('t', at)).pid, stays.pid)
  assert.strictEqual(await tell(stays, 'leave'), 'left')
  // At once: nothing lingers.
  await assert.rejects(bus.request('t', 1, FOREVER), NO_RESPONDERS)
  assert.deepStrictEqual(await bus.requestMany('t', 1), [])
  assert.strictEqual(bus.stats().members.reading, 1, 'who asks alone')
  taker.say(['go'])
  assert.strictEqual((await first).pid, taker.pid)
  assert.strictEqual(await tell(stays, 'join', 'g'), 'joined')
  assert.strictEqual((await bus.request('t', 1)).pid, stays.pid)
})

test('respond(topic, handler, { group }): several handlers of one thread take turns; once, signal and the options that do not go', async (t) => {
  const bus = openBus(t)
  const seen = []
  const subscriptions = ['a', 'b'].map((who) => bus.respond('t', () => seen.push(who) && who, { group: 'g' }))
  assert.strictEqual(subscriptions[0].group, 'g')
  for (let at = 0; at < 10; at++) await bus.request('t', at)
  assert.deepStrictEqual(seen.toSorted(), [...Array(5).fill('a'), ...Array(5).fill('b')])
  for (const subscription of subscriptions) subscription.unsubscribe()
  subscriptions[0].unsubscribe()
  const controller = new AbortController()
  bus.respond('t', () => 'once', { group: 'g', once: true })
  bus.respond('t', () => 'signal', { group: 'h', signal: controller.signal })
  const both = await bus.requestMany('t', 1)
  assert.deepStrictEqual(both.map(({ value }) => value).sort(), ['once', 'signal'])
  assert.deepStrictEqual(await bus.requestMany('t', 1), [{ status: 'fulfilled', value: 'signal' }])
  controller.abort()
  await assert.rejects(bus.request('t', 1), NO_RESPONDERS)
  for (const options of [{ echo: false }, { raw: true }, { replay: 1 }, { after: 0 }, { durable: 'd' }])
    assert.throws(() => bus.respond('t', () => {}, { group: 'g', ...options }), { code: 'ERR_INVALID_ARG_VALUE' })
  for (const [group, code] of [
    [1, 'ERR_INVALID_ARG_TYPE'],
    ['', 'ERR_INVALID_ARG_VALUE'],
    ['x'.repeat(256), 'ERR_INVALID_ARG_VALUE'],
  ])
    assert.throws(() => bus.respond('t', () => {}, { group }), { code })
})

test('respond(topic, handler, { group }): errors of handlers, timeouts and late answers are as of any responder', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const [child] = await members(t, 1, { name }, 'g')
  const [late, many] = [
    bus.request('t', { wait: true }, { timeout: 20 }),
    bus.requestMany('t', { wait: true }, { timeout: 20 }),
  ]
  await assert.rejects(late, { code: 'ERR_TIMEOUT', topic: 't' })
  assert.deepStrictEqual(
    (await many).map(({ reason }) => reason.code),
    ['ERR_TIMEOUT'],
  )
  for (let at = 0; at < 2; at++) assert.strictEqual(await child.hear(), 'asked')
  for (let at = 0; at < 2; at++) child.say(['go'])
  assert.strictEqual((await bus.request('t', 'next')).message, 'next')
  bus.respond(
    'u',
    () => {
      throw Object.assign(new RangeError('no'), { code: 'E_NO' })
    },
    { group: 'g' },
  )
  await assert.rejects(bus.request('u', 1), { name: 'RangeError', message: 'no', code: 'E_NO' })
})

test('respond(topic, handler, { group }): who took it and cannot say so yet, for its outbox waits, is waited for', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const shut = gate(t)
  const holder = run(
    t,
    async ({ say, hear }, name, file) => {
      const { blockUntilOpen } = require('./gate')
      require('slabcast')
        .open({ name })
        .subscribe('else', () => {})
      await say('reading')
      await hear()
      await say('blocked')
      blockUntilOpen(file)
      await hear()
    },
    name,
    shut.file,
  )
  assert.strictEqual(await holder.hear(), 'reading')
  assert.strictEqual(await tell(holder, 'block'), 'blocked')
  const taker = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name, stallTimeout: Number.POSITIVE_INFINITY })
      bus.respond(
        't',
        async (what) => {
          if (what === 'fill') while (bus.publish('else', 'x'.repeat(500)));
          else await say('asked')
          return what
        },
        { group: 'g' },
      )
      await say('responding')
      await hear()
    },
    name,
  )
  assert.strictEqual(await taker.hear(), 'responding')
  const dies = run(t, dying, name)
  assert.strictEqual(await dies.hear(), 'responding')
  const gone = bus.request('dying', 1, FOREVER)
  const answers = ['fill', 'next'].map((what) => bus.request('t', what, FOREVER))
  assert.strictEqual(await taker.hear(), 'asked')
  // It has long returned from there, and it is looked again who is there.
  await Promise.all([assert.rejects(gone, { code: 'ERR_NO_RESPONDERS' }), dies.kill()])
  shut.open()
  assert.deepStrictEqual(await Promise.all(answers), ['fill', 'next'])
})

test('respond(topic, handler, { group }): a group that is cut off is told under its topic what it missed, and so is who asked', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb', stallTimeout: 50 })
  const [child] = await members(t, 1, { name }, 'g')
  const shut = gate(t)
  await bus.request('t', 'first')
  assert.strictEqual(await tell(child, 'block', shut.file), 'blocked')
  const missed = Array.from({ length: 5 }, (_, at) => bus.request('t', at, FOREVER))
  while (bus.stats().cutOffs === 0)
    if (!bus.publish('noise', 'x'.repeat(500))) await new Promise((resolve) => bus.once('drain', resolve))
  shut.open()
  const codes = (await Promise.allSettled(missed)).map(({ reason }) => reason.code)
  assert.deepStrictEqual(codes, Array(5).fill('ERR_NO_RESPONDERS'))
  assert.strictEqual((await bus.request('t', 'again')).message, 'again')
  assert.deepStrictEqual(await tell(child, 'gaps'), [
    { topic: 't', group: 'g', from: 2, to: 6, lost: 5, reason: 'stalled' },
  ])
})

test('respond(topic, handler, { group }): members come, go and are killed all the time; each request is handled once at the most, and none waits', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, members: 32 })
  // A file for each process: appending is one step everywhere but under Wine.
  const folder = path.dirname(gate(t).file)
  const work = async ({ say, hear }, name, folder) => {
    const fs = require('node:fs')
    const bus = require('slabcast').open({ name })
    const handler = (n) => {
      fs.appendFileSync(`${folder}/${process.pid}`, `${n}\n`)
      return n
    }
    let subscription = bus.respond('t', handler, { group: 'g' })
    const swap = () => {
      subscription.unsubscribe()
      subscription = bus.respond('t', handler, { group: 'g' })
    }
    setInterval(swap, 7)
    await say('responding')
    await hear()
  }
  const all = new Set()
  const start = async () => {
    const one = run(t, work, name, folder)
    assert.strictEqual(await one.hear(), 'responding')
    all.add(one)
  }
  for (let count = 0; count < 3; count++) await start()
  let isOver = false
  const deaths = (async () => {
    for (let count = 0; count < 8; count++) {
      const [one] = all
      all.delete(one)
      await Promise.all([start(), one.kill()])
    }
    isOver = true
  })()
  let asked = 0
  let answered = 0
  const ask = async () => {
    while (!isOver) {
      const n = ++asked
      try {
        assert.strictEqual(await bus.request('t', n, FOREVER), n)
        answered++
      } catch (error) {
        assert.strictEqual(error.code, 'ERR_NO_RESPONDERS', error.message)
        await new Promise(setImmediate)
      }
    }
  }
  await Promise.all([deaths, ask(), ask(), ask(), ask()])
  const logs = fs.readdirSync(folder).map((file) => fs.readFileSync(path.join(folder, file), 'utf8'))
  const handled = logs.join('').trim().split('\n')
  assert.strictEqual(new Set(handled).size, handled.length, 'none twice')
  assert.ok(handled.length >= answered && answered > 100, `${answered} answered of ${asked}`)
})

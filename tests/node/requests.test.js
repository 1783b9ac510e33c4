'use strict'

// request, requestMany and respond: who is asked, what comes back, and what becomes of those who wait when nothing does.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { setImmediate: turn } = require('node:timers/promises')
const { Worker } = require('node:worker_threads')
const { encode } = require('slabcast')
const { openBus, uniqueName } = require('./support/bus')
const { gate } = require('./support/gate')
const { run } = require('./support/process')
const { isOver } = require('./support/system')
const { until } = require('./support/wait')

/**
 * In a child: responds to 't', says so, and does what the message says: { double }, { fail }, { never } (says 'asked' first), { wait }
 * (until told 'go', says 'asked' first), else its pid. Told 'end' it unsubscribes and says 'ended', told 'close' it closes.
 */
async function responder({ say, hear }, name, options = {}) {
  const bus = require('slabcast').open({ name })
  const waiting = []
  const handler = async (message, meta) => {
    if (message?.double !== undefined) return { doubled: message.double * 2, meta }
    if (message?.fail !== undefined)
      throw Object.assign(new RangeError(message.fail), { code: 'E_TOO_FAR', socket: () => {} })
    if (message?.never) {
      await say('asked')
      return new Promise(() => {})
    }
    if (message?.wait) {
      // Before it says so: it may be told to go on before it is told that its word has gone out.
      const told = new Promise((go) => waiting.push(go))
      await say('asked')
      await told
    }
    return process.pid
  }
  let subscription = bus.respond('t', handler, options)
  await say('responding')
  const acts = {
    go: () => waiting.shift()(),
    end: () => subscription.unsubscribe(),
    again: () => {
      subscription = bus.respond('t', handler, options)
    },
    close: () => bus.close(),
  }
  for (;;) {
    const what = await hear()
    await acts[what]()
    if (what !== 'go') await say(what)
  }
}

/** So many children that respond, and a bus to ask them from. */
async function responders(t, count, options) {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const children = Array.from({ length: count }, () => run(t, responder, name, options))
  for (const child of children) assert.strictEqual(await child.hear(), 'responding')
  return { name, bus, children }
}

/** Returns when the bus has looked again whether those whom it has asked still answer: somebody does not any more. */
async function looks(t, bus, name) {
  const dies = run(t, dying, name)
  assert.strictEqual(await dies.hear(), 'responding')
  const answer = bus.request('dying', 0, { timeout: Number.POSITIVE_INFINITY })
  await Promise.all([assert.rejects(answer, { code: 'ERR_NO_RESPONDERS' }), dies.kill()])
}

/** In a child: responds to 'dying', and never says a word. */
async function dying({ say, hear }, name) {
  require('slabcast')
    .open({ name })
    .respond('dying', () => new Promise(() => {}))
  await say('responding')
  await hear()
}

const NO_RESPONDERS = { name: 'SlabcastError', code: 'ERR_NO_RESPONDERS', topic: 't' }
const TIMEOUT = { name: 'SlabcastError', code: 'ERR_TIMEOUT', topic: 't' }

test('request(topic, message): the value another process gives, which sees the topic and who asks', async (t) => {
  const { bus, children } = await responders(t, 1)
  const { doubled, meta } = await bus.request('t', { double: 21 })
  assert.strictEqual(doubled, 42)
  assert.strictEqual(meta.topic, 't')
  assert.deepStrictEqual(meta.publisher, { member: bus.stats().member, pid: process.pid })
  assert.strictEqual(await bus.request('t', null), children[0].pid)
})

test('request(topic, message) is seen by responders alone: neither subscribers of the topic nor topics() show it', async (t) => {
  const { bus } = await responders(t, 1)
  const seen = []
  bus.subscribe('t', (message) => seen.push(message))
  await bus.request('t', 'asked')
  bus.publish('t', 'published')
  await bus.request('t', 'asked')
  await until(() => seen.length > 0)
  assert.deepStrictEqual(seen, ['published'])
  assert.deepStrictEqual(
    bus.topics().map(({ topic }) => topic),
    ['t'],
  )
})

test('request(topic, message): values of all kinds go both ways; undefined is an answer', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '8mb' })
  const child = run(
    t,
    async ({ say, hear }, name) => {
      require('slabcast')
        .open({ name })
        .respond('t', (message) => message)
      await say('responding')
      await hear()
    },
    name,
  )
  await child.hear()
  for (const value of [
    undefined,
    null,
    0,
    '',
    [1, [2]],
    new Map([[{ a: 1 }, 1n]]),
    new Date(5),
    Buffer.alloc(3_000_000, 7),
  ])
    assert.deepStrictEqual(await bus.request('t', value), value)
})

test('request(topic, message): topics of 255 bytes can be asked, and are told apart', async (t) => {
  const bus = openBus(t)
  const topics = ['x'.repeat(255), `${'x'.repeat(254)}y`, 'é'.repeat(127), 'a/b', 'a#b']
  for (const topic of topics) bus.respond(topic, (_, meta) => meta.topic)
  for (const topic of topics) assert.strictEqual(await bus.request(topic, 0), topic)
})

test('request(topic, message): what a handler throws or rejects with comes with its name, message and code', async (t) => {
  const { bus } = await responders(t, 1)
  await assert.rejects(bus.request('t', { fail: 'too far' }), (error) => {
    assert.ok(error instanceof Error)
    const { name, message, code } = error
    assert.deepStrictEqual({ name, message, code }, { name: 'RangeError', message: 'too far', code: 'E_TOO_FAR' })
    assert.match(error.stack, /^RangeError: too far\n {4}at handler/, 'and its stack says where')
    assert.deepStrictEqual(Object.keys(error), ['code'])
    return true
  })
  const own = openBus(t)
  class Own extends Error {
    name = 'Own'
  }
  const unreadable = {
    get message() {
      throw new Error('no')
    },
  }
  const thrown = [
    new Own('of a class'),
    new Error('a\ud800'),
    'a string',
    undefined,
    null,
    7n,
    { message: 'like one' },
    {},
    unreadable,
  ]
  own.respond('t', (at) => {
    throw thrown[at]
  })
  const told = await Promise.all(thrown.map((_, at) => own.request('t', at).catch((error) => error)))
  assert.ok(told.every((error) => error instanceof Error && !('code' in error)))
  assert.deepStrictEqual(
    told.map(({ name, message }) => `${name}: ${message}`),
    [
      'Own: of a class',
      'Error: a\ufffd',
      'Error: a string',
      'Error: undefined',
      'Error: null',
      'Error: 7',
      'Error: like one',
      'Error: [object Object]',
      'Error: The handler threw what cannot be read',
    ],
  )
})

test('request(topic, message): an answer that cannot be sent is told as the error it is', async (t) => {
  const bus = openBus(t)
  const answers = [() => {}, 'x'.repeat(600_000), 'a\ud800']
  bus.respond('t', (at) => ({ answer: answers[at] }))
  await assert.rejects(bus.request('t', 0), { code: 'ERR_NOT_SERIALIZABLE', message: /message\.answer/ })
  await assert.rejects(bus.request('t', 1), { code: 'ERR_MESSAGE_TOO_LARGE' })
  await assert.rejects(bus.request('t', 2), { code: 'ERR_NOT_SERIALIZABLE' })
})

test('request(topic, message): an error too large to be sent comes with its name, its code and the beginning of its message', async (t) => {
  const bus = openBus(t)
  const long = 'x'.repeat(600_000)
  const thrown = [new RangeError(long), Object.assign(new Error('short'), { stack: long }), { name: long, code: long }]
  thrown[0].code = 'E_LONG'
  bus.respond('t', (at) => {
    throw thrown[at]
  })
  const told = await Promise.all(thrown.map((_, at) => bus.request('t', at).catch((error) => error)))
  const seen = told.map(({ name, message, code }) => ({
    name: name.slice(0, 10),
    message: message.slice(0, 10),
    code: code?.slice(0, 10),
  }))
  assert.deepStrictEqual(seen, [
    { name: 'RangeError', message: 'xxxxxxxxxx', code: 'E_LONG' },
    { name: 'Error', message: 'short', code: undefined },
    { name: 'xxxxxxxxxx', message: '[object Ob', code: 'xxxxxxxxxx' },
  ])
})

test('request(topic, message): ERR_NO_RESPONDERS at once when nobody responds, or nobody does any more', async (t) => {
  const { bus, children } = await responders(t, 1)
  bus.subscribe('nobody', () => assert.fail('it is no responder'))
  await assert.rejects(bus.request('nobody', 1, { timeout: Number.POSITIVE_INFINITY }), {
    ...NO_RESPONDERS,
    topic: 'nobody',
  })
  children[0].say('end')
  assert.strictEqual(await children[0].hear(), 'end')
  await assert.rejects(bus.request('t', 1, { timeout: Number.POSITIVE_INFINITY }), NO_RESPONDERS)
})

for (const [how, act] of Object.entries({
  'is killed': (child) => child.kill(),
  'closes its bus': (child) => child.say('close'),
})) {
  test(`request(topic, message): ERR_NO_RESPONDERS when the only one asked ${how}`, async (t) => {
    const { bus, children } = await responders(t, 1)
    const answer = bus.request('t', { never: true }, { timeout: Number.POSITIVE_INFINITY })
    assert.strictEqual(await children[0].hear(), 'asked')
    act(children[0])
    await assert.rejects(answer, NO_RESPONDERS)
  })

  test(`request(topic, message): of two asked the other answers when one ${how}; when both, ERR_NO_RESPONDERS`, async (t) => {
    const { bus, children } = await responders(t, 2)
    const options = { timeout: Number.POSITIVE_INFINITY }
    const [one, both] = [bus.request('t', { wait: true }, options), bus.request('t', { never: true }, options)]
    for (const child of [...children, ...children]) assert.strictEqual(await child.hear(), 'asked')
    act(children[0])
    if (how !== 'is killed') assert.strictEqual(await children[0].hear(), 'close')
    children[1].say('go')
    assert.strictEqual(await one, children[1].pid)
    act(children[1])
    await assert.rejects(both, NO_RESPONDERS)
  })
}

test('request(topic, message): a responder that answered and died has answered, though its death is seen first', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name })
      bus.respond('t', () => {
        // The answer is sent before.
        setImmediate(() => process.kill(process.pid, 'SIGKILL'))
        return 'the last word'
      })
      await say('responding')
      await hear()
    },
    name,
  )
  await child.hear()
  // After an immediate the loop's timers come next, and only then what woke it: it is busy until the death is to be seen.
  await turn()
  const answers = bus.requestMany('t', 1)
  const nothing = new Int32Array(new SharedArrayBuffer(4))
  for (let waited = 0; !isOver(child.pid) || waited < 100; waited += 2) Atomics.wait(nothing, 0, 0, 2)
  assert.deepStrictEqual(await answers, [{ status: 'fulfilled', value: 'the last word' }])
})

test('request(topic, message): who is asked and unsubscribes before it looks says so at once', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const { file, open } = gate(t)
  const child = run(
    t,
    async ({ say, hear }, name, file) => {
      const { blockUntilOpen } = require('./gate')
      const bus = require('slabcast').open({ name })
      const subscription = bus.respond('t', () => 'old')
      await say('responding')
      await hear()
      await say('blocked')
      blockUntilOpen(file)
      // What was asked meanwhile is not handed out yet.
      subscription.unsubscribe()
      bus.respond('t', () => 'new')
      await say('anew')
      await hear()
    },
    name,
    file,
  )
  assert.strictEqual(await child.hear(), 'responding')
  child.say('block')
  assert.strictEqual(await child.hear(), 'blocked')
  const asked = bus.request('t', 1, { timeout: Number.POSITIVE_INFINITY })
  open()
  await assert.rejects(asked, NO_RESPONDERS)
  assert.strictEqual(await child.hear(), 'anew')
  assert.strictEqual(await bus.request('t', 1), 'new')
})

test('request(topic, message): while responders come and go all the time, none waits in vain', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name })
      const handler = (message) => message
      let subscription = bus.respond('t', handler)
      const once = () => bus.respond('once', (message) => once() && message, { once: true })
      once()
      let isOver = false
      let rounds = 0
      const swap = () => {
        subscription.unsubscribe()
        // At once, a turn later, or when it was cleared away.
        const respond = () => {
          subscription = bus.respond('t', handler)
          if (!isOver) setTimeout(swap, 1)
        }
        if (++rounds % 3 === 0) respond()
        else setTimeout(respond, rounds % 20 === 0 ? 130 : 0)
      }
      swap()
      await say('responding')
      await hear()
      isOver = true
      await say(rounds)
    },
    name,
  )
  assert.strictEqual(await child.hear(), 'responding')
  let answered = 0
  const ask = async (worker) => {
    for (let at = 0; at < 1500; at++) {
      try {
        assert.strictEqual(await bus.request('t', at + worker, { timeout: 20_000 }), at + worker)
        answered++
      } catch (error) {
        assert.strictEqual(error.code, 'ERR_NO_RESPONDERS', error.message)
        await turn()
      }
    }
  }
  const asksOnce = async () => {
    for (let at = 0; at < 1500; at++) assert.strictEqual(await bus.request('once', at), at)
  }
  await Promise.all([ask(1), ask(2), ask(3), asksOnce()])
  child.say('over')
  assert.ok((await child.hear()) > 20 && answered > 100)
})

test('request(topic, message): a responder that unsubscribes still answers to what it has begun', async (t) => {
  const { bus, children, name } = await responders(t, 1)
  const answer = bus.request('t', { wait: true })
  assert.strictEqual(await children[0].hear(), 'asked')
  children[0].say('end')
  assert.strictEqual(await children[0].hear(), 'end')
  await assert.rejects(bus.request('t', 1), NO_RESPONDERS)
  // Also when it has ceased to read, which takes a moment.
  await until(() => bus.stats().members.reading === 1)
  await looks(t, bus, name)
  children[0].say('go')
  assert.strictEqual(await answer, children[0].pid)
})

test('request(topic, message, { timeout }): ERR_TIMEOUT; a late answer is dropped quietly', async (t) => {
  const { bus, children } = await responders(t, 1)
  await assert.rejects(bus.request('t', { wait: true }, { timeout: 20 }), { ...TIMEOUT, message: /"t" within 20 ms/ })
  assert.strictEqual(await children[0].hear(), 'asked')
  const next = bus.request('t', { wait: true })
  assert.strictEqual(await children[0].hear(), 'asked')
  children[0].say('go')
  children[0].say('go')
  assert.strictEqual(await next, children[0].pid, 'not answered by the late one')
})

test('request(topic, message, { signal }): an AbortError with its reason, also when it has fired before', async (t) => {
  const { bus, children } = await responders(t, 1)
  const controller = new AbortController()
  const answer = bus.request('t', { never: true }, { signal: controller.signal })
  assert.strictEqual(await children[0].hear(), 'asked')
  controller.abort('enough')
  const aborted = { name: 'AbortError', code: 'ABORT_ERR', cause: 'enough' }
  await assert.rejects(answer, aborted)
  await assert.rejects(bus.request('t', 1, { signal: controller.signal }), aborted)
  await assert.rejects(bus.requestMany('t', 1, { signal: controller.signal }), aborted)
})

test('request(topic, message): what is wrong with it rejects, and nobody is asked', async (t) => {
  const bus = openBus(t)
  const asked = []
  bus.respond('t', (message) => asked.push(message))
  const wrong = [
    [[7, 1], 'ERR_INVALID_ARG_TYPE', /"topic"/],
    [['', 1], 'ERR_INVALID_TOPIC', /empty/],
    [['$slabcast/ask/t', 1], 'ERR_INVALID_TOPIC', /reserved/],
    [['t', { a: () => {} }], 'ERR_NOT_SERIALIZABLE', /^message\.a /],
    [['t', 'x'.repeat(600_000)], 'ERR_MESSAGE_TOO_LARGE', /./],
    [['t', 1, 7], 'ERR_INVALID_ARG_TYPE', /"options"/],
    [['t', 1, { timeout: '5s' }], 'ERR_INVALID_ARG_TYPE', /"options.timeout"/],
    [['t', 1, { timeout: 0 }], 'ERR_OUT_OF_RANGE', /"options.timeout"/],
    [['t', 1, { timeout: Number.NaN }], 'ERR_OUT_OF_RANGE', /"options.timeout"/],
    [['t', 1, { signal: {} }], 'ERR_INVALID_ARG_TYPE', /"options.signal"/],
  ]
  for (const [args, code, message] of wrong) {
    await assert.rejects(bus.request(...args), { code, message })
    await assert.rejects(bus.requestMany(...args), { code, message })
  }
  assert.throws(() => bus.respond('t', 'handler'), { code: 'ERR_INVALID_ARG_TYPE', message: /"handler"/ })
  assert.throws(() => bus.respond('$slabcast/x', () => {}), { code: 'ERR_INVALID_TOPIC' })
  for (const options of [{ raw: true }, { replay: 1 }, { after: 1 }, { durable: 'd' }]) {
    const message = new RegExp(`options\\.${Object.keys(options)[0]}`)
    assert.throws(() => bus.respond('t', () => {}, options), { code: 'ERR_INVALID_ARG_VALUE', message })
  }
  await bus.request('t', 'right')
  assert.deepStrictEqual(asked, ['right'])
  const closes = {
    get a() {
      bus.close()
      return 1
    },
  }
  await assert.rejects(bus.request('t', closes), { code: 'ERR_CLOSED' })
})

test('request(topic, message): ERR_CLOSED, and nobody is asked, where its handle is closed by the message; others of the bus go on', async (t) => {
  const { bus, name, children } = await responders(t, 1)
  const handle = openBus(t, { name })
  const closes = {
    get never() {
      handle.close()
      return true
    },
  }
  await assert.rejects(handle.request('t', closes), { code: 'ERR_CLOSED' })
  assert.strictEqual(await bus.request('t', 1), children[0].pid)
  assert.deepStrictEqual(children[0].unheard, [])
})

test('requestMany(topic, message): one result for each responder, threads with several and values and errors alike', async (t) => {
  const { bus, children, name } = await responders(t, 2)
  const handle = openBus(t, { name })
  bus.respond('t', () => 'mine')
  handle.respond('t', () => {
    throw new Error('of my other handle')
  })
  bus.respond('t', async () => 'mine too')
  const results = await bus.requestMany('t', 'who is there?')
  const told = results.map((result) => result.value ?? result.reason.message).sort()
  assert.deepStrictEqual(told, [...children.map(({ pid }) => pid), 'mine', 'mine too', 'of my other handle'].sort())
  assert.deepStrictEqual(Object.keys(results.find(({ status }) => status === 'fulfilled')), ['status', 'value'])
  assert.deepStrictEqual(Object.keys(results.find(({ status }) => status === 'rejected')), ['status', 'reason'])
})

test('requestMany(topic, message): nobody responds, no results', async (t) => {
  const bus = openBus(t)
  assert.deepStrictEqual(await bus.requestMany('t', 1), [])
})

test('requestMany(topic, message): who died is ERR_NO_RESPONDERS, who is missing at timeout ERR_TIMEOUT', async (t) => {
  const { bus, children } = await responders(t, 3)
  const answers = bus.requestMany('t', { wait: true }, { timeout: 3000 })
  for (const child of children) assert.strictEqual(await child.hear(), 'asked')
  await children[0].kill()
  children[1].say('go')
  const results = await answers
  assert.strictEqual(results.length, 3)
  assert.deepStrictEqual(
    results.map((result) => result.value ?? result.reason.code).sort(),
    [children[1].pid, 'ERR_NO_RESPONDERS', 'ERR_TIMEOUT'].sort(),
  )
  const rest = bus.requestMany('t', { wait: true }, { timeout: Number.POSITIVE_INFINITY })
  for (const child of children.slice(1)) assert.strictEqual(await child.hear(), 'asked')
  await children[2].kill()
  children[1].say('go')
  // Its first request was waiting there, too.
  assert.deepStrictEqual((await rest).map((result) => result.value ?? result.reason.code).sort(), [
    children[1].pid,
    'ERR_NO_RESPONDERS',
  ])
})

test('respond(topic, handler, options): once, echo and signal as of subscribe; it is a Subscription', async (t) => {
  const { bus, children } = await responders(t, 1, { echo: false })
  assert.strictEqual(await bus.request('t', 0), children[0].pid, 'echo: false hears others')
  const quiet = bus.respond('quiet', () => 'me', { echo: false })
  await assert.rejects(bus.request('quiet', 0), { code: 'ERR_NO_RESPONDERS' })
  assert.strictEqual(quiet.topic, 'quiet')
  bus.respond('once', () => 'once', { once: true })
  const both = await Promise.allSettled([bus.request('once', 1), bus.request('once', 2)])
  assert.strictEqual(both[0].value, 'once')
  assert.strictEqual(both[1].reason.code, 'ERR_NO_RESPONDERS')
  const controller = new AbortController()
  bus.respond('signal', () => 'heard', { signal: controller.signal })
  assert.strictEqual(await bus.request('signal', 0), 'heard')
  controller.abort()
  await assert.rejects(bus.request('signal', 0), { code: 'ERR_NO_RESPONDERS' })
  assert.throws(() => bus.respond('signal', () => {}, { signal: controller.signal }), { name: 'AbortError' })
  const subscription = bus.respond('t', () => {})
  bus.unsubscribe('t')
  assert.strictEqual((await bus.requestMany('t', 0)).length, 2, 'unsubscribe(topic) is for subscribers')
  subscription.unsubscribe()
  assert.strictEqual((await bus.requestMany('t', 0)).length, 1)
})

test('respond(topic, handler): live when it returns, and not called after unsubscribe() has', async (t) => {
  const bus = openBus(t)
  const calls = []
  bus.respond('t', () => 'first')
  const before = bus.requestMany('t', 1)
  const second = bus.respond('t', () => calls.push('second'))
  assert.deepStrictEqual(await before, [{ status: 'fulfilled', value: 'first' }])
  assert.strictEqual((await bus.requestMany('t', 1)).length, 2)
  const asked = bus.requestMany('t', 1)
  second.unsubscribe()
  assert.deepStrictEqual(await asked, [{ status: 'fulfilled', value: 'first' }])
  assert.deepStrictEqual(calls, ['second'])
})

test('requests and answers are what docs/format.md says', () => {
  const { askTopic, replyTopic } = require('../../js/inside')
  const { COUNT, described, ERROR, HELD, VALUE, wrapped } = require('../../js/envelopes')
  const text = fs.readFileSync(path.join(__dirname, '../../docs/format.md'), 'utf8')
  const rows = [...text.matchAll(/^\| (request|answer|error|count|held) \|.*\| `([0-9a-f ]+)` \|$/gm)]
  const examples = Object.fromEntries(rows.map(([, what, hex]) => [what, hex.replaceAll(' ', '')]))
  const written = (one, two, value) => wrapped(one, two, encode(value)).toString('hex')
  const { stack, ...error } = described(new Error('no'))
  assert.match(stack, /^Error: no\n/)
  assert.deepStrictEqual(examples, {
    request: written(7, 1, 'hi'),
    answer: written(1, VALUE, { a: 1 }),
    error: written(1, ERROR, error),
    count: written(1, COUNT, 0),
    held: written(1, HELD, 5),
  })
  assert.strictEqual(askTopic('t').name, '$slabcast/ask/t')
  assert.ok(text.includes(`\`${askTopic('x'.repeat(255)).name.replace('$slabcast/ask#', '')}\``))
  assert.strictEqual(replyTopic(7).name, '$slabcast/reply/7')
})

test('of what others publish where requests and answers go, only what docs/format.md says is believed', () => {
  const { isCount, isEnvelope, revived } = require('../../js/envelopes')
  for (const envelope of [
    [1, 0, null],
    [0xffffffff, 2, {}],
  ])
    assert.ok(isEnvelope(envelope))
  const others = [
    null,
    'abc',
    [1, 2],
    [1, 2, 3, 4],
    ['1', 0, 0],
    [{}, 0, 0],
    [1, -1, 0],
    [1, 0.5, 0],
    [2 ** 32, 0, 0],
    [1, 2n, 0],
  ]
  for (const other of others)
    assert.ok(
      !isEnvelope(other),
      JSON.stringify(other, (_, value) => String(value)),
    )
  assert.ok(isCount(0) && isCount(65_535))
  for (const other of [-1, 65_536, Number.POSITIVE_INFINITY, Number.NaN, '1', null])
    assert.ok(!isCount(other), `${other}`)
  // Neither is text, nor can be made so.
  const error = revived({ name: { toString: 1 }, message: { toString: 1 }, code: [], stack: 7 })
  assert.deepStrictEqual(
    [error.name, error.message, error.code, typeof error.stack],
    ['Error', '', undefined, 'string'],
  )
  for (const thrown of [null, undefined, 7, 'no']) assert.strictEqual(revived(thrown).message, '')
})

test('how many answers are to come is said once by each member: what it says after that is not believed', async () => {
  const { Request } = require('../../js/request')
  const request = new Request(1, {}, 't', {}, { timeout: 60_000, all: true, found: 1 }, () => {})
  request.wasPutTo({ members: [7], groups: [] }, undefined)
  for (const count of [2, 65_535, 65_535]) request.expect(7, count)
  request.gone(7)
  const reasons = (await request.answer).map(({ reason }) => reason.code)
  assert.deepStrictEqual(reasons, ['ERR_NO_RESPONDERS', 'ERR_NO_RESPONDERS'])
})

test('request(topic, message): 1,000 at once, to four processes, and each gets its own answer', async (t) => {
  const { bus, children } = await responders(t, 4)
  const answers = Array.from({ length: 1000 }, (_, at) => bus.request('t', { double: at }))
  const values = await Promise.all(answers)
  assert.deepStrictEqual(
    values.map(({ doubled }) => doubled),
    values.map((_, at) => 2 * at),
  )
  const many = await Promise.all(Array.from({ length: 200 }, (_, at) => bus.requestMany('t', { double: at })))
  for (const [at, results] of many.entries()) {
    assert.strictEqual(results.length, children.length)
    for (const { value } of results) assert.strictEqual(value.doubled, 2 * at)
  }
})

test('request(topic, message): a full slab makes requests wait in the outbox; each is answered or told', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const { file, open } = gate(t)
  const child = run(
    t,
    async ({ say, hear }, name, file) => {
      const { blockUntilOpen } = require('./gate')
      const bus = require('slabcast').open({ name, stallTimeout: Number.POSITIVE_INFINITY })
      bus.respond('t', ({ at }) => at)
      await say('responding')
      await hear()
      await say('blocked')
      blockUntilOpen(file)
    },
    name,
    file,
  )
  assert.strictEqual(await child.hear(), 'responding')
  child.say('block')
  assert.strictEqual(await child.hear(), 'blocked')
  const text = 'x'.repeat(1000)
  const answers = Array.from({ length: 500 }, (_, at) =>
    bus.request('t', { at, text }, { timeout: Number.POSITIVE_INFINITY }),
  )
  assert.ok(bus.stats().outbox.messages > 0, 'some wait')
  open()
  assert.deepStrictEqual(await Promise.all(answers), [...answers.keys()])
})

test('requestMany(topic, message): one whose time is over in the outbox tells of those there were to be asked', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const { file, open } = gate(t)
  const child = run(t, responds, name, file)
  assert.strictEqual(await child.hear(), 'reading')
  child.say('block')
  assert.strictEqual(await child.hear(), 'blocked')
  const ask = () => bus.requestMany('t', 'x'.repeat(1000), { timeout: 100 })
  const results = Promise.all(Array.from({ length: 300 }, ask))
  assert.ok(bus.stats().outbox.messages > 0, 'some wait')
  for (const [result, ...more] of await results) {
    assert.strictEqual(result.reason.code, 'ERR_TIMEOUT')
    assert.deepStrictEqual(more, [])
  }
  open()
})

for (const how of ['killed', 'unsubscribed']) {
  test(`request(topic, message): those that wait in the outbox are told when the only one asked is ${how}`, async (t) => {
    const name = uniqueName()
    const bus = openBus(t, { name, size: '64kb' })
    const [child, holder] = [gate(t), gate(t)].map(({ file, open }, at) => ({
      open,
      process: run(t, at === 0 ? responds : holds, name, file),
    }))
    for (const { process } of [child, holder]) {
      assert.strictEqual(await process.hear(), 'reading')
      process.say('block')
      assert.strictEqual(await process.hear(), 'blocked')
    }
    const message = 'x'.repeat(1000)
    const ask = () => bus.request('t', message, { timeout: Number.POSITIVE_INFINITY })
    const settled = Promise.allSettled(Array.from({ length: 300 }, ask))
    assert.ok(bus.stats().outbox.messages > 0, 'some wait')
    if (how === 'killed') await child.process.kill()
    else child.open()
    // It is gone, and what waits is not yet out.
    await until(() => bus.stats().members.reading === 2)
    holder.open()
    for (const { reason } of await settled) assert.strictEqual(reason.code, 'ERR_NO_RESPONDERS')
  })
}

test('requestMany(topic, message): what waits in the outbox is put to those who are there when there is room', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const { file, open } = gate(t)
  const [old, holder] = [run(t, responds, name, gate(t).file), run(t, holds, name, file)]
  for (const process of [old, holder]) {
    assert.strictEqual(await process.hear(), 'reading')
    process.say('block')
    assert.strictEqual(await process.hear(), 'blocked')
  }
  const message = 'x'.repeat(1000)
  const ask = () => bus.requestMany('t', message, { timeout: Number.POSITIVE_INFINITY })
  const asked = Array.from({ length: 300 }, ask)
  assert.ok(bus.stats().outbox.messages > 0, 'some wait')
  await old.kill()
  bus.respond('t', () => 'new')
  open()
  assert.deepStrictEqual(await asked.at(-1), [{ status: 'fulfilled', value: 'new' }])
})

test("respond(topic, handler): 'gap' tells who responds, and nobody else, what requests it missed", async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '256kb', stallTimeout: 50 })
  const child = run(
    t,
    async ({ say, hear, until }, name) => {
      const bus = require('slabcast').open({ name })
      const other = require('slabcast').open({ name })
      const gaps = []
      const others = []
      bus.on('gap', (gap) => gaps.push(gap))
      other.on('gap', (gap) => others.push(gap))
      let last = 0
      bus.respond('t', (_, meta) => {
        last = meta.sequence
      })
      await say('responding')
      await hear()
      await say('stuck')
      const view = new Int32Array(new SharedArrayBuffer(4))
      Atomics.wait(view, 0, 0, 1500)
      const late = require('slabcast').open({ name })
      const lates = []
      late.on('gap', (gap) => lates.push(gap))
      late.respond('t', () => {})
      await until(() => gaps.length > 0)
      await say({ gaps, others, lates, last })
      await hear()
    },
    name,
  )
  await child.hear()
  await bus.request('t', 'first')
  child.say('stop')
  assert.strictEqual(await child.hear(), 'stuck')
  const asked = Array.from({ length: 50 }, () =>
    bus.request('t', 'x'.repeat(20_000), { timeout: 10_000 }).catch(() => {}),
  )
  const { gaps, others, lates, last } = await child.hear()
  assert.strictEqual(gaps[0].topic, 't')
  assert.strictEqual(gaps[0].reason, 'stalled')
  assert.ok(gaps[0].from > 1, 'nothing that it answered to')
  assert.strictEqual(gaps[0].lost, gaps[0].to - gaps[0].from + 1)
  assert.ok(last < gaps[0].from || last > gaps[0].to)
  assert.deepStrictEqual(others, [])
  assert.ok(
    lates.every(({ from }) => from > gaps[0].from),
    'who came later missed nothing from before',
  )
  await child.kill()
  await Promise.all(asked)
})

/** In a child: responds, blocks, and then unsubscribes. */
async function responds({ say, hear }, name, file) {
  const { blockUntilOpen } = require('./gate')
  const bus = require('slabcast').open({ name, stallTimeout: Number.POSITIVE_INFINITY })
  const subscription = bus.respond('t', () => 'answered')
  await say('reading')
  await hear()
  await say('blocked')
  blockUntilOpen(file)
  subscription.unsubscribe()
  await hear()
}

/** In a child: holds the slab, and blocks. */
async function holds({ say, hear }, name, file) {
  const { blockUntilOpen } = require('./gate')
  const bus = require('slabcast').open({ name })
  bus.subscribe('else', () => {})
  await say('reading')
  await hear()
  await say('blocked')
  blockUntilOpen(file)
  await hear()
}

test('request(topic, message): who has unsubscribed is not asked, busy as it may be', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const { file } = gate(t)
  const child = run(
    t,
    async ({ say }, name, file) => {
      const { blockUntilOpen } = require('./gate')
      const bus = require('slabcast').open({ name })
      bus.respond('t', () => 'answered').unsubscribe()
      await say('blocked')
      blockUntilOpen(file)
    },
    name,
    file,
  )
  assert.strictEqual(await child.hear(), 'blocked')
  await assert.rejects(bus.request('t', 1, { timeout: Number.POSITIVE_INFINITY }), NO_RESPONDERS)
})

test('request(topic, message): close() of who asks rejects with ERR_CLOSED; its other handles wait on', async (t) => {
  const { bus, children, name } = await responders(t, 1)
  const handle = openBus(t, { name })
  const [mine, other] = [bus.request('t', { wait: true }), handle.request('t', { wait: true })]
  for (let asked = 0; asked < 2; asked++) assert.strictEqual(await children[0].hear(), 'asked')
  const closed = bus.close()
  await assert.rejects(mine, { code: 'ERR_CLOSED' })
  await closed
  await assert.rejects(bus.request('t', 1), { code: 'ERR_CLOSED' })
  await assert.rejects(bus.requestMany('t', 1), { code: 'ERR_CLOSED' })
  children[0].say('go')
  children[0].say('go')
  assert.strictEqual(await other, children[0].pid)
})

test('request(topic, message) keeps the process alive while it waits, and not after', async (t) => {
  const { name, children } = await responders(t, 1)
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name })
      await say(await bus.request('t', { wait: true }, { timeout: Number.POSITIVE_INFINITY }))
    },
    name,
  )
  assert.strictEqual(await children[0].hear(), 'asked')
  assert.strictEqual(child.ended, undefined)
  children[0].say('go')
  assert.strictEqual(await child.hear(), children[0].pid)
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

test('request(topic, message) does not keep the process alive where its bus is unref’d', async (t) => {
  const { name, children } = await responders(t, 1)
  const child = run(
    t,
    async ({ say }, name) => {
      const bus = require('slabcast').open({ name }).unref()
      bus.request('t', { wait: true }, { timeout: 600_000 })
      await say('asked')
    },
    name,
  )
  assert.strictEqual(await child.hear(), 'asked')
  assert.strictEqual(await children[0].hear(), 'asked')
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

test('request(topic, message): a thread that asks no more reads no more, and may ask again', async (t) => {
  const { bus, children } = await responders(t, 1)
  for (let round = 0; round < 2; round++) {
    assert.strictEqual(await bus.request('t', 1), children[0].pid)
    assert.strictEqual(bus.stats().members.reading, 2)
    await until(() => bus.stats().members.reading === 1)
  }
})

test('request(topic, message): a thread is asked as a process is, and one that is terminated is gone', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const worker = new Worker(
    `const { workerData, parentPort } = require('node:worker_threads')
     const bus = require('slabcast').open({ name: workerData })
     bus.respond('t', (message) => message === 'never' ? new Promise(() => parentPort.postMessage('asked')) : message)
     parentPort.postMessage('responding')`,
    { eval: true, workerData: name },
  )
  t.after(() => worker.terminate())
  const said = () => new Promise((resolve) => worker.once('message', resolve))
  assert.strictEqual(await said(), 'responding')
  assert.strictEqual(await bus.request('t', 'hi'), 'hi')
  const asked = said()
  const never = bus.request('t', 'never', { timeout: Number.POSITIVE_INFINITY })
  assert.strictEqual(await asked, 'asked')
  await worker.terminate()
  await assert.rejects(never, NO_RESPONDERS)
})

test('request(topic, message): who stands still between the look at who responds and its publish is told when none of them reads on', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const { file, open } = gate(t)
  const child = run(
    t,
    async ({ say }, name, file) => {
      const fs = require('node:fs')
      const { blockUntilOpen } = require('./gate')
      const { Member } = require('../../../js/native')()
      const { asked } = Member.prototype
      let looks = 0
      Member.prototype.asked = function look(topic) {
        const found = asked.call(this, topic)
        // The first one is whether there is anybody at all.
        if (++looks === 2) {
          fs.writeFileSync(`${file}-looked`, '')
          blockUntilOpen(file)
        }
        return found
      }
      const bus = require('slabcast').open({ name })
      await bus.request('t', 1, { timeout: Number.POSITIVE_INFINITY }).catch(({ code }) => say(code))
    },
    name,
    file,
  )
  const subscription = bus.respond('t', () => assert.fail('it is over'))
  await until(() => fs.existsSync(`${file}-looked`))
  subscription.unsubscribe()
  await until(() => bus.stats().members.reading === 1, 'it reads no more: who asks alone does')
  open()
  assert.strictEqual(await child.hear(), 'ERR_NO_RESPONDERS')
})

test('request(topic, message): an answer for which there is no room, nor in the outbox, comes as that error', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb' })
  const { file, open } = gate(t)
  const holder = run(t, holds, name, file)
  assert.strictEqual(await holder.hear(), 'reading')
  holder.say('block')
  assert.strictEqual(await holder.hear(), 'blocked')
  const child = run(
    t,
    async ({ say, hear }, name) => {
      const bus = require('slabcast').open({ name, outbox: '1kb', stallTimeout: Number.POSITIVE_INFINITY })
      process.on('warning', (warning) => say(`warning ${warning.message}`))
      let asked = 0
      bus.respond('t', async (what) => {
        if (++asked === 3) await say('asked')
        await filled
        if (what === 'throw') throw Object.assign(new RangeError('x'.repeat(1000)), { code: 'E_LONG' })
        return 'x'.repeat(5000)
      })
      let fill
      const filled = new Promise((resolve) => {
        fill = resolve
      })
      await say('responding')
      await hear()
      while (bus.publish('else', 'x'.repeat(500)));
      fill()
      await new Promise(setImmediate)
      await say('filled')
      await hear()
    },
    name,
  )
  assert.strictEqual(await child.hear(), 'responding')
  const options = { timeout: Number.POSITIVE_INFINITY }
  const answers = Promise.allSettled(['value', 'throw', 'value'].map((what) => bus.request('t', what, options)))
  assert.strictEqual(await child.hear(), 'asked')
  child.say('fill')
  assert.strictEqual(await child.hear(), 'filled')
  open()
  const [first, thrown, last] = (await answers).map(({ reason }) => reason)
  for (const error of [first, last]) {
    assert.strictEqual(error.code, 'ERR_OUTBOX_FULL')
    assert.match(error.message, /outbox has \d+ bytes left/)
  }
  assert.deepStrictEqual([thrown.name, thrown.code], ['RangeError', 'E_LONG'])
  assert.match(thrown.message, /^x{197}\.\.\.$/, 'its beginning')
  assert.deepStrictEqual(child.unheard, [], 'nobody was warned')
})

/** In a child: asks `count` times, is stuck until the gate is open, and says what became of what it asked. */
async function stuckAsker({ say, hear }, name, file, count) {
  const { blockUntilOpen } = require('./gate')
  const bus = require('slabcast').open({ name })
  const options = { timeout: Number.POSITIVE_INFINITY }
  const answers = Array.from({ length: count }, (_, at) => bus.request('t', at, options))
  const many = bus.requestMany('t', 'many', options)
  await hear()
  await say('stuck')
  blockUntilOpen(file)
  const told = (await Promise.allSettled(answers)).map(
    ({ value, reason }) => value ?? { code: reason.code, lost: reason.lost, message: reason.message },
  )
  const last = (await many).map(({ value, reason }) => value ?? { code: reason.code, lost: reason.lost })
  await say({ told, many: last, after: await bus.request('t', 'after') })
}

/** A thread that asks and is stuck; `act` is given a bus with all of its requests, and answers. */
async function stuck(t, act) {
  const name = uniqueName()
  const bus = openBus(t, { name, size: '64kb', stallTimeout: 50 })
  const asked = []
  let isAnswering = false
  bus.respond('t', (message) => {
    if (isAnswering) return message
    return new Promise((answer) => asked.push(() => answer(message)))
  })
  const { file, open } = gate(t)
  const child = run(t, stuckAsker, name, file, 20)
  await until(() => asked.length === 21)
  child.say('block')
  assert.strictEqual(await child.hear(), 'stuck')
  const isCutOff = () => bus.stats().cutOffs > 0
  const publish = async (isEnough) => {
    for (let at = 0; !isEnough(at); at++)
      if (!bus.publish('noise', 'x'.repeat(500))) await new Promise((resolve) => bus.once('drain', resolve))
  }
  const answer = async () => {
    for (const go of asked) go()
    await turn()
    await until(() => bus.stats().outbox.messages === 0)
  }
  await act({ publish, answer, isCutOff })
  isAnswering = true
  open()
  const said = await child.hear()
  assert.strictEqual(said.after, 'after', 'it asks on')
  return said
}

test('request(topic, message): who was cut off finds the answers that are still there', async (t) => {
  const { told, many } = await stuck(t, async ({ publish, answer, isCutOff }) => {
    await publish(isCutOff)
    await answer()
  })
  assert.deepStrictEqual(told, [...Array(20).keys()])
  assert.deepStrictEqual(many, ['many'])
})

test('request(topic, message): who was cut off and whose answers were overwritten is told so: ERR_TIMEOUT, and how many', async (t) => {
  const { told, many } = await stuck(t, async ({ publish, answer, isCutOff }) => {
    await answer()
    await publish(isCutOff)
    // Another slab.
    await publish((count) => count > 200)
  })
  for (const { code, lost, message } of told) {
    assert.deepStrictEqual({ code, lost }, { code: 'ERR_TIMEOUT', lost: 21 })
    assert.match(message, /stallTimeout.* 21 answers were overwritten.* "t"$/)
  }
  assert.deepStrictEqual(many, [{ code: 'ERR_TIMEOUT', lost: 21 }])
})

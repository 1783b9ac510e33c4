'use strict'

// The judge of tests/torture, on histories made up here: what may be it lets pass, and what cannot be it tells.

const test = require('node:test')
const assert = require('node:assert/strict')

const judging = Promise.all([
  import('../torture/oracle.mjs'),
  import('../torture/notes.mjs'),
  import('../torture/messages.mjs'),
])

const PLAN = { topics: 2, heard: 2, asks: true, maxMessage: 4096, bus: { size: 1 << 20, stallTimeout: 500 } }

/** A round of a publisher (actor 0) that publishes 10 messages of topic 0 at times 100, 110, ... and whoever is told of. */
async function history(plan = PLAN) {
  const [{ judgeNotes }, { KIND, BY }, { expected }] = await judging
  const actors = []
  const actor = (id, about = {}) => {
    const one = { id, settled: true, clean: false, gone: undefined, notes: [], faults: [], ...about }
    actors.push(one)
    one.note = (time, kind, ...values) => {
      const all = new Float64Array(12)
      all.set(values)
      one.notes.push({ kind: KIND[kind], time, values: all })
    }
    /** Message n, to a subscription. */
    one.gets = (time, id, n, redelivered = 0) => {
      const { publisher, n: number, length, crc, raw } = expected(0, 0, n, plan)
      one.note(time, 'RECEIVED', id, 0, publisher, number, n - 1, n, 7, length, crc, raw, 1, redelivered)
    }
    return one
  }
  const publisher = actor(0)
  for (let n = 1; n <= 10; n++) publisher.note(100 + 10 * n, 'PUBLISHED', 100 + 10 * n, 101 + 10 * n, n, 0, 1)
  publisher.note(50, 'SUBSCRIBED', 49, 50, 1, 0, 1, 0)
  for (let n = 1; n <= 10; n++) publisher.gets(300 + n, 1, n)
  return { actor, judge: () => judgeNotes(plan, actors, [10, 0]).faults, BY }
}

/** The judge tells exactly one thing, of that sort; or, with none, nothing. */
function tells(faults, what) {
  if (what === undefined) assert.deepEqual(faults, [])
  else {
    assert.equal(faults.length, 1, faults.join('; '))
    assert.match(faults[0], what)
  }
}

const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at)

for (const [what, got, fault] of [
  ['all', numbers(1, 10)],
  ['a hole', [1, 2, 3, 5, 6, 7, 8, 9, 10], /came when number 4 was next/],
  ['a beginning too late', numbers(2, 10), /begins with 2, 1 was published after it/],
]) {
  test(`a pattern's messages: ${what}`, async () => {
    const { actor, judge } = await history()
    const one = actor(1)
    // 'topic:?'
    one.note(60, 'PSUBSCRIBED', 59, 60, 1, 1, 2)
    for (const n of got) one.gets(300 + n, 1, n)
    // The other topic it matches has no message.
    tells(
      judge().filter((text) => !/topic 1/.test(text)),
      fault,
    )
  })
}

test('a message by a pattern that does not match its topic', async () => {
  const { actor, judge } = await history()
  const one = actor(1, { settled: false })
  // '*:*2'
  one.note(60, 'PSUBSCRIBED', 59, 60, 1, 6, 2)
  one.gets(301, 1, 1)
  tells(judge(), /whose pattern does not match/)
})

for (const [what, replay, after, got, fault] of [
  ['the last 3', 3, -1, numbers(3, 10)],
  ['one twice where past and live meet', 3, -1, [3, 4, 5, 5, 6, 7, 8, 9, 10], /got 5 when 6 was next/],
  ['a hole there', 3, -1, [3, 4, 5, 7, 8, 9, 10], /got 7 when 6 was next/],
  ['fewer than were kept', 3, -1, numbers(5, 10), /begins with 5, and 4 was still there/],
  ['more than asked for', 3, -1, numbers(2, 10), /begins with 2 when 5 was there/],
  ['all after 2', -1, 2, numbers(3, 10)],
  ['not all after 2', -1, 2, numbers(4, 10), /after 2, begins with 4/],
  ['the end is missing', -1, 2, numbers(3, 9), /has everything to 9/],
]) {
  test(`a replay: ${what}`, async () => {
    const { actor, judge } = await history()
    const one = actor(1)
    // When 5 were in the slab.
    one.note(156, 'FOLLOWED', 155, 156, 1, 0, 2, replay, after)
    for (const [at, n] of got.entries()) one.gets(300 + at, 1, n)
    tells(judge(), fault)
  })
}

test('a gap of a replay that tells of what was still there', async () => {
  const { actor, judge } = await history()
  const one = actor(1)
  one.note(156, 'FOLLOWED', 155, 156, 1, 0, 2, -1, 2)
  one.note(300, 'GAP', 2, 0, 3, 4, 2, 1, -1)
  for (const n of numbers(5, 10)) one.gets(300 + n, 1, n)
  tells(judge(), /missed 3 to 4, and the last of them was still there/)
})

test('a gap of a replay that was live, and cut off', async () => {
  const { actor, judge } = await history()
  const one = actor(1)
  one.note(156, 'FOLLOWED', 155, 156, 1, 0, 2, -1, 2)
  one.gets(290, 1, 3)
  one.note(300, 'GAP', 2, 0, 4, 5, 2, 0, -1)
  for (const n of numbers(6, 10)) one.gets(300 + n, 1, n)
  tells(judge())
})

test('a durable subscription: a gap that was not looked for', async () => {
  const { actor, judge } = await history()
  const one = actor(1)
  one.note(60, 'TRIED', 1, 0, 0)
  one.note(61, 'HELD', 60, 61, 1, 0, 2, 0)
  one.note(290, 'GAP', 2, 0, 1, 9, 9, 0, -1)
  one.gets(300, 1, 10)
  one.note(301, 'HANDLED', 1, 10)
  tells(judge(), /not looked for in the slab before/)
})

/** Two lives of a durable subscription: the first gets up to `last`, and ends by `ending`; the second from `first` on. */
async function lives({ last, handled = last, ending, first, redelivered = 0 }) {
  const { actor, judge } = await history()
  const one = actor(1, { settled: false, clean: ending !== 'killed', gone: 190 })
  one.note(60, 'TRIED', 1, 0, 0)
  one.note(61, 'HELD', 60, 61, 1, 0, 2, 0)
  for (const n of numbers(1, last)) {
    one.gets(110 + 10 * n, 1, n)
    if (n <= handled) one.note(111 + 10 * n, 'HANDLED', 1, n)
  }
  if (ending !== 'killed') {
    one.note(185, 'ENDING', 1, ending === 'forgotten' ? 1 : 0)
    one.note(186, 'UNSUBSCRIBED', 1)
  }
  const two = actor(2)
  two.note(195, 'TRIED', 1, 0, 0)
  two.note(196, 'HELD', 195, 196, 1, 0, 2, 0)
  for (const n of numbers(first, 10)) {
    two.gets(300 + n, 1, n, n === first ? redelivered : 0)
    two.note(300.5 + n, 'HANDLED', 1, n)
  }
  return judge()
}

for (const [what, life, fault] of [
  ['closed, it goes on', { last: 4, ending: 'closed', first: 5 }],
  ['closed, it goes on too late', { last: 4, ending: 'closed', first: 6 }, /begins with 6, and might go on with 5/],
  [
    'closed, what was handled comes again',
    { last: 4, ending: 'closed', first: 4, redelivered: 1 },
    /begins with 4, marked/,
  ],
  ['killed with one in its hands', { last: 4, handled: 3, ending: 'killed', first: 4, redelivered: 1 }],
  [
    'killed, and that one is not marked',
    { last: 4, handled: 3, ending: 'killed', first: 4 },
    /begins with 4, and might/,
  ],
  ['killed, and that one is lost', { last: 4, handled: 3, ending: 'killed', first: 6 }, /begins with 6/],
  ['marked after an end in order', { last: 4, ending: 'closed', first: 5, redelivered: 1 }, /begins with 5, marked/],
  ['forgotten, it is live', { last: 4, ending: 'forgotten', first: 10 }],
  ['forgotten, it goes on all the same', { last: 4, ending: 'forgotten', first: 5 }, /might begin live/],
]) {
  test(`a durable subscription: ${what}`, async () => tells(await lives(life), fault))
}

test('a durable subscription: two hold it at once', async () => {
  const { actor, judge } = await history()
  for (const id of [1, 2]) {
    const one = actor(id)
    one.note(60 + id, 'TRIED', 1, 0, 0)
    one.note(60.5 + id, 'HELD', 60 + id, 60.5 + id, 1, 0, 2, 0)
    for (const n of numbers(1, 10)) {
      one.gets(300 + n, 1, n)
      one.note(300.5 + n, 'HANDLED', 1, n)
    }
  }
  assert.ok(judge().some((text) => /holds it, and so does/.test(text)))
})

for (const [what, first, second, about, fault] of [
  ['each one of them', [1, 3, 5, 7, 9], [2, 4, 6, 8, 10], {}],
  ['one twice', [1, 3, 4, 5, 7, 9], [2, 4, 6, 8, 10], {}, /number 4 of topic 0 was taken twice/],
  ['one by nobody', [1, 3, 5, 7, 9], [2, 6, 8, 10], {}, /nobody got 4/],
  ['one in the hands of the dead', [1, 3], [2, 4, 6, 7, 8, 9, 10], { settled: false, gone: 400 }],
  [
    'two by nobody, of which the dead had one',
    [1],
    [2, 4, 6, 7, 8, 9, 10],
    { settled: false, gone: 400 },
    /nobody got/,
  ],
  ['one by nobody, after the death', [1, 3, 5], [2, 4, 6, 7, 8, 10], { settled: false, gone: 185 }, /nobody got 9/],
]) {
  test(`a group: ${what}`, async () => {
    const { actor, judge } = await history()
    for (const [id, got, more] of [
      [1, first, about],
      [2, second, {}],
    ]) {
      const one = actor(id, more)
      one.note(60, 'JOINED', 59, 60, 1, 0, 2, 0)
      for (const n of got) one.gets(300 + n, 1, n)
    }
    tells(judge(), fault)
  })
}

for (const [what, life, fault] of [
  ['an answer', { by: 'ANSWERS', answers: ['2/1'] }],
  ['an answer of who was not asked', { by: 'ANSWERS', answers: ['2/1'], serves: false }, /who was not asked/],
  ['two answers', { by: 'ANSWERS', answers: ['2/1', '2/1'] }, /answered twice/],
  ['nobody, though somebody was there', { by: 'NOBODY' }, /found nobody, and 2\/1 was there/],
  ['nobody, when nobody was', { by: 'NOBODY', leaves: true }],
  ['out of time', { by: 'TIMEOUT', time: 320 }],
  ['out of time too early', { by: 'TIMEOUT', time: 310 }, /timed out after/],
  ['its answers lost, long before its time', { by: 'LOST' }],
  [
    'its answers lost, where nobody is cut off',
    { by: 'LOST', stallTimeout: null },
    /lost its answers, though nobody is ever cut off/,
  ],
  ['of all, one of whom has nothing', { all: 1, missing: 1, by: 'ANSWERS', stallTimeout: null }, /got nothing of 2\/1/],
  ['of all, one of whom had no room for it', { all: 1, missing: 1, full: 1, by: 'ANSWERS', stallTimeout: null }],
  ['no end', {}, /has not ended/],
]) {
  test(`a request: ${what}`, async () => {
    const { stallTimeout = PLAN.bus.stallTimeout } = life
    const { actor, judge, BY } = await history({ ...PLAN, bus: { ...PLAN.bus, stallTimeout } })
    const one = actor(1)
    one.note(300, 'ASKED', 300, 1, 0, 20, life.all ?? 0)
    for (const answer of life.answers ?? []) one.note(305, 'ANSWERED', 1, 0, ...answer.split('/').map(Number))
    if (life.by) one.note(life.time ?? 306, 'ENDED', 1, BY[life.by], life.missing ?? 0, life.full ?? 0)
    const two = actor(2)
    two.note(60, 'RESPONDS', 59, 60, 1, 0)
    if (life.serves !== false) two.note(303, 'SERVED', 1, 0, 1, 1)
    if (life.leaves) two.note(304, 'RESPONDS_NO_MORE', 1)
    const faults = judge()
    if (life.answers?.length === 2) assert.match(faults.join(), fault)
    else tells(faults, fault)
  })
}

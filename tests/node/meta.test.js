'use strict'

// Who gets meta: everybody who could look at it. Those who name one argument alone cannot tell, and it is not made for them.

const test = require('node:test')
const assert = require('node:assert')
const { takesOne } = require('../../js/signature')
const { openBus } = require('./support/bus')
const { until } = require('./support/wait')

/** How a listener may take its arguments so that it sees the second; each tells `see` of it. */
const SEEING = {
  'a second name': (see) => (_message, meta) => see(meta),
  'a default':
    (see) =>
    (_message, meta = 'none') =>
      see(meta),
  'a rest':
    (see) =>
    (...all) =>
      see(all[1]),
  'a rest after the first':
    (see) =>
    (_message, ...rest) =>
      see(rest[0]),
  arguments: (see) =>
    function (_message) {
      // biome-ignore lint/complexity/noArguments: that is what is tried
      see(arguments[1])
    },
  'arguments, by no name at all': (see) =>
    function () {
      // biome-ignore lint/complexity/noArguments: as above
      see(arguments[1])
    },
  'eval, where they have names of their own': (see) =>
    new Function('see', 'return function (message) { see(eval("argu" + "ments[1]")) }')(see),
  'an escape': (see) => new Function('see', 'return function (message) { see(\\u0061rguments[1]) }')(see),
  'a bound function': (see) => ((_self, _message, meta) => see(meta)).bind(null, 'self'),
  'a method': (see) =>
    ({
      heard(_message) {
        // biome-ignore lint/complexity/noArguments: as above
        see(arguments[1])
      },
    }).heard,
  'a proxy': (see) => new Proxy((_message) => {}, { apply: (_target, _self, [, meta]) => see(meta) }),
  'a comment that hides it': (see) => new Function('see', 'return (message /* ) => */, meta) => { see(meta) }')(see),
}

for (const [how, make] of Object.entries(SEEING)) {
  test(`a listener gets meta: ${how}`, async (t) => {
    const bus = openBus(t)
    const seen = []
    bus.subscribe(
      't',
      make((meta) => seen.push(meta)),
    )
    bus.publish('t', 1)
    bus.publish('t', 2)
    await until(() => seen.length === 2)
    assert.deepStrictEqual(
      seen.map((meta) => [meta.topic, meta.sequence]),
      [
        ['t', 1],
        ['t', 2],
      ],
    )
    assert.strictEqual(takesOne(make(() => {})), false)
  })
}

test('of several listeners each gets what it takes, and those who take meta share it', async (t) => {
  const bus = openBus(t)
  const seen = []
  const heard = []
  bus.subscribe('t', (message) => heard.push(message))
  bus.subscribe('t', (_message, meta) => seen.push(meta))
  bus.subscribe('t', (_message, meta) => seen.push(meta))
  bus.publish('t', 'a')
  await until(() => seen.length === 2 && heard.length === 1)
  assert.strictEqual(seen[0], seen[1])
  assert.strictEqual(seen[0].sequence, 1)
})

test('a listener that names one argument alone, in whatever way, is known as such', () => {
  const named = [
    (message) => message,
    async (message) => message,
    new Function('return function (message) { return message }')(),
    function heard(message) {
      return message
    },
    async function heard(message) {
      return message
    },
    ({ user, text: words }) => [user, words],
    new Function('return message => message')(),
  ]
  for (const listener of named) assert.strictEqual(takesOne(listener), true, String(listener))
})

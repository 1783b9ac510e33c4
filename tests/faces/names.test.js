'use strict'

// What hosts call by any string has a topic of its own.

const assert = require('node:assert/strict')
const test = require('node:test')
const ipc = require('slabcast')
const { carried, nameOf, readableOf, topicOf, unreadableOf } = require('../../js/faces/names')

const ODD = [
  '',
  ' ',
  '/',
  '//',
  '%',
  '%2F',
  '#',
  '#a',
  '\0',
  '*',
  '$slabcast/',
  '\ud800',
  '\udc00',
  '\ufffd',
  '\\ud800',
  'é',
  'e\u0301',
  'x'.repeat(300),
  `${'x'.repeat(300)}y`,
  'ü'.repeat(127),
  '__proto__',
]

test('every string has a topic that can be published to', (t) => {
  const bus = ipc.open({ name: `faces-names-${process.pid}`, size: '64kb' })
  t.after(() => bus.close())
  for (const name of ODD) assert.equal(bus.publish(topicOf('rooms', name), 1), true)
})

test('no two names have the same topic, nor have two pairs of them', () => {
  const topics = ODD.map((name) => topicOf('rooms', name))
  // A name that looks like the topic of another.
  topics.push(...topics.map((topic) => topicOf('rooms', topic.slice('slabcast:rooms/'.length))).slice(16))
  const names = new Set([
    ...ODD,
    ...ODD.map((name) => topicOf('rooms', name).slice('slabcast:rooms/'.length)).slice(16),
  ])
  assert.equal(new Set(topics).size, names.size)
  const pairs = ODD.flatMap((first) => ODD.map((second) => topicOf('rooms', first, second)))
  assert.equal(new Set(pairs).size, ODD.length ** 2)
})

test('a name that can be read stays so', () => {
  assert.equal(topicOf('rooms', 'chat/100'), 'slabcast:rooms/chat/100')
  assert.equal(topicOf('socket.io', '/admin', 'a/b'), 'slabcast:socket.io/%2Fadmin/a/b')
})

test('what cannot be read is what the pattern for it matches', (t) => {
  const bus = ipc.open({ name: `faces-patterns-${process.pid}`, size: '64kb' })
  t.after(() => bus.close())
  for (const name of ODD) bus.publish(topicOf('rooms', name), 1)
  const unreadable = new Set(bus.topics(unreadableOf('rooms')).map(({ topic }) => topic))
  for (const name of ODD) {
    const topic = topicOf('rooms', name)
    assert.equal(unreadable.has(topic), topic !== readableOf('rooms') + name, name)
  }
})

test('every name comes back from what the codec carries in its place', () => {
  for (const name of ODD) assert.equal(nameOf(ipc.decode(ipc.encode(carried(name)))), name)
})

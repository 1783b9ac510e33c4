'use strict'

// The chat example without its page: clients of several workers talk by WebSocket, and go on when a worker is killed. What a
// browser makes of it is tests/browser's.

const test = require('node:test')
const assert = require('node:assert/strict')
const path = require('node:path')
const { WebSocket } = require('ws')
const { application } = require('./support/process')
const { until } = require('./support/wait')

const CHAT = path.join(__dirname, '..', '..', 'examples', 'chat')
const ROOM = 'room:100'
const UNNAMED = { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined }

/** A chat of so many workers, and where it listens. */
async function startChat(t, workers) {
  const chat = application(t, [CHAT, '--port', '0', '--workers', String(workers)], { env: UNNAMED })
  const listens = /http:\/\/localhost:(\d+)/
  await until(
    () => listens.test(chat.output) || chat.ended,
    () => `the chat listens: ${chat.output} ${chat.errors}`,
  )
  const [, port] = listens.exec(chat.output) ?? assert.fail(`${chat.output} ${chat.errors}`)
  return { chat, url: `ws://127.0.0.1:${port}/chat` }
}

/** Somebody with a connection to some worker. */
class Person {
  events = []
  isGone = false

  constructor(t, url, name) {
    this.name = name
    this.socket = new WebSocket(url)
    this.socket.on('message', (data) => this.events.push(JSON.parse(data)))
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isGone = true
    })
    t.after(() => this.socket.terminate())
  }

  send(request) {
    this.socket.send(JSON.stringify(request))
  }

  find(type, holds = () => true) {
    return this.events.find((event) => event.type === type && holds(event))
  }

  async sees(type, holds) {
    await until(
      () => this.find(type, holds),
      () => `${this.name} sees "${type}": ${JSON.stringify(this.events.slice(-5))}`,
    )
    return this.find(type, holds)
  }

  /** What was said in its room, and by whose worker, as far as this person has read it. */
  get read() {
    return this.events.filter(({ type }) => type === 'message')
  }
}

/** Comes in, to whichever worker is next. */
async function come(t, url, name) {
  const person = new Person(t, url, name)
  const { id, pid } = await person.sees('welcome')
  Object.assign(person, { id, pid })
  person.send({ type: 'enter', room: ROOM, name })
  // By its worker's word, which came over the bus.
  await person.sees('entered', (event) => event.id === id)
  return person
}

/** Says something, and waits until all those have read it. */
async function say(person, text, everybody) {
  person.send({ type: 'say', text })
  for (const reader of everybody) await reader.sees('message', (message) => message.text === text)
}

test('people on different workers read each other, all in one order, without a hole', async (t) => {
  const { url } = await startChat(t, 3)
  const people = []
  for (const name of ['ann', 'ben', 'cleo']) people.push(await come(t, url, name))
  assert.equal(new Set(people.map(({ pid }) => pid)).size, 3, 'each is on a worker of its own')
  // All at once.
  const EACH = 200
  for (let n = 0; n < EACH; n++) for (const person of people) person.send({ type: 'say', text: `${person.name} ${n}` })
  for (const reader of people)
    await until(
      () => reader.read.length === EACH * people.length,
      () => `${reader.name} reads all: ${reader.read.length}`,
    )
  const order = (reader) => reader.read.map(({ text, sequence, from }) => ({ text, sequence, from }))
  for (const reader of people) {
    assert.deepEqual(order(reader), order(people[0]))
    assert.ok(reader.read.every(({ via }) => via === reader.pid))
    assert.ok(reader.read.every(({ sequence }, at) => sequence === reader.read[0].sequence + at))
  }
  for (const { name, pid } of people) {
    const own = people[0].read.filter(({ from }) => from === pid)
    assert.deepEqual(
      own.map(({ text }) => text),
      Array.from({ length: EACH }, (_, n) => `${name} ${n}`),
    )
  }
})

test('a worker is killed: another comes in its place, the others read on without a hole, its people come back', async (t) => {
  const { chat, url } = await startChat(t, 3)
  const [ann, ben, cleo] = [await come(t, url, 'ann'), await come(t, url, 'ben'), await come(t, url, 'cleo')]
  for (const person of [ann, ben, cleo]) await say(person, `${person.name} is here`, [ann, ben, cleo])
  process.kill(ann.pid, 'SIGKILL')
  await until(() => ann.isGone, 'who was on the dead worker is cut off')
  // The living talk on, whether the next is there or not.
  for (let n = 0; n < 20; n++) await say(n % 2 ? ben : cleo, `meanwhile ${n}`, [ben, cleo])
  const { pid: next } = await ben.sees('came', ({ replaces }) => replaces.includes(ann.pid))
  await cleo.sees('came', ({ pid }) => pid === next)
  await until(() => chat.errors.includes(`worker ${ann.pid} died`), 'the primary says so')
  const back = await come(t, url, 'ann')
  assert.notEqual(back.pid, ann.pid)
  for (const person of [back, ben, cleo]) await say(person, `${person.name} goes on`, [back, ben, cleo])
  for (const reader of [ben, cleo]) {
    assert.equal(reader.find('gap'), undefined)
    assert.ok(reader.read.every(({ sequence }, at) => sequence === reader.read[0].sequence + at))
  }
})

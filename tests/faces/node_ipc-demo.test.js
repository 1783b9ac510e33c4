'use strict'

// Programs of the shape that node_ipc's demo has, as real clusters with real WebSockets: one that was written for it, and
// examples/node_ipc.

const assert = require('node:assert/strict')
const http = require('node:http')
const path = require('node:path')
const test = require('node:test')
const { WebSocket } = require('ws')
const { application } = require('../node/support/process')
const { until } = require('../node/support/wait')

const DEMO = path.join(__dirname, 'node_ipc', 'demo.js')
const EXAMPLE = path.join(__dirname, '..', '..', 'examples', 'node_ipc')
const UNNAMED = { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined }

/** Somebody with a WebSocket to some worker. */
class Client {
  /** The messages of all arrays, and the arrays as they came. */
  heard = []
  arrays = []
  isOpen = false
  isGone = false

  constructor(t, port) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/test`)
    this.socket.on('upgrade', ({ headers }) => {
      this.worker = headers['x-worker']
    })
    this.socket.on('open', () => {
      this.isOpen = true
    })
    this.socket.on('message', (data) => {
      this.arrays.push(String(data))
      this.heard.push(...JSON.parse(data))
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isGone = true
    })
    t.after(() => this.socket.terminate())
  }

  static async connect(t, port) {
    const client = new Client(t, port)
    await until(() => client.isOpen || client.isGone, 'a client is connected')
    assert.ok(client.isOpen)
    return client
  }

  get pid() {
    return Number(/pid=(\d+)/.exec(this.worker)[1])
  }

  say(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message))
  }

  async hears(...messages) {
    const all = () => messages.every((message) => this.heard.some((heard) => isSame(heard, message)))
    await until(all, () => `a client hears ${JSON.stringify(messages)}: ${JSON.stringify(this.heard)}`)
  }
}

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other)

for (const reads of ['sign', 'argument', 'promise'])
  test(`the demo runs with only the module's name changed (reads by ${reads}), also over the death of a worker`, async (t) => {
    const demo = application(t, [DEMO], { env: { ...UNNAMED, DEMO_READS: reads } })
    const workers = () =>
      demo.output
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line))
    await until(
      () => workers().length >= 2 || demo.ended,
      () => `two workers listen: ${demo.output} ${demo.errors}`,
    )
    const [{ port }] = workers()
    const said = (from, n) => ({ groupId: '100', id: from, cmd: 1, cst: n, pos: { x: 0.1, y: 0, z: 0 }, text: 'ü"\\' })

    // Each to the next worker.
    const ann = await Client.connect(t, port)
    const ben = await Client.connect(t, port)
    for (let n = 0; n < 200; n++) {
      ann.say(said('ann', n))
      ben.say(said('ben', n))
    }
    await ben.hears(JSON.stringify(said('ann', 199)))
    await ann.hears(JSON.stringify(said('ben', 199)))
    const all = (from) => Array.from({ length: 200 }, (_, n) => JSON.stringify(said(from, n)))
    assert.deepEqual(ben.heard, all('ann'), 'all that the other one said, in order, and nothing of what it said itself')
    assert.deepEqual(ann.heard, all('ben'))
    assert.ok(ann.arrays.every((array) => array.length > 2))

    // Whose worker it is shows when it is gone.
    const [{ index, pid }] = workers()
    process.kill(pid, 'SIGKILL')
    await until(() => ann.isGone || ben.isGone, 'one is cut off')
    const [stays, name] = ann.isGone ? [ben, 'ann'] : [ann, 'ben']
    await until(
      () => workers().length >= 3,
      () => `a third worker listens: ${demo.output} ${demo.errors}`,
    )
    assert.equal(workers()[2].index, index, 'it has the index of the dead one')
    assert.notEqual(workers()[2].pid, pid)
    // To whichever worker is next: it is the other one's, or the new one.
    const back = [await Client.connect(t, port), await Client.connect(t, port)]
    stays.say(said('stays', 0))
    await until(() => back.some(({ heard }) => heard.length > 0), 'who is on the new worker hears it')
    const news = back.find(({ heard }) => heard.length > 0)
    assert.deepEqual(news.heard, [JSON.stringify(said('stays', 0))])
    news.say(said(name, 'again'))
    await stays.hears(JSON.stringify(said(name, 'again')))
    assert.equal(demo.errors, '')
    demo.process.kill('SIGINT')
    assert.deepEqual(await demo.end(), { code: 0, signal: null })
  })

/** examples/node_ipc with two workers, and its port. */
async function startExample(t) {
  const chat = application(t, [EXAMPLE, '--port', '0'], { env: UNNAMED })
  const listens = /http:\/\/127\.0\.0\.1:(\d+)/
  await until(
    () => listens.test(chat.output) || chat.ended,
    () => `it listens: ${chat.output} ${chat.errors}`,
  )
  const [, port] = listens.exec(chat.output) ?? assert.fail(`${chat.output} ${chat.errors}`)
  return { chat, port }
}

/** Two clients on different workers. */
async function connectTwo(t, port) {
  const one = await Client.connect(t, port)
  for (;;) {
    const other = await Client.connect(t, port)
    if (other.worker !== one.worker) return [one, other]
    other.socket.close()
  }
}

/** A connection that stays with its worker. */
class Connection {
  constructor(t, port) {
    this.port = port
    this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    t.after(() => this.agent.destroy())
  }

  async ask(method, url, body) {
    const options = { port: this.port, host: '127.0.0.1', path: url, method, agent: this.agent }
    const response = await new Promise((resolve, reject) => {
      http.request(options, resolve).on('error', reject).end(body)
    })
    let text = ''
    for await (const part of response.setEncoding('utf8')) text += part
    const worker = response.headers['x-worker']
    assert.equal(worker, this.worker ?? worker, 'the connection is still with its worker')
    this.worker = worker
    return { status: response.statusCode, text }
  }

  /** Connections to each of two workers, as many as are asked for. */
  static async toTwo(t, port, each) {
    const byWorker = new Map()
    while (byWorker.size < 2 || [...byWorker.values()].some((list) => list.length < each)) {
      const connection = new Connection(t, port)
      await connection.ask('GET', '/nothing')
      byWorker.set(connection.worker, [...(byWorker.get(connection.worker) ?? []), connection])
    }
    return [...byWorker.values()]
  }
}

test('the example: clients of different workers, and of the same, hear one another', async (t) => {
  const { port } = await startExample(t)
  const [ann, ben] = await connectTwo(t, port)
  const third = await Client.connect(t, port)
  ann.say({ from: 'ann', text: '1' })
  await ben.hears({ from: 'ann', text: '1' })
  await third.hears({ from: 'ann', text: '1' })
  ben.say({ from: 'ben', text: 'ünï' })
  await ann.hears({ from: 'ben', text: 'ünï' })
  await third.hears({ from: 'ben', text: 'ünï' })
  third.say({ from: 'cleo', text: 'x'.repeat(5000) })
  for (const client of [ann, ben]) await client.hears({ from: 'cleo', text: 'x'.repeat(5000) })
  assert.deepEqual(
    ann.heard.map(({ from }) => from),
    ['ben', 'cleo'],
    'nobody hears what they said',
  )
  // What is no JSON would break the array of all who are told.
  third.say('],[')
  await until(() => third.isGone, 'who sends something else is cut off')
  ann.say({ from: 'ann', text: 'still here' })
  await ben.hears({ from: 'ann', text: 'still here' })
})

test('the example: a worker is killed, and replaced by one of the same index', async (t) => {
  const { chat, port } = await startExample(t)
  const [ann, ben] = await connectTwo(t, port)
  ann.say({ from: 'ann', text: 'before' })
  await ben.hears({ from: 'ann', text: 'before' })
  process.kill(ann.pid, 'SIGKILL')
  await until(() => ann.isGone, 'its client is cut off')
  await until(() => chat.errors.includes(`(${ann.pid}) ended: SIGKILL`), 'the primary says so')
  let back
  do {
    back?.socket.close()
    back = await Client.connect(t, port)
  } while (back.worker === ben.worker)
  assert.equal(back.worker.split(';')[0], ann.worker.split(';')[0], 'the new one has the index of the dead one')
  assert.notEqual(back.pid, ann.pid)
  back.say({ from: 'ann', text: 'after' })
  await ben.hears({ from: 'ann', text: 'after' })
  ben.say({ from: 'ben', text: 'welcome back' })
  await back.hears({ from: 'ben', text: 'welcome back' })
})

test('the example: what is written by one worker is read by the other, once', async (t) => {
  const { port } = await startExample(t)
  const [[one], [other]] = await Connection.toTwo(t, port, 1)
  assert.deepEqual(await other.ask('GET', '/read'), { status: 200, text: '[]' })
  for (const body of ['{"key":"val"}', ' [1, 2] ', '"x"'])
    assert.deepEqual(await one.ask('POST', '/write', body), { status: 200, text: 'testShmWrite response' })
  const read = []
  while (read.length < 3) read.push(...JSON.parse((await other.ask('GET', '/read')).text))
  assert.deepEqual(read, [{ key: 'val' }, [1, 2], 'x'])
  for (const connection of [one, other])
    assert.deepEqual(await connection.ask('GET', '/read'), { status: 200, text: '[]' })
  for (const body of ['', '{', '],[']) assert.equal((await one.ask('POST', '/write', body)).status, 400)
  assert.equal((await one.ask('POST', '/write', `"${'x'.repeat(70_000)}"`)).status, 413)
  assert.deepEqual(await other.ask('GET', '/read'), { status: 200, text: '[]' }, 'none of these was written')
})

test('the example: who requires a semaphore twice waits for its release, and the worker goes on', async (t) => {
  const { port } = await startExample(t)
  const [[one, second], [other]] = await Connection.toTwo(t, port, 2)
  const required = { status: 200, text: 'testSemaRequire response' }
  assert.deepEqual(await one.ask('GET', '/require'), required)
  let isThrough = false
  const waits = second.ask('GET', '/require').then((answer) => {
    isThrough = true
    return answer
  })
  // Every worker has one of its own, and serves others meanwhile.
  assert.deepEqual(await other.ask('GET', '/require'), required)
  assert.deepEqual(await one.ask('POST', '/write', '1'), { status: 200, text: 'testShmWrite response' })
  for (let n = 0; n < 20; n++) await one.ask('GET', '/read')
  assert.equal(isThrough, false)
  assert.deepEqual(await one.ask('GET', '/release'), { status: 200, text: 'testSemaRelease response' })
  assert.deepEqual(await waits, required)
})

test('the example: people in terminals', async (t) => {
  const { chat, port } = await startExample(t)
  const stdio = ['pipe', 'pipe', 'pipe']
  const person = (name) => application(t, [path.join(EXAMPLE, 'client.js'), name, port], { stdio })
  const people = []
  for (const name of ['ann', 'ben']) {
    const one = person(name)
    await until(
      () => one.output.includes('* connected') || one.ended,
      () => `${name} is connected: ${one.errors}`,
    )
    people.push(one)
  }
  const [ann, ben] = people
  ann.process.stdin.write('hello\n')
  await until(
    () => ben.output.includes('ann: hello\n'),
    () => `ben reads it: ${ben.output}`,
  )
  const [, pid] = /pid=(\d+)/.exec(ann.output)
  process.kill(Number(pid), 'SIGKILL')
  await until(() => chat.errors.includes('SIGKILL'), 'a worker is dead')
  await until(() => ann.output.match(/\* connected/g).length === 2, 'ann is connected again')
  ann.process.stdin.write('again\n')
  await until(
    () => ben.output.includes('ann: again\n'),
    () => `ben reads it: ${ben.output}`,
  )
  ann.process.stdin.end()
  assert.deepEqual(await ann.end(), { code: 0, signal: null })
})

test('the example says how it is started', async (t) => {
  for (const args of [['--port', 'x'], ['--workers', '0'], ['--colour']]) {
    const chat = application(t, [EXAMPLE, ...args], { env: UNNAMED })
    assert.equal((await chat.end()).code, 1)
    assert.match(chat.errors, /usage: node examples\/node_ipc/)
  }
})

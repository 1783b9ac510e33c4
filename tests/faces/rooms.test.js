'use strict'

// slabcast/rooms: what is published to a room reaches the sockets that are in it, of all workers, as if one process had them all.

const assert = require('node:assert/strict')
const path = require('node:path')
const test = require('node:test')
const { setFlagsFromString } = require('node:v8')
const { runInNewContext } = require('node:vm')
const { Rooms } = require('slabcast/rooms')
const { WebSocket, WebSocketServer } = require('ws')
const { openBus, uniqueName } = require('../node/support/bus')
const { application, run } = require('../node/support/process')
const { until } = require('../node/support/wait')

const SMALL = { size: '1mb', topics: 1024, members: 16, stallTimeout: Number.POSITIVE_INFINITY }
const PROGRAM = path.join(__dirname, 'rooms', 'program.js')
const serveIn = (t, options) => run(t, (child, file, options) => require(file).main(child, options), PROGRAM, options)

/** A socket that keeps what it is sent. */
class Socket {
  got = []
  send(...args) {
    this.got.push(args)
  }
  get texts() {
    return this.got.map(([text]) => text)
  }
}

/** A client of a server that runs program.js. */
class Client {
  got = []
  #done = 0
  #asked = 0

  constructor(t, port) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}`)
    this.socket.on('message', (data, isBinary) =>
      this.got.push(isBinary ? data.toString('base64') : { text: `${data}` }),
    )
    this.socket.on('pong', () => this.#done++)
    t.after(() => this.socket.terminate())
  }

  /** Resolves when the server has done it. */
  async asks(command) {
    await until(() => this.socket.readyState === WebSocket.OPEN, 'a client is connected')
    this.socket.send(JSON.stringify(command))
    const mine = ++this.#asked
    await until(() => this.#done >= mine, `a server does ${JSON.stringify(command).slice(0, 100)}`)
  }
}

const ROOMS = [
  '',
  'news',
  'a/b',
  '\0',
  '\ud800',
  '\udc00',
  '__proto__',
  '*',
  'x'.repeat(300),
  `${'x'.repeat(300)}y`,
  'é',
  'e\u0301',
]

/** What five clients get, who do always the same, of servers at these ports. */
async function whatClientsGet(t, ports) {
  const clients = Array.from({ length: 5 }, (_, at) => new Client(t, ports[at % ports.length]))
  const [ann, ben, cleo, dora, eve] = clients
  for (const client of clients) await client.asks({ do: 'join', room: 'everybody' })

  // Text and bytes, to who is there and not to who is not.
  for (const client of [ann, ben, cleo]) await client.asks({ do: 'join', room: 'news' })
  await ann.asks({ do: 'join', room: 'news' })
  for (const text of ['', 'a', 'hé 🎉', '["a",1]', 'lone \ud800', 'x'.repeat(100_000)])
    await dora.asks({ do: 'publish', room: 'news', text })
  for (const bytes of [Buffer.alloc(0), Buffer.from([0, 255, 128]), Buffer.from('text'), Buffer.alloc(100_000, 7)])
    await ann.asks({ do: 'publish', room: 'news', bytes: bytes.toString('base64') })

  // But for one: who is in it, who is not, who comes back.
  for (const client of clients) await client.asks({ do: 'publish', room: 'news', text: 'not to me', exceptMe: true })
  await ben.asks({ do: 'leave', room: 'news' })
  await ben.asks({ do: 'publish', room: 'news', text: 'not there', exceptMe: true })
  await ben.asks({ do: 'join', room: 'news' })
  await ben.asks({ do: 'publish', room: 'news', bytes: 'AAAA', exceptMe: true })

  // A room that all leave, and come to again; what is said in between nobody hears.
  for (const client of [ann, ben, cleo]) await client.asks({ do: 'leave', room: 'news' })
  await eve.asks({ do: 'leave', room: 'news' })
  await eve.asks({ do: 'publish', room: 'news', text: 'nobody' })
  for (const client of [eve, cleo]) await client.asks({ do: 'join', room: 'news' })
  await dora.asks({ do: 'publish', room: 'news', text: 'again' })

  // Rooms by any name, none another's.
  for (const [at, room] of ROOMS.entries()) await clients[at % 4].asks({ do: 'join', room })
  for (const [at, room] of ROOMS.entries()) await eve.asks({ do: 'publish', room, text: `to ${at}` })

  // One leaves all of them, one goes.
  await ann.asks({ do: 'leaveAll' })
  await ann.asks({ do: 'join', room: 'everybody' })
  dora.socket.close()
  await until(() => dora.socket.readyState === WebSocket.CLOSED, 'a client is gone')
  for (const room of ROOMS) await ben.asks({ do: 'publish', room, text: 'after some went' })

  await ben.asks({ do: 'publish', room: 'everybody', text: 'the end' })
  for (const client of [ann, ben, cleo, eve])
    await until(() => client.got.at(-1)?.text === 'the end', 'everybody is told the end')
  return clients.map(({ got }) => got)
}

test('clients of three workers get what those of one ws server do that has them all', async (t) => {
  const official = await whatClientsGet(t, [await serveIn(t).hear()])
  const options = { name: uniqueName(), ...SMALL }
  const workers = [serveIn(t, options), serveIn(t, options), serveIn(t, options)]
  const ports = []
  for (const worker of workers) ports.push(await worker.hear())
  const ours = await whatClientsGet(t, ports)
  assert.deepEqual(ours, official)
  // That is something.
  assert.deepEqual(
    ours[2].slice(0, 5),
    ['', 'a', 'hé 🎉', '["a",1]', 'lone \ufffd'].map((text) => ({ text })),
  )
  assert.deepEqual(ours[2].slice(6, 9), ['', 'AP+A', 'dGV4dA=='])
  assert.ok(ours.every((got) => got.length >= 3))
})

test('a worker is killed: the rooms of the others go on, and its own are nobody’s any more', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const options = { name, ...SMALL }
  const [one, two] = [serveIn(t, options), serveIn(t, options)]
  const clients = [new Client(t, await one.hear()), new Client(t, await two.hear())]
  for (const client of clients) await client.asks({ do: 'join', room: 'r' })
  const subscribers = () => bus.topics('slabcast:rooms/*')[0].subscribers
  assert.equal(subscribers(), 2)
  await one.kill()
  await clients[1].asks({ do: 'publish', room: 'r', text: 'goes on' })
  await until(() => clients[1].got.length === 1, 'the living hear each other')
  await until(() => subscribers() === 1, 'the dead is subscribed no more')
})

test('all sockets, of whatever worker, get the messages of a room in one order; who publishes needs no socket', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const work = async ({ say, hear, until }, options) => {
    const { Rooms } = require('slabcast/rooms')
    const rooms = new Rooms({ bus: require('slabcast').open(options) })
    const seen = [[], []]
    for (const got of seen) rooms.join('r', { send: (data) => got.push(data) })
    await say('joined')
    await hear()
    for (let n = 0; n < 300; n++) {
      rooms.publish('r', `${process.pid} ${n}`)
      if (n % 10 === 0) await new Promise(setImmediate)
    }
    await until(
      () => seen.every((got) => got.length === 900),
      () => `all arrive: ${seen.map((got) => got.length)}`,
    )
    await say(seen)
    rooms.close()
  }
  const options = { name, ...SMALL }
  const children = [run(t, work, options), run(t, work, options)]
  for (const child of children) await child.hear()
  for (const child of children) child.say('go')
  const rooms = new Rooms({ bus })
  for (let n = 0; n < 300; n++) {
    rooms.publish('r', `${process.pid} ${n}`)
    if (n % 10 === 0) await new Promise(setImmediate)
  }
  const [[first, second], [third, fourth]] = [await children[0].hear(), await children[1].hear()]
  for (const other of [second, third, fourth]) assert.deepEqual(other, first)
  for (const pid of [process.pid, ...children.map((child) => child.pid)])
    assert.deepEqual(
      first.filter((text) => text.startsWith(`${pid} `)),
      Array.from({ length: 300 }, (_, n) => `${pid} ${n}`),
    )
  for (const child of children) assert.deepEqual(await child.end(), { code: 0, signal: null })
  assert.equal(bus.topics()[0].subscribers, 0)
})

test('a worker has one subscription for a room, from its first socket to its last', async (t) => {
  const bus = openBus(t)
  const rooms = new Rooms({ bus })
  const subscribers = () => bus.topics().map(({ topic, subscribers }) => [topic, subscribers])
  let count = 0
  const subscribe = bus.subscribe.bind(bus)
  bus.subscribe = (...args) => {
    count++
    return subscribe(...args)
  }
  const sockets = [new Socket(), new Socket(), new Socket()]
  rooms.publish('r', 'nobody is there')
  assert.deepEqual(subscribers(), [['slabcast:rooms/r', 0]])
  for (const socket of sockets) {
    rooms.join('r', socket)
    rooms.join('r', socket)
  }
  assert.deepEqual([count, subscribers()], [1, [['slabcast:rooms/r', 1]]])
  rooms.leave('r', sockets[0])
  rooms.leave('r', sockets[0])
  rooms.leaveAll(sockets[1])
  rooms.publish('r', 'one is left')
  await until(() => sockets[2].got.length === 1)
  rooms.leave('other', sockets[2])
  assert.deepEqual(subscribers(), [['slabcast:rooms/r', 1]])
  rooms.leave('r', sockets[2])
  assert.deepEqual([count, subscribers()], [1, [['slabcast:rooms/r', 0]]])
  assert.deepEqual(
    sockets.map(({ got }) => got.length),
    [0, 0, 1],
  )
  rooms.join('r', sockets[0])
  assert.equal(count, 2)
})

test('every socket of a worker is handed the same text or bytes, and whether it is bytes', async (t) => {
  const rooms = new Rooms({ bus: openBus(t) })
  const sockets = [new Socket(), new Socket()]
  for (const socket of sockets) rooms.join('r', socket)
  const bytes = Uint8Array.from([9, 1, 2, 3, 9])
  rooms.publish('r', 'text')
  rooms.publish('r', bytes.subarray(1, 4))
  rooms.publish('r', new DataView(bytes.buffer, 3))
  rooms.publish('r', new Uint16Array([258]))
  rooms.publish('r', bytes.buffer)
  rooms.publish('r', Buffer.from('buffer'), { except: {} })
  // As it was at the call.
  bytes.fill(0)
  await until(() => sockets[1].got.length === 6)
  const [one, two] = sockets.map(({ got }) => got)
  for (const [at, [data]] of one.entries()) assert.equal(two[at][0], data)
  assert.deepEqual(one, [
    ['text', false],
    [Buffer.from([1, 2, 3]), true],
    [Buffer.from([3, 9]), true],
    [Buffer.from([2, 1]), true],
    [Buffer.from([9, 1, 2, 3, 9]), true],
    [Buffer.from('buffer'), true],
  ])
})

test('what is published to any topic of a room by other means is handed on if it is text or bytes, and warned of if not', async (t) => {
  const bus = openBus(t)
  const rooms = new Rooms({ bus })
  const socket = new Socket()
  rooms.join('r', socket)
  const warnings = heedWarnings(t)
  bus.publish('slabcast:rooms/r', Buffer.from('raw'), { raw: true })
  bus.publish('slabcast:rooms/r', { neither: 'nor' })
  bus.publish('slabcast:rooms/r', [])
  bus.publish('slabcast:rooms/r', 'text')
  await until(() => socket.got.length === 2 && warnings.length === 2)
  assert.deepEqual(socket.got, [
    [Buffer.from('raw'), true],
    ['text', false],
  ])
  for (const { code, message } of warnings)
    assert.match(`${code} ${message}`, /^SLABCAST_ROOM .*the room "r" is no text/)
})

test('who joins a room in which others are gets nothing that was published before', async (t) => {
  const rooms = new Rooms({ bus: openBus(t) })
  const [ann, ben] = [new Socket(), new Socket()]
  rooms.join('r', ann)
  rooms.publish('r', 'before')
  rooms.join('r', ben)
  rooms.publish('r', 'after')
  await until(() => ann.got.length === 2)
  assert.deepEqual([ann.texts, ben.texts], [['before', 'after'], ['after']])
  // Who has left and comes again is new.
  rooms.publish('r', 'meanwhile')
  rooms.leave('r', ben)
  rooms.join('r', ben)
  rooms.publish('r', 'again')
  await until(() => ann.got.length === 4)
  assert.deepEqual(ben.texts, ['after', 'again'])
})

test('a socket that is in no room any more is not kept', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  const rooms = new Rooms({ bus: openBus(t) })
  const stays = new Socket()
  rooms.join('r', stays)
  const [leaver, leaverOfAll, excepted] = await (async () => {
    const sockets = [new Socket(), new Socket(), new Socket()]
    for (const socket of sockets) for (const room of ['r', 's']) rooms.join(room, socket)
    for (const room of ['r', 's']) rooms.leave(room, sockets[0])
    rooms.leaveAll(sockets[1])
    rooms.publish('r', 'x', { except: sockets[2] })
    await until(() => stays.got.length === 1)
    rooms.leaveAll(sockets[2])
    return sockets.map((socket) => new WeakRef(socket))
  })()
  await until(() => {
    collect()
    return [leaver, leaverOfAll, excepted].every((socket) => socket.deref() === undefined)
  }, 'they are collected')
  assert.equal(stays.got.length, 1)
})

test('a send may have sockets join and leave: who left gets nothing more, who came not what is being handed out', async (t) => {
  const rooms = new Rooms({ bus: openBus(t) })
  const [leaver, gone, come] = [new Socket(), new Socket(), new Socket()]
  leaver.send = (data) => {
    leaver.got.push([data])
    rooms.leave('r', gone)
    rooms.leave('r', leaver)
    rooms.join('r', leaver)
    rooms.join('r', come)
  }
  rooms.join('r', leaver)
  rooms.join('r', gone)
  rooms.publish('r', 'one')
  await until(() => leaver.got.length > 0)
  rooms.publish('r', 'two')
  await until(() => come.got.length > 0)
  assert.deepEqual([leaver.texts, gone.texts, come.texts], [['one', 'two'], [], ['two']])
})

test('a socket that is closed, or whose send throws, leaves all rooms and keeps nothing from the others', async (t) => {
  const bus = openBus(t)
  const rooms = new Rooms({ bus })
  const [closed, broken, closing, connecting, strange, well] = Array.from({ length: 6 }, () => new Socket())
  closed.readyState = WebSocket.CLOSED
  closing.readyState = WebSocket.CLOSING
  connecting.readyState = WebSocket.CONNECTING
  strange.readyState = 'open'
  broken.send = () => {
    broken.got.push(['tried'])
    throw new Error('it is broken')
  }
  for (const socket of [closed, broken, closing, connecting, strange, well])
    for (const room of ['r', 'other']) rooms.join(room, socket)
  const warnings = heedWarnings(t)
  rooms.publish('r', 'one')
  rooms.publish('other', 'two')
  await until(() => well.got.length === 2)
  assert.deepEqual([broken.texts, closed.texts, closing.texts, connecting.texts], [['tried'], [], [], []])
  assert.deepEqual(strange.texts, ['one', 'two'])
  await until(() => warnings.length > 0)
  const [{ name, code, message, detail }] = warnings
  assert.deepEqual([name, code, warnings.length], ['SlabcastWarning', 'SLABCAST_SOCKET', 1])
  assert.match(message, /its send\(\) threw: it is broken/)
  assert.match(detail, /Error: it is broken\n +at /)
  // Had they not left, these would find them there.
  for (const socket of [closed, broken, closing, connecting]) socket.readyState = WebSocket.OPEN
  rooms.publish('r', 'three')
  await until(() => well.got.length === 3)
  assert.deepEqual([broken.texts, closed.texts, closing.texts, connecting.texts], [['tried'], [], [], ['three']])
})

/** The process' warnings from now on. */
function heedWarnings(t) {
  const warnings = []
  const heed = (warning) => warnings.push(warning)
  process.on('warning', heed)
  t.after(() => process.off('warning', heed))
  return warnings
}

const CLIENTS = { ws: WebSocket, 'Node’s own': globalThis.WebSocket }

for (const [whose, Client] of Object.entries(CLIENTS)) {
  const skip = Client === undefined && 'this Node has no WebSocket of its own'
  test(`a WebSocket of a browser’s kind (${whose}) can be in a room, before it is open, too`, { skip }, async (t) => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
    t.after(() => server.close())
    const got = []
    server.on('connection', (socket) => socket.on('message', (data, isBinary) => got.push([`${data}`, isBinary])))
    await new Promise((resolve) => server.once('listening', resolve))
    const rooms = new Rooms({ bus: openBus(t) })
    const socket = new Client(`ws://127.0.0.1:${server.address().port}`)
    t.after(() => socket.close())
    const other = new Socket()
    for (const one of [socket, other]) rooms.join('r', one)
    rooms.publish('r', 'too early')
    await until(() => other.got.length === 1)
    await until(() => socket.readyState === WebSocket.OPEN, 'the socket is open')
    rooms.publish('r', 'text')
    rooms.publish('r', Buffer.from('bytes'))
    rooms.publish('r', '')
    await until(() => got.at(-1)?.[0] === '', 'what was published arrives')
    // It may have been open before that was handed out.
    if (got[0][0] === 'too early') got.shift()
    assert.deepEqual(got, [
      ['text', false],
      ['bytes', true],
      ['', false],
    ])
  })
}

test('publish returns false and throws ERR_OUTBOX_FULL as the bus does, and what was accepted arrives', async (t) => {
  const bus = openBus(t, { size: '64kb', outbox: '64kb' })
  const rooms = new Rooms({ bus })
  const socket = new Socket()
  rooms.join('r', socket)
  const taken = []
  const fill = () => {
    for (;;) taken.push(rooms.publish('r', 'x'.repeat(1000)))
  }
  assert.throws(fill, { code: 'ERR_OUTBOX_FULL' })
  assert.ok(taken.includes(true) && taken.includes(false))
  await until(() => socket.got.length === taken.length, 'all that was accepted arrives')
  assert.throws(() => rooms.publish('r', 'x'.repeat(40_000)), { code: 'ERR_MESSAGE_TOO_LARGE' })
})

test('close: nobody is in a room any more, the bus goes on, and the process may end', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const child = run(
    t,
    async ({ say, until }, options) => {
      const { Rooms } = require('slabcast/rooms')
      const bus = require('slabcast').open(options)
      const rooms = new Rooms({ bus })
      const socket = { got: [], send: (data) => socket.got.push(data) }
      rooms.join('r', socket)
      rooms.join('s', socket)
      bus.publish('slabcast:rooms/r', 'waits when it closes')
      rooms.close()
      rooms.close()
      const codes = [() => rooms.join('r', socket), () => rooms.publish('r', 'x')].map((act) => {
        try {
          return act()
        } catch (error) {
          return error.code
        }
      })
      rooms.leave('r', socket)
      rooms.leaveAll(socket)
      let done = false
      bus.subscribe('t', () => (done = true), { once: true })
      bus.publish('t', 1)
      await until(() => done)
      await say([socket.got, codes])
    },
    { name, ...SMALL },
  )
  assert.deepEqual(await child.hear(), [[], ['ERR_CLOSED', 'ERR_CLOSED']])
  assert.deepEqual(await child.end(), { code: 0, signal: null })
  assert.deepEqual(
    bus.topics('slabcast:*').map(({ subscribers }) => subscribers),
    [0, 0],
  )
})

test('without a bus named it is the default bus', async (t) => {
  const child = run(t, async ({ say, until }) => {
    const ipc = require('slabcast')
    const rooms = new (require('slabcast/rooms').Rooms)()
    const got = []
    rooms.join('r', { send: (data) => got.push(data) })
    ipc.publish('slabcast:rooms/r', 'text')
    await until(() => got.length === 1)
    rooms.close()
    await say(got)
  })
  assert.deepEqual(await child.hear(), ['text'])
  assert.deepEqual(await child.end(), { code: 0, signal: null })
})

test('wrong arguments are told as Node tells them, and change nothing', (t) => {
  const bus = openBus(t)
  const rooms = new Rooms({ bus })
  const socket = new Socket()
  const type = (message) => ({ name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE', message })
  for (const options of [null, 1, 'bus', [], () => {}])
    assert.throws(() => new Rooms(options), type(/^The "options" argument must be of type object\. Received/))
  for (const wrong of [null, 'name', {}, { publish() {} }])
    assert.throws(() => new Rooms({ bus: wrong }), type(/^The "options\.bus" argument must be a bus/))
  for (const room of [undefined, null, 1, Symbol.iterator, {}]) {
    assert.throws(() => rooms.join(room, socket), type(/^The "room" argument must be of type string/))
    assert.throws(() => rooms.leave(room, socket), type(/"room"/))
    assert.throws(() => rooms.publish(room, 'x'), type(/"room"/))
  }
  for (const wrong of [undefined, null, 1, {}, { send: true }])
    assert.throws(() => rooms.join('r', wrong), type(/^The "socket" argument must be an object with a method send/))
  for (const data of [undefined, null, 1, {}, [], new Date()])
    assert.throws(() => rooms.publish('r', data), type(/^The "data" argument must be of type string or an instance of/))
  for (const options of [null, 'except']) assert.throws(() => rooms.publish('r', 'x', options), type(/"options"/))
  for (const except of [null, 1, 'socket'])
    assert.throws(() => rooms.publish('r', 'x', { except }), type(/^The "options\.except" argument must be a socket/))
  const shared = Buffer.from(new SharedArrayBuffer(4))
  assert.throws(() => rooms.publish('r', shared), { code: 'ERR_NOT_SERIALIZABLE' })
  assert.deepEqual(bus.topics(), [])
  assert.throws(() => Rooms(), TypeError)
})

test('the example serves rooms over three workers, and goes on when one is killed', async (t) => {
  const example = path.join(__dirname, '..', '..', 'examples', 'rooms')
  const env = { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined }
  const app = application(t, [example, '--port', '0', '--workers', '3'], { env })
  await until(
    () => app.output.includes('\n') || app.ended,
    () => `the example listens: ${app.errors}`,
  )
  const [, port] = /http:\/\/localhost:(\d+)\n/.exec(app.output) ?? assert.fail(app.output + app.errors)
  const enter = async (room) => {
    const client = { texts: [], socket: new WebSocket(`ws://127.0.0.1:${port}${room}`) }
    t.after(() => client.socket.terminate())
    client.socket.on('message', (data, isBinary) => client.texts.push(isBinary ? data : `${data}`))
    client.socket.on('error', () => {})
    await until(() => client.texts.length === 1, 'the example greets')
    client.worker = Number(/^you are with worker (\d+)$/.exec(client.texts.shift())[1])
    return client
  }
  const [ann, ben, cleo, elsewhere] = [await enter('/r'), await enter('/r'), await enter('/r'), await enter('/s')]
  assert.equal(new Set([ann, ben, cleo].map(({ worker }) => worker)).size, 3)
  ann.socket.send('hi')
  await until(() => ben.texts.length + cleo.texts.length === 2, 'the others read it')
  cleo.socket.send(Buffer.from('bytes'))
  await until(() => ann.texts.length === 1 && ben.texts.length === 2, 'bytes stay bytes')
  process.kill(cleo.worker, 'SIGKILL')
  await until(() => cleo.socket.readyState === WebSocket.CLOSED, 'its client is cut off')
  const response = await fetch(`http://127.0.0.1:${port}/r`, { method: 'POST', body: 'from nobody' })
  assert.equal(response.status, 200)
  await until(() => ann.texts.length === 2 && ben.texts.length === 3, 'those who are left go on')
  assert.deepEqual(
    [ann.texts, ben.texts],
    [
      [Buffer.from('bytes'), 'from nobody'],
      ['hi', Buffer.from('bytes'), 'from nobody'],
    ],
  )
  assert.deepEqual([cleo.texts, elsewhere.texts], [['hi'], []])
})

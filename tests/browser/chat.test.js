'use strict'

// The chat example as its visitors meet it: a real cluster, real pages, workers that die.

const assert = require('node:assert/strict')
const fs = require('node:fs')
const net = require('node:net')
const os = require('node:os')
const path = require('node:path')
const { after, afterEach, before, describe, test } = require('node:test')
const { WebSocket } = require('ws')
const { Person, isAlive, launch, root, run, startChat, stopChat, until } = require('./people')

const shots = path.join(root, 'build', 'screenshots')

describe('the chat in a browser', () => {
  let browser
  let chat
  const everybody = []

  before(async () => {
    fs.mkdirSync(shots, { recursive: true })
    browser = await launch()
    chat = await startChat(['--port', '0', '--workers', '3'])
  })

  after(async () => {
    await browser?.close()
    if (chat) await stopChat(chat)
  })

  async function come(name, room, options) {
    const person = await Person.come(browser, chat.url, name, room, options)
    everybody.push(person)
    return person
  }

  afterEach(async () => {
    const went = everybody.splice(0)
    await Promise.all(went.map(({ page }) => page.context().close()))
    for (const { name, errors } of went) assert.deepEqual(errors, [], `the console of ${name}`)
  })

  // ann and ben in one room on two workers, cleo in another room on the worker of ben
  async function three() {
    const ann = await come('ann', 'room:100')
    const ben = await come('ben', 'room:100')
    const cleo = await come('cleo', 'room:music')
    const annPid = await ann.pid()
    await ben.moveTo((pid) => pid !== annPid)
    const benPid = await ben.pid()
    await cleo.moveTo((pid) => pid === benPid)
    return { ann, ben, cleo }
  }

  test('people on different workers talk in one room, and nobody in another room hears it', async () => {
    const { ann, ben, cleo } = await three()
    const [annPid, benPid] = [await ann.pid(), await ben.pid()]
    assert.notEqual(annPid, benPid)
    assert.ok(chat.workers().includes(annPid) && chat.workers().includes(benPid))

    await ann.say('hello from ann')
    await ben.reads('hello from ann')
    await ben.say('hello from ben')
    await ann.reads('hello from ben')
    assert.deepEqual(await ben.routeOf('hello from ann'), [annPid, benPid])
    assert.deepEqual(await ann.routeOf('hello from ben'), [benPid, annPid])
    assert.deepEqual(await ann.routeOf('hello from ann'), [annPid, annPid])

    await cleo.say('only music here') // on ben's worker and after both: had they come, they would be here
    assert.equal(await cleo.page.locator('.message').count(), 1)
    assert.equal(await ben.page.locator('.message').count(), 2)

    await cleo.enter('room:100')
    await ann.note('plain', 'cleo came in').waitFor()
    await ann.say('welcome cleo')
    await cleo.reads('welcome cleo')
    await ben.say('and from me')
    await cleo.reads('and from me')
    await cleo.enter('room:music')
    await cleo.reads('only music here')
    await ann.note('plain', 'cleo went to music').waitFor()
  })

  test('who comes late sees everybody, in which room and on which worker, and hears of new names', async () => {
    const { ann, ben, cleo } = await three()
    const dan = await come('dan', 'room:100')
    const expected = Object.fromEntries(chat.workers().map((pid) => [pid, []]))
    for (const person of [ann, ben, cleo, dan]) expected[await person.pid()].push(person.name)
    for (const person of [ann, ben, cleo, dan]) {
      await until(`${person.name} sees everybody`, async () => same(await person.people(), expected))
    }
    assert.equal(await dan.page.locator('.room[data-room="room:100"] .count').textContent(), '3')
    assert.equal(await dan.page.locator('.room[data-room="room:music"] .count').textContent(), '1')

    await ann.page.fill('#name', 'annika')
    await ann.page.press('#name', 'Enter')
    await dan.note('plain', 'ann is now called annika').waitFor()
    await ben.page.context().close()
    await dan.note('plain', 'ben left').waitFor()
    await until(
      'ben is off the lists',
      async () =>
        !Object.values(await dan.people())
          .flat()
          .includes('ben'),
    )
  })

  test('a worker is killed: its people come back by themselves, all see it, and the talk goes on', async () => {
    const { ann, ben, cleo } = await three()
    const [dead, benPid] = [await ann.pid(), await ben.pid()]
    const backs = await ann.note('came', 'you are back').count()
    await ann.say('before')
    await ben.reads('before')

    process.kill(dead, 'SIGKILL')
    await ann.isBackSince(backs)
    const successor = await until('the new worker is in the list of ben', async () =>
      Object.keys(await ben.people())
        .map(Number)
        .find((pid) => pid > 0 && ![dead, benPid].includes(pid) && isNew(pid)),
    )
    function isNew(pid) {
      return chat.err.some((line) => line.includes(`worker ${dead} died`)) && chat.workers().includes(pid)
    }
    assert.ok(successor)
    for (const person of [ann, ben]) {
      await person.note('died', `worker ${dead} died`).waitFor()
      await person.note('came', 'came in its place').waitFor()
      assert.equal(await person.note('died', `worker ${dead} died`).count(), 1)
    }
    for (const person of [ann, ben, cleo]) {
      await until('three workers with all people', async () => {
        const people = await person.people()
        return (
          !people[dead] &&
          Object.keys(people).length === 3 &&
          same(Object.values(people).flat().sort(), ['ann', 'ben', 'cleo'])
        )
      })
    }

    await ann.moveTo((pid) => pid !== benPid)
    await ann.say('ann is back')
    await ben.reads('ann is back')
    await ben.say('so you are')
    await ann.reads('so you are')
    assert.deepEqual(await ben.routeOf('ann is back'), [await ann.pid(), benPid])
  })

  test('what people write stays text', async () => {
    const { ann, ben } = await three()
    const text = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    await ann.page.fill('#name', '<b>ann</b>')
    await ann.page.press('#name', 'Enter')
    await ann.say(text)
    await ben.reads(text)
    assert.equal(await ben.message(text).locator('.head b').textContent(), '<b>ann</b>')
    assert.equal(await ben.page.locator('#stream img, #stream script, #workers b').count(), 0)
    assert.match(await ben.page.title(), /^100 /)
  })

  test('the page by keyboard, by name and on a phone', async () => {
    const ann = await come('ann', 'room:lobby')
    await ann.page.keyboard.press('Alt+ArrowDown')
    await ann.page.locator('.room[data-room="room:100"][aria-current]').waitFor()
    await ann.page.getByLabel('Open another room').fill('kitchen')
    await ann.page.keyboard.press('Enter')
    await ann.page.locator('.room[data-room="room:kitchen"][aria-current]').waitFor()
    await ann.page.getByLabel('Your message').fill('two')
    await ann.page.keyboard.press('Shift+Enter')
    await ann.page.keyboard.type('lines')
    await ann.page.keyboard.press('Enter')
    await ann.page.locator('.message .text', { hasText: /^two\nlines$/ }).waitFor()
    assert.match(ann.page.url(), /#room:kitchen$/)

    const phone = await come('ben', 'room:kitchen', { viewport: { width: 390, height: 844 }, hasTouch: true })
    await phone.page.locator('#show-workers').click()
    await phone.page.locator('.card.own').waitFor()
    await phone.page.keyboard.press('Escape')
    await phone.page.locator('.card.own').waitFor({ state: 'hidden' })
    const width = await phone.page.evaluate(() => document.documentElement.scrollWidth)
    assert.equal(width, 390)
  })

  test('a conversation of many, with a worker killed by its button: the screenshots', async () => {
    const names = ['Ben Okafor', 'Chiara', 'Dmitri', 'Emiko', 'Farid', 'Greta']
    const rooms = ['room:lobby', 'room:lobby', 'room:lobby', 'room:lobby', 'room:music', 'room:help']
    const pids = chat.workers()
    const people = await Promise.all(names.map((name, i) => come(name, rooms[i])))
    for (const [i, person] of people.entries()) await person.moveTo((pid) => pid === pids[i % 3])
    const [ben, chiara, dmitri, emiko, farid] = people
    const ann = await come('Ann', 'room:help')
    await ann.moveTo((pid) => pid === pids[2])
    await ann.enter('room:lobby')

    await ben.say('Morning all. The new build is on the staging machine, four cores, three workers.')
    await chiara.say('Nice! I am on another process than you and still read you instantly.')
    await ann.say('Same here. Look at the little numbers on the right: who published, who delivered.')
    await dmitri.say('So where does the message go in between? Is there a Redis somewhere?')
    await ben.say('No server at all. It lies in shared memory, each worker reads it from there.')
    await ben.say('The primary only forks. It does not even load the package.')
    await emiko.say('And if a worker dies in the middle of a sentence?')
    await ann.say('Let us see. Chiara, sorry about that :)')
    for (const person of [ann, ben, chiara, dmitri, emiko])
      await person.reads('Let us see. Chiara, sorry about that :)')

    const backs = await Promise.all([chiara, farid].map((person) => person.note('came', 'you are back').count()))
    await ann.page.getByLabel(`Kill worker ${pids[1]}`).click()
    await ann.page.locator(`.card[data-pid="${pids[1]}"][data-state="dead"]`).waitFor()
    await ann.page.screenshot({ path: path.join(shots, 'chat-worker-died.png') })
    await Promise.all([chiara, farid].map((person, i) => person.isBackSince(backs[i])))
    await ann.note('died', `worker ${pids[1]} died`).waitFor()
    await until('Chiara is back', async () =>
      Object.values(await ann.people())
        .flat()
        .includes('Chiara'),
    )

    await chiara.say('Back already. I did not touch anything, the page did it.')
    await dmitri.say('All right, I am convinced.')
    await ann.reads('All right, I am convinced.')
    await ann.page.locator(`.card[data-pid="${pids[1]}"]`).waitFor({ state: 'detached' })
    await ann.page.locator('#text').focus()
    for (const colorScheme of ['light', 'dark']) {
      await ann.page.emulateMedia({ colorScheme })
      await ann.page.screenshot({ path: path.join(shots, `chat-desktop-${colorScheme}.png`), animations: 'disabled' })
    }
    await ann.page.emulateMedia({ colorScheme: 'light' })
    await ann.page.setViewportSize({ width: 390, height: 844 })
    await ann.page.locator('#show-workers').waitFor()
    await ann.page.screenshot({ path: path.join(shots, 'chat-phone.png'), animations: 'disabled' })
    await ann.page.locator('#show-workers').click()
    await ann.page.locator('#hide-workers').waitFor()
    await ann.page.screenshot({ path: path.join(shots, 'chat-phone-workers.png'), animations: 'disabled' })
  })
})

describe('the chat at its edges', () => {
  const chats = []

  afterEach(async () => {
    await Promise.all(chats.splice(0).map((chat) => stopChat(chat)))
  })

  async function start(...given) {
    const chat = await startChat(...given)
    chats.push(chat)
    return chat
  }

  test('what a client sends wrongly is refused with a sentence, and no worker minds', async () => {
    const chat = await start(['--port', '0', '--workers', '1'])
    const [pid] = chat.workers()
    const client = await connect(chat)
    const wrong = [
      'not json',
      'null',
      '[]',
      '{}',
      '{"type":"__proto__"}',
      '{"type":"constructor"}',
      '{"type":"say","text":"in no room"}',
      '{"type":"enter","room":"presence","name":"x"}',
      '{"type":"enter","room":"room:a b","name":"x"}',
      '{"type":"enter","room":"room:100"}',
      '{"type":"enter","room":"room:100","name":"\\u200b \\u202e"}',
      JSON.stringify({ type: 'enter', room: 'room:100', name: 'x'.repeat(33) }),
      JSON.stringify({ type: 'say', text: 'x'.repeat(2001) }),
      '{"type":"kill","pid":"1"}',
      '{"type":"kill","pid":1}',
      Buffer.from('{"type":"kill","pid":1}'),
    ]
    for (const data of wrong) client.socket.send(data)
    await until('all are refused', () => client.heard.filter(({ type }) => type === 'refused').length === wrong.length)

    client.socket.send('{"type":"enter","room":"room:100","name":"half \\ud800"}')
    client.socket.send('{"type":"say","text":"half \\ud800 \\u0007done"}')
    const message = await until('half a pair is mended', () => client.heard.find(({ type }) => type === 'message'))
    assert.equal(message.text, 'half \ufffd done')
    assert.equal(message.name, 'half \ufffd')

    client.socket.send('x'.repeat(17 * 1024))
    assert.equal(await client.closed, 1009)
    assert.equal((await connect(chat, { origin: 'http://elsewhere.example' })).status, 401)
    assert.equal((await connect(chat, { origin: chat.url })).status, 101)
    assert.equal((await fetch(`${chat.url}/../worker.js`)).status, 404)
    assert.equal((await fetch(`${chat.url}/`, { method: 'POST' })).status, 405)
    assert.deepEqual(chat.workers(), [pid])
  })

  test('wrong arguments and a taken port end it with a sentence', async () => {
    await ends(['--port', 'abc'], /--port takes a whole number from 0 to 65535, not 'abc'/)
    await ends(['--workers', '0'], /--workers takes a whole number from 1 to 64, not '0'/)
    await ends(['--colour', 'red'], /Unknown option '--colour'/)

    const other = net.createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address()
    await ends(['--port', String(port)], new RegExp(`port ${port} is taken; choose another with --port`))
    other.close()
  })

  test('without a port it takes the next free one', async () => {
    const one = await start(['--workers', '1'])
    const two = await start(['--workers', '1'])
    const ports = [one, two].map(({ url }) => Number(new URL(url).port))
    assert.ok(ports[0] >= 3000 && ports[1] >= 3000 && ports[0] !== ports[1])
  })

  test('a worker that dies again and again is replaced with growing waits, until one lives', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'chat-'))
    const preload = path.join(folder, 'dies.js')
    fs.writeFileSync(
      preload,
      `const cluster = require('node:cluster')
      const { Server } = require('node:net')
      const { emit } = Server.prototype
      if (cluster.isWorker && cluster.worker.id > 1 && cluster.worker.id < 5) {
        Server.prototype.emit = function (name, ...rest) {
          emit.call(this, name, ...rest)
          if (name === 'listening') process.kill(process.pid, 'SIGKILL')
        }
      }`,
    )
    const options = `${process.env.NODE_OPTIONS ?? ''} --require ${preload}`
    const chat = await start(['--port', '0', '--workers', '1'], { NODE_OPTIONS: options })
    const [first] = chat.workers()
    const client = await connect(chat)
    assert.equal(client.heard[0].pid, first)
    process.kill(first, 'SIGKILL')
    await until('four died', () => chat.err.length === 4)
    const waits = chat.err.slice(1).map((line) => Number(/next in (\d+) ms$/.exec(line)[1]))
    assert.ok(waits[0] < waits[1] && waits[1] < waits[2])

    const welcome = await until('the last one lives', async () => (await connect(chat)).heard?.[0])
    assert.deepEqual(
      welcome.workers.map(({ pid }) => pid),
      chat.workers(),
    )
    assert.equal(chat.out.length, 1)
    fs.rmSync(folder, { recursive: true })
  })

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL']) {
    test(`${signal} to the primary leaves no process`, async () => {
      const chat = await start(['--port', '0', '--workers', '3'])
      const workers = chat.workers()
      assert.equal(workers.length, 3)
      const client = await connect(chat)
      client.socket.send('{"type":"enter","room":"room:100","name":"ann"}')
      await until('ann is in', () => client.heard.some(({ type }) => type === 'entered'))
      await stopChat(chat, signal)
      assert.deepEqual(workers.filter(isAlive), [])
      await client.closed
    })
  }
})

// { status, socket, heard, closed }: heard begins with the welcome
async function connect(chat, options = {}) {
  const heard = []
  const socket = new WebSocket(`${chat.url.replace('http', 'ws')}/chat`, options)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.on('message', (data) => heard.push(JSON.parse(data)))
  const status = await new Promise((resolve) => {
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode))
    socket.once('message', () => resolve(101))
    socket.on('error', () => resolve(0))
  })
  if (status !== 101) socket.terminate()
  return { status, socket, heard, closed }
}

async function ends(args, expected) {
  const chat = run(args)
  assert.deepEqual(await chat.ended, { code: 1, signal: null })
  assert.match(chat.err.join('\n'), expected)
  assert.deepEqual(chat.out, [])
}

function same(a, b) {
  try {
    assert.deepEqual(a, b)
    return true
  } catch {
    return false
  }
}

'use strict'

// Every process of one application lands on the same default bus, with no code in the primary and no settings; and no
// process of another does.

const test = require('node:test')
const assert = require('node:assert')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { openBus, uniqueName } = require('./support/bus')
const { application, run, runWith } = require('./support/process')
const { until } = require('./support/wait')

const APPLICATION = path.join(__dirname, 'support', 'application.js')

// An application does not inherit what names a bus, nor pm2's environment.
const UNNAMED = { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined }

const start = (t, shape, env = {}) => application(t, [APPLICATION, shape], { env: { ...UNNAMED, ...env } })

/** What each process of an application has seen so far: { who: [...] }. */
function sights({ output }) {
  const sees = {}
  for (const line of output.split('\n').slice(0, -1)) {
    const said = JSON.parse(line)
    sees[said.who] = said.sees
  }
  return sees
}

/** Waits until all those see all those, and nobody else. */
async function meets(app, everyone) {
  const expected = JSON.stringify(everyone)
  const met = () => everyone.every((who) => JSON.stringify(sights(app)[who]) === expected)
  await until(met, () => `${expected} meet: ${JSON.stringify(sights(app))} ${app.errors}`)
}

const SHAPES = {
  'cluster with a primary that takes part': ['a', 'b', 'main'],
  'cluster whose primary does not load slabcast': ['a', 'b'],
  'forked children': ['a', 'b', 'main'],
  'forked children and grandchildren, with one between that does not take part': ['a', 'b', 'c', 'main'],
  'worker threads': ['a', 'b', 'main'],
  'worker threads of forked children': ['a', 'b'],
}

for (const [shape, everyone] of Object.entries(SHAPES)) {
  test(`one default bus: ${shape}`, async (t) => {
    const app = start(t, shape)
    await meets(app, everyone)
    assert.deepStrictEqual(Object.keys(sights(app)).sort(), everyone)
  })
}

test('two applications do not meet, though one started them both', async (t) => {
  const one = start(t, 'forked children', { APPLICATION: 'one ' })
  const two = start(t, 'forked children', { APPLICATION: 'two ' })
  const alone = start(t, 'alone', { APPLICATION: 'alone ' })
  // All of them publish all the time: whoever could see a stranger sees it while the others find each other.
  await Promise.all([
    meets(one, ['one a', 'one b', 'one main']),
    meets(two, ['two a', 'two b', 'two main']),
    meets(alone, ['alone main']),
  ])
  assert.deepStrictEqual(sights(alone), { 'alone main': ['alone main'] })
  for (const [app, its] of [
    [one, 'one '],
    [two, 'two '],
  ])
    for (const seen of Object.values(sights(app)).flat()) assert.ok(seen.startsWith(its), `${its} sees ${seen}`)
})

test('an application that is run again has another default bus', async (t) => {
  const script = 'console.log(require("./js/discovery").defaultBus().name)'
  const names = []
  for (let round = 0; round < 2; round++) {
    const app = application(t, ['-e', script], { cwd: path.join(__dirname, '..', '..'), env: UNNAMED })
    assert.deepStrictEqual(await app.end(), { code: 0, signal: null })
    names.push(app.output)
  }
  assert.match(names[0], /^app-[0-9a-f]{16}\n$/)
  assert.notStrictEqual(names[0], names[1])
})

test('SLABCAST_BUS names the default bus: applications that share it meet, also with open({ name })', async (t) => {
  const name = uniqueName()
  const bus = openBus(t, { name })
  const seen = new Set()
  bus.subscribe('here', (who) => seen.add(who))
  const [alone, others] = [
    start(t, 'alone', { SLABCAST_BUS: name }),
    start(t, 'forked children', { SLABCAST_BUS: name }),
  ]
  await until(
    () => seen.size === 3,
    () => `all are seen: ${[...seen]}`,
  )
  await meets(others, ['a', 'b', 'main'])
  await until(() => sights(alone).main?.length === 3)
})

test('an empty SLABCAST_BUS is none', async (t) => {
  const app = start(t, 'forked children', { SLABCAST_BUS: '' })
  await meets(app, ['a', 'b', 'main'])
})

test('an invalid SLABCAST_BUS is an error that names it, at first use and not at require', async (t) => {
  const work = async ({ say }) => {
    const ipc = require('slabcast')
    const attempts = [() => ipc.publish('t', 1), () => ipc.subscribe('t', () => {}), () => ipc.open()]
    for (const attempt of attempts) {
      try {
        attempt()
        await say('accepted')
      } catch ({ name, code, message }) {
        await say({ name, code, names: message.includes('SLABCAST_BUS') })
      }
    }
    // A named bus does not care.
    const bus = ipc.open({ name: `named-${process.pid}`, size: '64kb' })
    await say(bus.publish('t', 1))
    await bus.close()
  }
  for (const invalid of ['a b', '../up', 'x'.repeat(65), '..']) {
    const child = runWith(t, { env: { SLABCAST_BUS: invalid } }, work)
    for (let attempt = 0; attempt < 3; attempt++)
      assert.deepStrictEqual(await child.hear(), { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE', names: true })
    assert.strictEqual(await child.hear(), true)
    assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
  }
})

test('one bus for each pm2 application, not for each daemon', async (t) => {
  const pm2 = (name, pm_id) => ({ PM2_HOME: `/home/${process.pid}/.pm2`, name, pm_id })
  const [chat0, chat1, other] = [pm2('chat', '0'), pm2('chat', '1'), pm2('other', '2')].map((env) =>
    runWith(t, { env: { ...UNNAMED, ...env } }, async ({ say, hear, until }) => {
      const ipc = require('slabcast')
      const seen = new Set()
      ipc.subscribe('here', (who) => seen.add(who))
      await say('listening')
      await hear()
      ipc.publish('here', process.env.pm_id)
      await until(() => seen.size === (process.env.name === 'chat' ? 2 : 1))
      await say([...seen].sort())
      await hear()
      await say([...seen].sort())
      await ipc.close()
    }),
  )
  for (const child of [chat0, chat1, other]) await child.hear()
  for (const child of [chat0, chat1, other]) child.say('publish')
  for (const round of [1, 2]) {
    assert.deepStrictEqual(await chat0.hear(), ['0', '1'], `round ${round}`)
    assert.deepStrictEqual(await chat1.hear(), ['0', '1'])
    assert.deepStrictEqual(await other.hear(), ['2'])
    for (const child of [chat0, chat1, other]) child.say('again')
  }
})

test('under `node --watch` the bus stays the same over restarts', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'watched-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'app.js')
  const discovery = path.join(__dirname, '..', '..', 'js', 'discovery.js')
  const write = (version) =>
    fs.writeFileSync(
      file,
      `const { name } = require(${JSON.stringify(discovery)}).defaultBus()
      process.stdout.write(JSON.stringify({ version: ${version}, pid: process.pid, name }) + '\\n')
      process.on('disconnect', () => process.exit())`,
    )
  write(1)
  const app = application(t, ['--watch', file], { env: UNNAMED })
  const starts = () =>
    app.output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line))
  await until(
    () => starts().length > 0,
    () => `the watched program starts: ${app.output} ${app.errors}`,
  )
  // The watcher may not watch yet when the program starts: written again until it is seen.
  let version = 1
  const writing = setInterval(() => write(++version), 500)
  t.after(() => clearInterval(writing))
  await until(() => starts().some(({ version }) => version > 1), 'the watched program is restarted')
  clearInterval(writing)
  const [first] = starts()
  const last = starts().at(-1)
  assert.notStrictEqual(first.pid, last.pid)
  assert.strictEqual(first.name, last.name)
})

test('CommonJS and ES modules give the same bus, errors and names', async (t) => {
  const app = application(t, [path.join(__dirname, 'support', 'modules.mjs')], { env: UNNAMED })
  assert.deepStrictEqual(await app.end(), { code: 0, signal: null }, app.errors)
  assert.deepStrictEqual(JSON.parse(app.output), {
    same: true,
    names: true,
    isError: true,
    seen: [
      ['import', 1],
      ['require', 1],
      ['open', 1],
    ],
  })
})

test('open without a name is a further handle of the default bus', async (t) => {
  const child = runWith(t, { env: UNNAMED }, async ({ say, until }) => {
    const ipc = require('slabcast')
    const bus = ipc.open({ outbox: '1mb' })
    const seen = []
    bus.subscribe('t', (message, { publisher }) => seen.push([message, publisher.member]))
    ipc.publish('t', 'ipc')
    bus.publish('t', 'bus')
    await until(() => seen.length === 2)
    await bus.close()
    // The default bus goes on.
    const more = []
    ipc.subscribe('t', (message) => more.push(message))
    ipc.publish('t', 'more')
    await until(() => more.length === 1)
    await ipc.close()
    await say(seen)
  })
  assert.deepStrictEqual(await child.hear(), [
    ['ipc', 1],
    ['bus', 1],
  ])
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

test('nothing happens before the first use: no binary is loaded, nothing is made, the process ends', async (t) => {
  const child = run(t, async ({ say }) => {
    const ipc = require('slabcast')
    ipc.on('gap', () => {})
    ipc.ref().unref()
    const listenersOf = (event) => process.listenerCount(event)
    const binaries = Object.keys(require.cache).filter((file) => file.endsWith('.node'))
    await say({ binaries, exit: listenersOf('exit') })
    await ipc.close()
  })
  assert.deepStrictEqual(await child.hear(), { binaries: [], exit: 0 })
  assert.deepStrictEqual(await child.end(), { code: 0, signal: null })
})

'use strict'

// pm2, cluster mode: one daemon is the parent of every instance of every application, and each application has a bus of its own.

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { folderOf, openBus } = require('../node/support/bus')
const { application } = require('../node/support/process')
const { until } = require('../node/support/wait')
const { project } = require('./support/project')
const { tools } = require('./support/tools')

/** Says which instances of its application it hears, itself among them, each time there is one more. */
const INSTANCE = `
const ipc = require('slabcast')
const { defaultBus } = require('./node_modules/slabcast/js/discovery')
const seen = new Set()
const me = process.env.name + ' ' + process.pid
ipc.subscribe('here', (who, { publisher }) => {
  if (who !== me && publisher.pid === process.pid) throw new Error('not from ' + who)
  if (seen.has(who)) return
  seen.add(who)
  console.log(JSON.stringify({ me, bus: defaultBus().name, sees: [...seen] }))
})
setInterval(() => ipc.publish('here', me), 10)
`

/** A pm2 of the test's own, with a daemon and a home of its own; both are gone when the test ends. */
function daemon(t) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'slabcast-pm2-'))
  const env = { PM2_HOME: home, PM2_DISABLE_VERSION_CHECK: 'true', SLABCAST_BUS: undefined, pm_id: undefined }
  const pm2 = async (...args) => {
    const command = application(t, [tools.pm2, ...args], { cwd: home, env })
    const { code } = await command.end()
    assert.equal(code, 0, `pm2 ${args}: ${command.output} ${command.errors}`)
    return command.output
  }
  t.after(async () => {
    const file = path.join(home, 'pm2.pid')
    if (fs.existsSync(file)) {
      const pid = Number(fs.readFileSync(file, 'utf8'))
      await pm2('kill')
      await until(() => !fs.existsSync(`/proc/${pid}`), 'the daemon ends')
    }
    fs.rmSync(home, { recursive: true, force: true })
  })
  return pm2
}

/** What the instances of an application have said: pid -> the pids it sees, and the buses they are on. */
function sights(file) {
  const lines = fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
  const said = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
  return {
    sees: new Map(said.map(({ me, sees }) => [me, sees])),
    buses: [...new Set(said.map(({ bus }) => bus))],
  }
}

test('one bus for each application of a pm2 daemon, over reloads of its instances', async (t) => {
  const apps = [
    { name: 'chat', exec_mode: 'cluster', instances: 3 },
    { name: 'shop', exec_mode: 'cluster', instances: 2 },
    { name: 'cron', exec_mode: 'fork', instances: 2 },
  ]
  // Before the project, so that the instances end before their files.
  const pm2 = daemon(t)
  const folder = project(t, { 'app.js': INSTANCE })
  const log = (name) => path.join(folder, `${name}.log`)
  const common = { script: 'app.js', cwd: folder, merge_logs: true, vizion: false, pmx: false }
  const ecosystem = {
    apps: apps.map((app) => ({ ...common, ...app, out_file: log(app.name), error_file: '/dev/null' })),
  }
  const config = path.join(folder, 'ecosystem.json')
  fs.writeFileSync(config, JSON.stringify(ecosystem))

  /** The pids that pm2 runs of an application. */
  const pids = async (name) => (await pm2('pid', name)).trim().split('\n').map(Number)
  const meet = async (app) => {
    const everyone = (await pids(app.name)).map((pid) => `${app.name} ${pid}`)
    assert.equal(everyone.length, app.instances)
    const met = () => {
      const { sees } = sights(log(app.name))
      return everyone.every((one) => everyone.every((other) => sees.get(one)?.includes(other)))
    }
    await until(met, () => `all of ${everyone} meet: ${JSON.stringify([...sights(log(app.name)).sees])}`)
    return everyone
  }

  await pm2('start', config)
  const before = []
  for (const app of apps) before.push(await meet(app))

  const buses = apps.map(({ name }) => sights(log(name)).buses)
  for (const bus of buses) assert.equal(bus.length, 1, 'the instances of an application name the same bus')
  assert.equal(new Set(buses.flat()).size, apps.length, 'each application names its own')

  await pm2('reload', 'chat')
  const after = await meet(apps[0])
  for (const instance of after) assert.ok(!before[0].includes(instance), `${instance} is a new process`)
  for (const [at, app] of apps.entries()) {
    const { sees, buses: now } = sights(log(app.name))
    assert.deepEqual(now, buses[at], 'the bus stays the same over a reload')
    for (const who of [...sees.values()].flat()) assert.ok(who.startsWith(`${app.name} `), `${app.name} sees ${who}`)
  }

  await pm2('delete', 'chat')
  // pm2 ends instances by a signal: what the last one left goes with whoever opens a bus next.
  openBus(t)
  assert.ok(!fs.existsSync(folderOf(buses[0][0])), 'nothing is left of the bus of an application that is deleted')
  for (const bus of [buses[1][0], buses[2][0]]) assert.ok(fs.existsSync(folderOf(bus)), 'the others go on')
})

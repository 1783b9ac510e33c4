'use strict'

// `node --watch`: the program is ended and started again, and is on its application's bus each time.

const test = require('node:test')
const assert = require('node:assert/strict')
const fs = require('node:fs')
const path = require('node:path')
const { openBus } = require('../node/support/bus')
const { application } = require('../node/support/process')
const { until } = require('../node/support/wait')
const { project } = require('./support/project')
const { VERSIONS, node } = require('./support/tools')

const UNNAMED = { SLABCAST_BUS: undefined, PM2_HOME: undefined, pm_id: undefined }

/** Answers with its version; says on which bus it is. */
const program = (version) => `
const ipc = require('slabcast')
const { defaultBus } = require('./node_modules/slabcast/js/discovery')
ipc.subscribe('ask', (number) => ipc.publish('answer', { number, version: ${version} }))
console.log(JSON.stringify({ bus: defaultBus().name }))
// The watcher was killed with the test.
process.on('disconnect', () => process.exit())
`

for (const version of VERSIONS) {
  test(`node --watch in Node ${version}: who is restarted is on the same bus, and answers as before`, async (t) => {
    const folder = project(t, { 'app.js': program(1) })
    const file = path.join(folder, 'app.js')
    const app = application(t, ['--watch', file], { cwd: folder, env: UNNAMED, execPath: node(version) })
    const starts = () => app.output.split('\n').filter((line) => line.startsWith('{'))
    await until(
      () => starts().length > 0,
      () => `the watched program starts: ${app.output} ${app.errors}`,
    )
    const { bus: name } = JSON.parse(starts()[0])

    const bus = openBus(t, { name })
    const [answers, left] = [new Set(), []]
    bus.subscribe('answer', (answer) => answers.add(answer.version))
    bus.on('leave', ({ pid }) => left.push(pid))
    let asked = 0
    const asking = setInterval(() => bus.publish('ask', asked++), 10)
    t.after(() => clearInterval(asking))
    await until(() => answers.has(1), 'the program answers')

    for (const next of [2, 3]) {
      // The watcher may not watch yet when the program runs: written again until it is seen.
      const write = () => fs.writeFileSync(file, program(next))
      write()
      const writing = setInterval(write, 1000)
      try {
        await until(
          () => answers.has(next),
          () => `version ${next} answers: ${app.output} ${app.errors}`,
        )
      } finally {
        clearInterval(writing)
      }
    }
    await until(() => left.length >= 2, 'those that were ended are told')
    assert.equal(new Set(left).size, left.length, 'each by a process of its own')
    assert.equal(new Set(starts()).size, 1, 'all were on one bus')
    await until(() => bus.members().length === 2, 'the one that runs, and this')
  })
}

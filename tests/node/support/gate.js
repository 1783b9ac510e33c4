'use strict'

// A gate that holds a process' event loop shut until the test opens it: a file that is there or not.

const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { exists, isWindows } = require('./system')
const { until } = require('./wait')

/** A closed gate; opened at the latest when the test ends. */
function gate(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'gate-'))
  const file = path.join(folder, 'open')
  const open = () => fs.writeFileSync(file, '')
  t.after(() => {
    open()
    setTimeout(() => fs.rmSync(folder, { recursive: true, force: true }), 100)
  })
  return { file, open }
}

/** Blocks this thread, event loop and all, until the gate is open, or the process that holds it is gone. */
function blockUntilOpen(file) {
  const nothing = new Int32Array(new SharedArrayBuffer(4))
  const parent = process.ppid
  // Elsewhere than on Windows an orphan gets another parent.
  const isOrphan = () => process.ppid !== parent || (isWindows && !exists(parent))
  while (!fs.existsSync(file) && !isOrphan()) Atomics.wait(nothing, 0, 0, 2)
}

/**
 * What tells a reader that was stuck and may have been cut off that it reads again: what is published from then on reaches
 * it. Its own message came, or it was told that it missed it.
 */
function readsOn(bus) {
  const topic = `reads on ${process.pid}`
  let sent = 0
  let passed = 0
  bus.subscribe(topic, (number) => {
    passed = number
  })
  bus.on('gap', (gap) => {
    if (gap.topic === topic) passed = gap.to
  })
  return () => {
    bus.publish(topic, ++sent)
    return until(() => passed === sent, 'a reader reads on')
  }
}

module.exports = { blockUntilOpen, gate, readsOn }

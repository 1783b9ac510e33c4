'use strict'

// Buses of a test: names nobody else has, handles that are closed when the test ends, and that nothing of them is left.

const assert = require('node:assert')
const fs = require('node:fs')
const { after } = require('node:test')
const slabcast = require('slabcast')
const { folderOf, segmentOf } = require('./system')

let count = 0

// Where a test ended its last member by force, the next open of any bus cleans up.
after(() => slabcast.open({ name: uniqueName(), size: '64kb' }).close())

/** A name that no other test has. */
const uniqueName = () => `test-${process.pid}-${Date.now().toString(36)}-${++count}`

/**
 * An open handle of a small bus of its own, or of the one named; closed after the test. It cuts nobody off: how slow this
 * machine is, is no test's matter but gap.test.js'.
 */
function openBus(t, options = {}) {
  const small = { size: '1mb', topics: 1024, members: 16, stallTimeout: Number.POSITIVE_INFINITY }
  const bus = slabcast.open({ name: uniqueName(), ...small, ...options })
  t.after(() => bus.close())
  return bus
}

/** Asserts that neither the folder nor the shared memory (its path was asked while the bus lived) is there. */
function assertNothingLeft(name, segment) {
  assert.ok(!fs.existsSync(folderOf(name)), `the folder of ${name} is left`)
  if (segment) assert.ok(!fs.existsSync(segment), `${segment} is left`)
}

module.exports = { assertNothingLeft, folderOf, openBus, segmentOf, uniqueName }

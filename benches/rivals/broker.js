'use strict'

// A broker of the system's own kind: a process started for one trial, on a socket or free port of its own.

const { execFileSync, spawn } = require('node:child_process')
const fs = require('node:fs')
const { setTimeout: later } = require('node:timers/promises')

/** Generous. */
const WATCHDOG = 10_000

const ticksPerSecond = () => Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** Starts it and waits until `isUp()` is true. */
async function start(command, options, isUp) {
  const child = spawn(command, options, { stdio: 'ignore' })
  let failure
  child.once('error', (error) => {
    failure = error
  })
  child.once('exit', (code, signal) => {
    failure ??= new Error(`it ended with ${signal ?? code}`)
  })
  const given = Date.now() + WATCHDOG
  while (!isUp()) {
    if (Date.now() > given) failure ??= new Error('it did not come up')
    if (failure) throw new Error(`${command}: ${failure.message}`)
    await later(10)
  }
  return {
    /** Seconds of user and system time so far; 0 where the system does not tell. */
    cpu() {
      if (process.platform !== 'linux') return 0
      // What stands before is the name, in parentheses, with whatever is in it.
      const fields = fs.readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ').at(-1).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond()
    },
    stop: () => child.kill('SIGKILL'),
  }
}

module.exports = { start }

// One system on one row: its processes are started, run once, and end.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'

const require = createRequire(import.meta.url)
/** Generous: a run that takes longer hangs. */
const WATCHDOG = 60_000

/** One of its processes, and what it says. */
class Process {
  #said = []
  #waiting

  constructor(trial) {
    this.child = fork(path.join(import.meta.dirname, 'member.js'))
    this.ended = once(this.child, 'exit').then(([code, signal]) => {
      this.#take({ error: `a ${trial.role} ended with ${signal ?? code}` })
    })
    this.child.on('message', (message) => {
      if (message === 'ready' || message.error !== undefined || message.cpu !== undefined) this.#take(message)
    })
    this.child.send(trial)
  }

  #take(message) {
    if (this.#waiting === undefined) this.#said.push(message)
    else this.#waiting(message)
    this.#waiting = undefined
  }

  async hears() {
    const message = this.#said.shift() ?? (await new Promise((resolve) => (this.#waiting = resolve)))
    if (message.error !== undefined) throw new Error(message.error)
    return message
  }
}

const hearAll = (processes) => Promise.all(processes.map((one) => one.hears()))

/**
 * Deliveries per second and subscriber, CPU seconds per million deliveries, and the most memory of a process in bytes.
 * @param {{ publishers: number, subscribers: number, message: string }} row
 */
export async function trial(system, { publishers, subscribers, message }, seconds) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'rivals-'))
  const common = { system, folder, name: path.basename(folder), seconds, publishers, subscribers, message }
  const processes = []
  const { serve } = require(`./systems/${system}.js`)
  const start = async (role, count) => {
    const started = Array.from({ length: count }, (_, index) => new Process({ ...common, role, index }))
    processes.push(...started)
    serve?.(started.map(({ child }) => child))
    await hearAll(started)
    return started
  }
  const kill = () => {
    for (const { child } of processes) child.kill('SIGKILL')
  }
  const watchdog = setTimeout(kill, WATCHDOG + seconds * 1000)
  try {
    const reading = await start('subscriber', subscribers)
    const writing = await start('publisher', publishers)
    const before = process.cpuUsage()
    for (const { child } of writing) child.send('go')
    const began = await hearAll(writing)
    const ended = await hearAll(reading)
    const own = process.cpuUsage(before)
    for (const { child } of processes) child.send('end')
    await Promise.all(processes.map((one) => one.ended))
    const all = [...began, ...ended]
    const delivered = ended.reduce((sum, one) => sum + one.delivered, 0)
    const took = Math.max(...ended.map((one) => one.ended)) - Math.min(...began.map((one) => one.began))
    return {
      rate: delivered / subscribers / took,
      cpu: (all.reduce((sum, one) => sum + one.cpu, (own.user + own.system) / 1e6) / delivered) * 1e6,
      memory: Math.max(...all.map((one) => one.memory)),
    }
  } catch (error) {
    throw new Error(`${system}: ${error.message}`, { cause: error })
  } finally {
    clearTimeout(watchdog)
    kill()
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

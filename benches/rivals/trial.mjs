// One system on one row: its processes are started, run once, and end.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

const require = createRequire(import.meta.url)
/** Generous: a run that takes longer hangs. */
const WATCHDOG = 60_000

const MEMBER = fileURLToPath(new URL('member.js', import.meta.url))

/** One of its processes or threads, and what it says. */
class Member {
  #said = []
  #waiting

  constructor(trial, isThread) {
    this.child = isThread ? new Worker(MEMBER) : fork(MEMBER)
    this.ended = once(this.child, 'exit').then(([code, signal]) => {
      this.#take({ error: `a ${trial.role} ended with ${signal ?? code}` })
    })
    this.child.on('message', (message) => {
      if (message === 'ready' || message.error !== undefined || message.cpu !== undefined) this.#take(message)
    })
    this.send(trial)
  }

  send(word) {
    if (this.child instanceof Worker) this.child.postMessage(word)
    else this.child.send(word)
  }

  kill() {
    if (this.child instanceof Worker) this.child.terminate()
    else this.child.kill('SIGKILL')
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
  const members = []
  const { serve, broker, threads } = require(`./systems/${system}.js`)
  const start = async (role, count) => {
    const started = Array.from({ length: count }, (_, index) => new Member({ ...common, role, index }, threads))
    members.push(...started)
    serve?.(started.map(({ child }) => child))
    await hearAll(started)
    return started
  }
  const killAll = () => {
    for (const member of members) member.kill()
  }
  const watchdog = setTimeout(killAll, WATCHDOG + seconds * 1000)
  let running
  try {
    running = await broker?.(folder)
    const reading = await start('subscriber', subscribers)
    const writing = await start('publisher', publishers)
    const before = process.cpuUsage()
    const brokersBefore = running?.cpu() ?? 0
    for (const member of writing) member.send('go')
    const began = await hearAll(writing)
    const ended = await hearAll(reading)
    const { user, system: kernel } = process.cpuUsage(before)
    const elsewhere = (user + kernel) / 1e6 + (running?.cpu() ?? 0) - brokersBefore
    for (const member of members) member.send('end')
    await Promise.all(members.map((member) => member.ended))
    const all = [...began, ...ended]
    const delivered = ended.reduce((sum, one) => sum + one.delivered, 0)
    const took = Math.max(...ended.map((one) => one.ended)) - Math.min(...began.map((one) => one.began))
    return {
      rate: delivered / subscribers / took,
      cpu: (all.reduce((sum, one) => sum + one.cpu, elsewhere) / delivered) * 1e6,
      memory: Math.max(...all.map((one) => one.memory)),
    }
  } catch (error) {
    throw new Error(`${system}: ${error.message}`, { cause: error })
  } finally {
    clearTimeout(watchdog)
    killAll()
    running?.stop()
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

// One system on one row, in a process of its own, the primary of the others: they are started, warm up, are measured, and end.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import roles from './roles.js'
import words from './words.js'

const require = createRequire(import.meta.url)
/** Generous: a run that takes longer hangs. */
const WATCHDOG = 60_000
/** Seconds: every system's code is compiled, its buffers have grown. */
const WARM = 0.5

const SPEAKS = ['publisher', 'asker', 'requester']

const MEMBER = fileURLToPath(new URL('member.js', import.meta.url))

/** One of its processes or threads, and what it says. */
class Member {
  #said = new words.Words()

  constructor(trial, isThread) {
    this.role = trial.role
    this.child = isThread ? new Worker(MEMBER) : fork(MEMBER)
    this.ended = once(this.child, 'exit').then(([code, signal]) => {
      this.#said.put({ error: `a ${trial.role} ended with ${signal ?? code}` })
    })
    this.child.on('message', ({ said }) => {
      if (said !== undefined) this.#said.put(said)
    })
    this.tell(trial)
  }

  tell(told) {
    if (this.child instanceof Worker) this.child.postMessage({ told })
    else this.child.send({ told })
  }

  kill() {
    if (this.child instanceof Worker) this.child.terminate()
    else this.child.kill('SIGKILL')
  }

  async hears() {
    const said = await this.#said.take()
    if (said.error !== undefined) throw new Error(said.error)
    return said
  }
}

/** A role that this process plays itself: of a system where only the parent can. */
class Primary {
  #said = new words.Words()
  #told = new words.Words()

  constructor(trial) {
    this.role = trial.role
    const port = { hears: () => this.#told.take(), says: (said) => this.#said.put(said), isProcess: false }
    this.ended = roles.play(trial, port).catch((error) => this.#said.put({ error: error.stack }))
  }

  tell(told) {
    this.#told.put(told)
  }

  kill() {}

  async hears() {
    const said = await this.#said.take()
    if (said.error !== undefined) throw new Error(said.error)
    return said
  }
}

const many = (role, count) => Array.from({ length: count }, (_, index) => ({ role, index }))

/** Who speaks and who hears. */
function parts({ request, roundTrip, publishers, subscribers }) {
  if (request) return [many('requester', 1), many('responder', 1)]
  if (roundTrip) return [many('asker', 1), many('answerer', 1)]
  return [many('publisher', publishers), many('subscriber', subscribers)]
}

/** Tells all a word and hears from each that it is done. */
async function step(members, word) {
  for (const member of members) member.tell(word)
  return Promise.all(members.map((member) => member.hears()))
}

/** One pass of so many seconds: what each role said, and what it cost in CPU and memory. */
async function pass(members, running, seconds) {
  const before = process.cpuUsage()
  const brokersBefore = running?.cpu() ?? 0
  // Who hears is ready before anybody speaks.
  const [speaking, hearing] = [[], []]
  for (const one of members) (SPEAKS.includes(one.role) ? speaking : hearing).push(one)
  await step(hearing, { seconds })
  await step(speaking, { seconds })
  const said = await Promise.all(members.map((member) => member.hears()))
  const costs = await step(members, 'tell')
  const { user, system } = process.cpuUsage(before)
  const here = (user + system) / 1e6 + (running?.cpu() ?? 0) - brokersBefore
  return {
    said,
    cpu: costs.reduce((sum, one) => sum + one.cpu, here),
    memory: Math.max(...costs.map((one) => one.memory)),
  }
}

/** Messages per second, each counted once however many got it; CPU seconds per million deliveries. */
function throughput({ said, cpu, memory }, { topics = 1, subscribers }) {
  const began = Math.min(...said.map((one) => one.began ?? Number.POSITIVE_INFINITY))
  const ended = Math.max(...said.map((one) => one.ended ?? 0))
  const delivered = said.reduce((sum, one) => sum + (one.delivered ?? 0), 0)
  const copies = topics === 1 ? subscribers : 1
  return { rate: delivered / copies / (ended - began), cpu: (cpu / delivered) * 1e6, memory }
}

/** Microseconds; CPU seconds per million round trips. */
function roundTrip({ said, cpu, memory }) {
  const { trips, ...times } = said.find((one) => one.trips !== undefined)
  return { ...times, cpu: (cpu / trips) * 1e6, memory }
}

/**
 * What a system does on a row.
 * @param {{ publishers: number, subscribers: number, topics?: number, message: string } | { roundTrip: true, request?: true, message: string }} row
 */
async function measure({ system, row, seconds }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'rivals-'))
  const name = path.basename(folder)
  const common = { topics: 1, ...row, system, folder, name }
  const members = []
  const { serve, broker, threads, primary } = require(`./systems/${system}.js`)
  const killAll = () => {
    for (const member of members) member.kill()
  }
  const watchdog = setTimeout(killAll, WATCHDOG + seconds * 1000)
  let running
  try {
    running = await broker?.(folder)
    const [speaking, hearing] = parts(row)
    members.push(...hearing.map((one) => new Member({ ...common, ...one }, threads)))
    if (!primary) members.push(...speaking.map((one) => new Member({ ...common, ...one }, threads)))
    serve?.(members.map(({ child }) => child))
    if (primary) members.push(...speaking.map((one) => new Primary({ ...common, ...one })))
    await step(members, 'ready')
    await step(members, 'meet')
    await pass(members, running, Math.min(WARM, seconds))
    const measured = await pass(members, running, seconds)
    for (const member of members) member.tell('end')
    await Promise.all(members.map((member) => member.ended))
    return row.roundTrip ? roundTrip(measured) : throughput(measured, row)
  } catch (error) {
    throw new Error(`${system}: ${error.message}`, { cause: error })
  } finally {
    clearTimeout(watchdog)
    killAll()
    running?.stop()
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

const ITSELF = fileURLToPath(import.meta.url)

/** In a primary of its own: no system finds it warmed, or swollen, by another. */
export async function trial(system, row, seconds) {
  const primary = fork(ITSELF, [JSON.stringify({ system, row, seconds })])
  const ended = once(primary, 'exit')
  const [found] = await Promise.race([once(primary, 'message'), ended.then(() => [])])
  await ended
  if (found === undefined) throw new Error(`${system} on "${row.name}" failed`)
  return found
}

if (process.argv[1] === ITSELF) {
  process.send(await measure(JSON.parse(process.argv[2])))
  process.disconnect()
}

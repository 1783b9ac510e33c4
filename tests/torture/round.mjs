// Carries a plan out: starts the processes, kills, stops and ends them, and waits until those who are left have all there
// is. What they saw is in their notes; what was done to them, and what did not end as it should, is what this returns.

import { fork } from 'node:child_process'
import fs from 'node:fs'
import isolation from '../crash/isolation.js'
import { now } from './notes.mjs'

/** Nothing is expected to take this long; 64 threads on a busy machine need a minute to start. */
const WATCHDOG = 180_000
const PAGE = 4096
const FILES = { process: new URL('process.mjs', import.meta.url), filler: new URL('filler.mjs', import.meta.url) }

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const living = new Set()

/** Whatever this program ends by: nobody stays behind, stopped for ever. */
export function killAll() {
  for (const child of living) child.kill('SIGKILL')
}

export class Round {
  #plan
  #folder
  #isAlone
  /** Per slot, who holds it. */
  #slots = []
  #begun = false
  #over = false
  /** Slots whose next process waits for the one before to end. */
  #starting = new Set()
  #waiting = new Set()
  faults = []
  /** Per actor: what is known of it beside its notes. */
  actors = new Map()
  kills = []
  /** `{ slot, from, to }` */
  stops = []
  counts = { kills: 0, stops: 0, processes: 0, threads: 0, terminated: 0, exits: 0, busy: 0, restarts: 0, filled: 0 }
  /** The sequence each topic ended with. */
  last
  /** Groups somebody is in at the end, and those of which the last message was taken. */
  #working = new Set()
  #took = new Set()
  largest = 0

  constructor(plan, folder, isAlone) {
    this.#plan = plan
    this.#folder = folder
    this.#isAlone = isAlone
  }

  /** What the round's processes are told of the plan. */
  get #told() {
    const { bus, topics, heard, heavy, maxMessage, asks } = this.#plan
    return { bus, topics, heard, heavy, maxMessage, asks, folder: this.#folder }
  }

  async run() {
    const sampling = setInterval(() => this.#sample(), 200)
    try {
      for (const event of this.#plan.processes) this.#start(event)
      await this.#until('all are ready to open the bus', () => this.#all((actor) => actor.said.has('ready')))
      await this.#play()
      await this.#settle()
      await this.#fill()
      await this.#leave()
    } catch (error) {
      this.faults.push(error.message)
    } finally {
      clearInterval(sampling)
      for (const one of this.#slots) one.ending ??= 'kill'
      killAll()
      await Promise.all([...living].map((child) => new Promise((resolve) => child.on('exit', resolve))))
    }
  }

  async #play() {
    const start = now() + 30
    for (const actor of this.actors.values()) this.#tell(actor, 'open', start)
    const opened = this.#until('the first is on the bus', () => this.#witness.said.has('opened')).then(() => {
      this.#begun = true
      for (const actor of this.actors.values()) this.#tell(actor, 'begin')
    })
    for (const event of this.#plan.events) {
      await later(Math.max(0, start + event.at - now()))
      this.#happen(event)
    }
    await opened
    await later(Math.max(0, start + this.#plan.duration - now()))
  }

  #happen({ do: what, slot, about, id, ...event }) {
    const one = this.#slots[slot]
    if (what === 'continue') return this.#continue(one)
    // It still ends: what was planned for the next one comes too early.
    if (this.#starting.has(slot)) return
    if (what === 'start') return one.ending && void this.#startAgain(slot, { slot, ...event })
    if (one.gone) return
    if (what === 'kill') return this.#kill(one)
    if (what === 'stop') {
      this.counts.stops++
      one.stopped = { slot, from: now(), to: Number.POSITIVE_INFINITY }
      this.stops.push(one.stopped)
      return process.kill(one.child.pid, 'SIGSTOP')
    }
    if (one.ending) return
    if (what === 'thread') return this.#thread(one, about)
    if (what === 'close' || what === 'end') return this.#order(one, what)
    if (what === 'exit') {
      this.counts.exits++
      one.ending = 'exit'
      return this.#tell(this.actors.get(one.main), 'exit')
    }
    const actor = this.actors.get(id)
    if (!actor || actor.ended) return
    this.counts.terminated++
    actor.dying = true
    if (what === 'exitThread') this.#tell(actor, 'exit')
    else one.child.send({ call: 'terminate', to: id }, () => {})
  }

  #kill(one) {
    this.counts.kills++
    one.ending = 'kill'
    this.kills.push({ slot: one.slot, time: now() })
    // Also if it is stopped; and it is not heard any more.
    one.child.kill('SIGKILL')
    if (one.stopped) one.stopped.to = now()
  }

  #continue(one) {
    if (!one.stopped || one.gone) return
    process.kill(one.child.pid, 'SIGCONT')
    one.stopped.to = now()
    one.stopped = undefined
  }

  /** Everybody in it ends as a program ends that is done. */
  #order(one, how) {
    one.ending = how
    for (const actor of [...this.actors.values()].reverse()) {
      if (actor.slot === one && !actor.ended) this.#tell(actor, 'leave', how)
    }
  }

  // Processes and what they say

  async #startAgain(slot, event) {
    this.#starting.add(slot)
    const one = this.#slots[slot]
    await this.#until(`process ${one.child.pid} ends, told to by ${one.ending}`, () => one.gone).catch((error) =>
      this.faults.push(error.message),
    )
    this.counts.restarts++
    this.#start(event)
    this.#starting.delete(slot)
    this.#changed()
  }

  #start({ slot, main, threads }) {
    this.counts.processes++
    const given = JSON.stringify({ about: main, round: this.#told })
    const log = fs.openSync(`${this.#folder}/process-${main.id}.log`, 'a')
    const child = fork(FILES.process, [given], { stdio: ['ignore', log, log, 'ipc'] })
    fs.closeSync(log)
    living.add(child)
    const one = { slot, child, main: main.id, threads, gone: false, ending: undefined, stopped: undefined }
    this.#slots[slot] = one
    this.#expect(one, main)
    for (const about of threads) this.#expect(one, about)
    child.on('error', () => {})
    child.on('message', (message) => this.#heard(one, message))
    child.on('exit', (code, signal) => this.#exited(one, code, signal))
  }

  #expect(one, about) {
    this.actors.set(about.id, { about, slot: one, said: new Set(), ended: false, clean: false, settled: false })
  }

  #thread(one, about) {
    this.counts.threads++
    if (!this.actors.has(about.id)) this.#expect(one, about)
    one.child.send({ call: 'start', about }, () => {})
  }

  #tell(actor, call, value) {
    if (!actor.slot.gone) actor.slot.child.send({ to: actor.about.id, call, value }, () => {})
  }

  #heard(one, { from, what, ...facts }) {
    const actor = this.actors.get(from)
    actor.said.add(what)
    if (what === 'ready') {
      const leaves = one.ending === 'close' || one.ending === 'end'
      if (from === one.main && !leaves) for (const about of one.threads) this.#thread(one, about)
      // Told to leave before it was there to hear it.
      if (leaves && from !== one.main) this.#tell(actor, 'leave', one.ending)
      else if (this.#begun) for (const call of ['open', this.#over ? 'stop' : 'begin']) this.#tell(actor, call, 0)
    } else if (what === 'busy') this.counts.busy++
    else if (what === 'last') this.last = facts.last
    else if (what === 'settled') actor.settled = true
    else if (what === 'works') for (const group of facts.groups) this.#working.add(group)
    else if (what === 'took') this.#took.add(facts.key)
    else if (what === 'fault' && facts.error) this.faults.push(`thread ${from}: ${facts.error}`)
    else if (what === 'ended') {
      actor.ended = true
      actor.gone = now()
      actor.clean = !actor.dying && (one.ending === 'close' || one.ending === 'end')
      if (!actor.dying && !one.ending) this.faults.push(`thread ${from} ended, though nobody told it to`)
    }
    this.#changed()
  }

  #exited(one, code, signal) {
    one.gone = true
    living.delete(one.child)
    const inOrder = one.ending === 'close' || one.ending === 'end'
    for (const actor of this.actors.values()) {
      if (actor.slot !== one) continue
      if (actor.about.id === one.main) actor.clean = inOrder && code === 0
      actor.ended = true
      actor.gone ??= now()
    }
    if (one.ending === 'kill' ? signal !== 'SIGKILL' && code !== 0 : !one.ending || code !== 0) {
      const log = fs.readFileSync(`${this.#folder}/process-${one.main}.log`, 'utf8').slice(-2000)
      const told = one.ending ?? 'nobody'
      this.faults.push(
        `process ${one.child.pid} (actor ${one.main}) ended with ${signal ?? code}, told to by ${told}: ${log}`,
      )
    }
    this.#changed()
  }

  // Waiting

  get #witness() {
    return this.actors.get(this.#plan.processes[0].main.id)
  }

  #all(condition) {
    return [...this.actors.values()].every((actor) => actor.ended || condition(actor))
  }

  #until(what, condition) {
    if (condition()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const one = { condition, done: resolve }
      const timer = setTimeout(() => {
        this.#waiting.delete(one)
        reject(new Error(`waited ${WATCHDOG} ms for this: ${what}`))
      }, WATCHDOG)
      one.done = () => {
        clearTimeout(timer)
        resolve()
      }
      this.#waiting.add(one)
    })
  }

  #changed() {
    for (const one of this.#waiting) {
      if (!one.condition()) continue
      this.#waiting.delete(one)
      one.done()
    }
  }

  /** As `#until`, for all who live: says who does not come. */
  async #everybody(what, condition) {
    try {
      await this.#until(what, () => this.#all(condition))
    } catch (error) {
      const missing = [...this.actors.values()].filter((actor) => !actor.ended && !condition(actor))
      throw new Error(`${error.message}; it does not come from ${missing.map(({ about }) => about.id).join(', ')}`)
    }
  }

  // The end

  async #settle() {
    for (const one of this.#slots) this.#continue(one)
    this.#over = true
    for (const actor of this.actors.values()) if (actor.said.has('ready')) this.#tell(actor, 'stop')
    const going = () => this.#slots.every((one) => one.gone || !one.ending)
    await this.#until('those who are ending have ended', () => this.#starting.size === 0 && going())
    await this.#everybody('all that was published is in the slab', (actor) => actor.said.has('quiet'))
    this.#tell(this.#witness, 'last')
    await this.#until('the last message of each topic comes', () => this.last)
    for (const actor of this.actors.values()) if (!actor.ended) this.#tell(actor, 'settle', this.last)
    await this.#everybody('everything is received', (actor) => actor.settled)
    const untaken = () => [...this.#working].filter((group) => !this.#took.has(group))
    await this.#until('the groups have taken everything', () => untaken().length === 0).catch((error) => {
      throw new Error(`${error.message}; those of ${untaken().join(', ')} have not`)
    })
  }

  /** No place is lost: the bus can be filled with as many as it was made for. */
  async #fill() {
    const { members } = this.#plan.bus
    const here = [...this.actors.values()].filter((actor) => !actor.ended).length
    // Each is a thread, and costs time.
    const count = members - here
    if (count > 16) return
    await this.#filler(count)
    this.counts.filled++
  }

  async #filler(count) {
    const given = JSON.stringify({ bus: this.#plan.bus, count })
    const child = fork(FILES.filler, [given], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    living.add(child)
    let said
    let ended
    child.on('message', (message) => {
      said = message
    })
    child.on('exit', (code, signal) => {
      living.delete(child)
      ended = { code, signal }
      this.#changed()
    })
    await this.#until(`the bus is filled with ${count} more`, () => ended)
    if (!said || ended.code !== 0) this.faults.push(`who fills the bus ended with ${ended.signal ?? ended.code}`)
    else if (said.refused) this.faults.push(`the bus cannot be filled: ${said.refused}`)
  }

  async #leave() {
    if (this.#plan.ending === 'massacre') {
      for (const one of this.#slots) if (!one.gone) this.#kill(one)
      await this.#until('all are dead', () => this.#slots.every((one) => one.gone))
      await this.#filler(0)
    } else {
      for (const one of this.#slots.slice(1)) this.#end(one)
      await this.#until('all but one have left', () => this.#slots.slice(1).every((one) => one.gone))
      this.#end(this.#slots[0])
      await this.#until('the last one has left', () => this.#slots[0].gone)
    }
    const left = this.#isAlone ? isolation.left() : isolation.list(isolation.folderOf(this.#plan.bus.name))
    if (left.length > 0) this.faults.push(`all have left, and this is left: ${left.join(', ')}`)
  }

  #end(one) {
    if (one.gone) return
    const how = this.#plan.leaving[one.slot]
    if (how === 'kill') this.#kill(one)
    else if (how === 'exit') this.#happen({ do: 'exit', slot: one.slot })
    else this.#order(one, how)
  }

  #sample() {
    for (const { child } of this.#slots.filter(Boolean)) {
      try {
        const pages = Number(fs.readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ')[1])
        this.largest = Math.max(this.largest, pages * PAGE)
      } catch {}
    }
  }
}

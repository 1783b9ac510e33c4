'use strict'

// One adapter, in a primary of its own with its workers: they are started, warm up, are measured, and end.

const cluster = require('node:cluster')
const { once } = require('node:events')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { Words } = require('../words')
const { adapters } = require('./adapters')

/** Generous: a trial that takes longer hangs. */
const WATCHDOG = 60_000
/** Seconds. */
const WARM = 1.5
/** Broadcasts that are given to an adapter at once; some queue without end. */
const BURST = 500

/** A worker, and what it says beside its adapter's own messages. */
class Worker {
  #said = new Words()

  constructor(trial) {
    this.worker = cluster.fork({ TRIAL: JSON.stringify(trial) })
    this.worker.on('message', ({ said }) => {
      if (said !== undefined) this.#said.put(said)
    })
    this.worker.on('exit', (code, signal) => this.#said.put({ error: `a worker ended with ${signal ?? code}` }))
  }

  tell(told) {
    this.worker.send({ told })
  }

  async hears() {
    const said = await this.#said.take()
    if (said.error !== undefined) throw new Error(said.error)
    return said
  }
}

async function step(workers, told) {
  for (const worker of workers) worker.tell(told)
  return Promise.all(workers.map((worker) => worker.hears()))
}

/** For so many seconds one burst after the other: a worker emits it, and all say when each of their sockets has it. */
async function pass(workers, running, size, seconds) {
  const before = process.cpuUsage()
  const brokerBefore = running?.cpu() ?? 0
  const costsBefore = await step(workers, { cost: true })
  const began = performance.now()
  const times = []
  while (performance.now() - began < seconds * 1000) {
    await step(workers, { expect: size })
    workers[0].tell({ emit: size })
    const said = await Promise.all(workers.map((worker) => worker.hears()))
    // By their own clock: what telling them and hearing of it takes is no adapter's.
    times.push(Math.max(...said.map(({ done }) => done)) - said[0].gave)
  }
  const took = times.reduce((sum, time) => sum + time, 0) / 1e6
  const costs = await step(workers, { cost: true })
  const { user, system } = process.cpuUsage(before)
  const spent = (all) => all.reduce((sum, one) => sum + one.cpu, 0)
  const cpu = spent(costs) - spent(costsBefore) + (user + system) / 1e6 + (running?.cpu() ?? 0) - brokerBefore
  times.sort((a, b) => a - b)
  const broadcasts = times.length * size
  return { rate: broadcasts / took, cpu: (cpu / broadcasts) * 1e6, p50: times[times.length >> 1] }
}

async function measure({ system, row, seconds }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'rivals-'))
  const { broker, primary } = adapters[system]
  const workers = []
  let running
  const watchdog = setTimeout(
    () => {
      console.error(`${system} on "${row.name}" hangs`)
      process.exit(1)
    },
    WATCHDOG + seconds * 1000,
  )
  try {
    running = await broker?.(folder)
    primary?.()
    cluster.setupPrimary({ exec: path.join(__dirname, 'worker.js') })
    const trial = { ...row, system, folder, name: path.basename(folder) }
    while (workers.length < row.workers) workers.push(new Worker(trial))
    await Promise.all(workers.map((worker) => worker.hears()))
    await step(workers, { meet: row.workers })
    const size = row.alone ? 1 : BURST
    await pass(workers, running, size, Math.min(WARM, seconds))
    const found = await pass(workers, running, size, seconds)
    const memory = Math.max(...(await step(workers, { cost: true })).map((one) => one.memory))
    return { ...found, memory }
  } finally {
    clearTimeout(watchdog)
    for (const { worker } of workers) worker.process.kill('SIGKILL')
    await Promise.all(workers.map(({ worker }) => worker.isDead() || once(worker, 'exit')))
    running?.stop()
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

process.once('message', async (trial) => {
  try {
    process.send({ found: await measure(trial) })
  } catch (error) {
    process.send({ failed: error.stack })
  }
  process.disconnect()
})

// Processes publish 100,000 messages each and read everybody's; one is killed in the middle. The others have all there is, each
// message once, whole, in one order that is the same for all: everything of those who live, and of the dead one whatever its
// `publish` had returned `true` for. Then nothing is left. Twenty times.
// `node tests/stress/run.mjs [--times 20] [--messages 100000] [--processes 4] [--seed n]`

import { fork } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import random from '../crash/random.js'
import system from '../node/support/system.js'

const MEMBER = fileURLToPath(new URL('member.mjs', import.meta.url))
/** In ms: nothing takes this long. */
const WATCHDOG = Number(process.env.SLABCAST_TEST_WATCHDOG ?? 300_000)

/** A process, what it says, and how it ends. */
class Member {
  #said = []
  #waiting = []
  #ended

  constructor(...args) {
    this.process = fork(MEMBER, [JSON.stringify(args)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.process.on('message', (said) => this.#tell({ said }))
    this.ended = new Promise((resolve) => {
      this.process.on('exit', (code, signal) => {
        this.#ended = { ended: { code, signal } }
        for (const waiting of this.#waiting.splice(0)) waiting(this.#ended)
        resolve({ code, signal })
      })
    })
  }

  #tell(what) {
    if (this.#waiting.length > 0) this.#waiting.shift()(what)
    else this.#said.push(what)
  }

  async #next() {
    if (this.#said.length > 0) return this.#said.shift()
    if (this.#ended) return this.#ended
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** What it says next, which is to be of that kind. */
  async hear(kind) {
    let watchdog
    const silence = new Promise((_, reject) => {
      watchdog = setTimeout(() => reject(new Error(`waited ${WATCHDOG} ms in vain for "${kind}"`)), WATCHDOG)
    })
    const { said, ended } = await Promise.race([this.#next(), silence]).finally(() => clearTimeout(watchdog))
    if (ended) throw new Error(`a process ended (${JSON.stringify(ended)}) that was to say "${kind}"`)
    if (said.kind !== kind) throw new Error(`a process said ${JSON.stringify(said)} and not "${kind}"`)
    return said
  }

  say(kind) {
    this.process.send(kind)
  }

  kill() {
    process.kill(this.process.pid, 'SIGKILL')
    return this.ended
  }
}

const check = (holds, what) => {
  if (!holds) throw new Error(what)
}

/** One round; returns what there was of it. */
async function round(name, { processes, messages }, next, folder) {
  const victim = Math.floor(next() * processes)
  const when = Math.floor(messages * (0.2 + 0.4 * next()))
  const notes = path.join(folder, `${name}-acknowledged`)
  const members = Array.from({ length: processes }, (_, me) =>
    me === victim
      ? new Member(name, me, processes, messages, { notes, when })
      : new Member(name, me, processes, messages),
  )
  try {
    for (const member of members) await member.hear('subscribed')
    const segment = system.segmentOf(name)
    for (const member of members) member.say('go')

    await members[victim].hear('in the middle')
    await new Promise((resolve) => setTimeout(resolve, next() * 20))
    const end = await members[victim].kill()
    check(system.wasKilled(end), `the victim ended by itself: ${JSON.stringify(end)}`)

    const living = members.filter((_, me) => me !== victim)
    for (const member of living) await member.hear('published')
    // What the dead one has in the bus stands there: the last message comes after it.
    living[0].say('last')
    const accounts = []
    for (const member of living) accounts.push(await member.hear('account'))
    for (const member of living) member.say('leave')
    for (const member of living) {
      const { code, signal } = await member.ended
      check(code === 0, `a process ended by ${signal ?? code}`)
    }

    const [first, ...others] = accounts
    for (const other of others)
      check(JSON.stringify(other) === JSON.stringify(first), `not the same: ${JSON.stringify([first, other])}`)
    for (let me = 0; me < processes; me++)
      if (me !== victim) check(first.counts[me] === messages, `${first.counts[me]} of process ${me}, which lives`)
    const acknowledged = readFileSync(notes).readDoubleLE(0)
    const came = first.counts[victim]
    check(came >= acknowledged, `publish() gave true for ${acknowledged} messages of the dead one, ${came} came`)
    check(came >= when && came < messages, `it was not killed in the middle: ${came} of its messages came`)
    check(!existsSync(system.folderOf(name)), 'the folder of the bus is left')
    check(!existsSync(segment), `${segment} is left`)
    return { victim, came, count: first.counts.reduce((sum, count) => sum + count, 0) }
  } finally {
    for (const member of members) member.process.kill('SIGKILL')
  }
}

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '20' },
    messages: { type: 'string', default: '100000' },
    processes: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
  },
})
const [times, messages, processes, seed] = ['times', 'messages', 'processes', 'seed'].map((name) => {
  const number = Number(values[name])
  if (!Number.isSafeInteger(number) || number < 0)
    throw new TypeError(`--${name} takes a whole number, not '${values[name]}'`)
  return number
})
console.log(
  `${times} times ${processes} processes with ${messages} messages each, one killed in the middle; seed ${seed}`,
)
const next = random.generator(seed)
const folder = mkdtempSync(path.join(tmpdir(), 'stress-'))
for (let time = 1; time <= times; time++) {
  const start = performance.now()
  const { victim, came, count } = await round(`stress-${process.pid}-${time}`, { processes, messages }, next, folder)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`${time}: ${count} messages in ${seconds} s, process ${victim} killed after ${came} of its own`)
}
rmSync(folder, { recursive: true })
console.log(`${times} of ${times} held: nothing lost, doubled, torn or in another order, nothing left`)

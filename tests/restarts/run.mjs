// Restarts a durable subscriber again and again under load that the slab can hold: in order, and by kill -9 at any moment. No message
// may be lost, none may come twice after an end in order, and after a kill only the one whose listener had not returned, marked.
// `npm run restarts -- [--count 1000] [--seed S]`

import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import system from '../node/support/system.js'
import { judge } from './judge.mjs'

const ACTOR = fileURLToPath(new URL('actor.mjs', import.meta.url))
/** In ms: nothing takes this long. */
const WATCHDOG = 60_000

/** A process, and what it says. */
function start(...args) {
  const child = fork(ACTOR, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const said = []
  const waiting = []
  let ended
  const settle = () => {
    while (waiting.length > 0 && (said.length > 0 || ended !== undefined)) waiting.shift()(said.shift() ?? ended)
  }
  child.on('message', (what) => {
    said.push(what)
    settle()
  })
  child.on('exit', (code, signal) => {
    ended = { code, signal }
    settle()
  })
  /** The next it says, or { code, signal } once it has ended. */
  const hear = () =>
    new Promise((resolve, reject) => {
      const watchdog = setTimeout(() => reject(new Error(`nothing is heard of ${args}`)), WATCHDOG)
      waiting.push((what) => {
        clearTimeout(watchdog)
        resolve(what)
      })
      settle()
    })
  return { hear, say: (what) => child.send(what), kill: () => child.kill('SIGKILL') }
}

function randomOf(seed) {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const KINDS = ['close', 'close', 'itself', 'between', 'parent']

/** Runs `count` restarts; returns what is wrong with them, and what was seen. */
export async function restarts(count, seed) {
  const random = randomOf(seed)
  const folder = mkdtempSync(join(tmpdir(), 'restarts-'))
  const notes = join(folder, 'notes')
  const name = `restarts-${process.pid}-${seed}`
  const publisher = start('publisher', name)
  // One is ready before it is needed: to start a process takes longer than what is looked at.
  let standby = start('subscriber', name, notes)
  let subscriber
  const come = async () => {
    const next = standby
    standby = start('subscriber', name, notes)
    await expect(next, 'ready')
    return next
  }
  const live = async (life) => {
    subscriber ??= await come()
    subscriber.say(life)
    await expect(subscriber, 'begun')
  }
  await expect(publisher, 'ready')
  for (let life = 0; life < count; life++) {
    // The first is live: what comes before it is nobody's.
    const kind = life === 0 ? 'close' : KINDS[random(KINDS.length)]
    await live({ life, kind, count: 1 + random(20), isAsync: random(2) === 0 })
    if (life === 0) publisher.say('begin')
    if (kind === 'parent') {
      await new Promise((resolve) => setTimeout(resolve, random(12)))
      subscriber.kill()
    }
    const end = await subscriber.hear()
    if (kind === 'close' ? end !== 'ended' : !system.wasKilled(end))
      throw new Error(`life ${life} (${kind}) ended by ${JSON.stringify(end)}`)
    if (kind !== 'close') subscriber = undefined
  }
  publisher.say('stop')
  const { published } = await publisher.hear()
  await live({ life: count, kind: 'last', count: Number.POSITIVE_INFINITY, isAsync: false, last: published })
  await expect(subscriber, 'ended')
  publisher.say('leave')
  await expect(standby, 'ready')
  for (const child of [subscriber, standby]) child.say('leave')
  const { wrong, seen } = judge(readFileSync(notes, 'utf8'), published)
  if (wrong.length === 0) rmSync(folder, { recursive: true })
  return { wrong, seen: { ...seen, published }, notes }
}

async function expect(child, what) {
  const said = await child.hear()
  if (said !== what) throw new Error(`${what} was expected, not ${JSON.stringify(said)}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, otherwise) => {
    const at = process.argv.indexOf(`--${name}`)
    return at === -1 ? otherwise : Number(process.argv[at + 1])
  }
  const seed = option('seed', Math.floor(Math.random() * 2 ** 31))
  const begun = Date.now()
  const { wrong, seen, notes } = await restarts(option('count', 1000), seed)
  console.log(`seed ${seed}, ${((Date.now() - begun) / 1000).toFixed(0)} s: ${JSON.stringify(seen)}`)
  for (const one of wrong.slice(0, 20)) console.log(one)
  console.log(wrong.length === 0 ? 'no message lost, none doubled' : `${wrong.length} wrong; the notes are in ${notes}`)
  process.exitCode = wrong.length === 0 ? 0 : 1
}

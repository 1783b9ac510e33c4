// The lives of durable subscriptions, one after the other, whichever thread held them: nothing is lost between them, and nothing
// comes again but what a life that did not end in order had in its hands, marked.

import { KIND } from './notes.mjs'
import { checkStrand, strandsOf } from './strands.mjs'

/** In ms: so long after a death the dead may still be taken for the holder. */
const NOTICED = 1500

/** @param {object} known as of readings.mjs, with `kept` */
export function checkDurables(actors, known, fault) {
  const counts = { lives: 0, handled: 0, redelivered: 0, refused: 0, gaps: 0, lost: 0 }
  for (const [key, all] of byKey(actors, fault)) {
    all.lives.sort((a, b) => a.after - b.after)
    const line = new Line(key, all, known, fault)
    for (const life of all.lives) {
      const { gaps, lost } = checkStrand(life, known, fault)
      const unsought = life.came.find(({ isGap, isSought }) => isGap && !isSought)
      if (unsought)
        fault(`durable subscription ${key}: ${describe(unsought)} was told, and not looked for in the slab before`)
      counts.lives++
      counts.handled += life.handled.size
      counts.redelivered += life.came.filter(({ redelivered }) => redelivered).length
      counts.gaps += gaps
      counts.lost += lost
      line.goesOn(life)
    }
    for (const one of all.refused) checkRefusal(one, all, fault)
    counts.refused += all.refused.length
  }
  return counts
}

/** Per topic and name: lives, attempts of which nothing more is known, and refusals. */
function byKey(actors, fault) {
  const keys = new Map()
  const at = (topic, name) => {
    const key = `${topic}/${name}`
    if (!keys.has(key)) keys.set(key, { lives: [], tries: [], refused: [] })
    return keys.get(key)
  }
  for (const actor of actors) {
    const tried = new Map()
    for (const { kind, time, values } of actor.notes) {
      if (kind === KIND.TRIED) tried.set(values[0], { time, topic: values[1], name: values[2], actor })
      else if (kind === KIND.HELD) tried.delete(values[2])
      else if (kind === KIND.REFUSED) {
        const [before, id, topic, name, isHeld] = values
        tried.delete(id)
        if (isHeld === 1) at(topic, name).refused.push({ before, after: time, actor })
      }
    }
    for (const one of tried.values()) at(one.topic, one.name).tries.push(one)
    for (const life of strandsOf(actor, KIND.HELD, fault).values()) at(life.topic, life.how[0]).lives.push(life)
  }
  return keys
}

/** Until when a life may be the holder. */
function endOf({ ending, actor, isOver, overAt, handled, came }) {
  const last = came.at(-1)
  // One that had a message in its hands held it until that was handled, or the thread had left.
  const isIdle = !last || last.isGap || handled.get(last.from) < ending?.time
  if (isOver && isIdle) return overAt
  return actor.gone === undefined ? Number.POSITIVE_INFINITY : actor.gone + NOTICED
}

function checkRefusal({ before, after, actor }, { lives, tries }, fault) {
  const isHeld = lives.some((life) => life.before <= after && endOf(life) >= before)
  const isTried = tries.some(
    (one) => one.time <= after && (one.actor.gone ?? Number.POSITIVE_INFINITY) + NOTICED >= before,
  )
  // One that others were refused by may itself be ending.
  if (!isHeld && !isTried)
    fault(`actor ${actor.id} was refused a durable subscription that nobody holds (at ${before})`)
}

/** Where a durable subscription may go on, from life to life. */
class Line {
  #key
  #tries
  #known
  #fault
  /** What may be so: `{ before, after }`: it began live then, or will; or `{ next: numbers, seen }`. `isMarked`: the next may be. */
  #may = []
  #before
  /** Since when an attempt that nobody knows the outcome of may have begun it. */
  #forgotten = Number.NEGATIVE_INFINITY

  constructor(key, { tries }, known, fault) {
    this.#key = key
    this.#tries = tries
    this.#known = known
    this.#fault = fault
  }

  goesOn(life) {
    const name = `durable subscription ${this.#key}: actor ${life.actor.id} (subscription ${life.id})`
    const before = this.#before
    if (before?.came.some(({ time, isGap }) => !isGap && time > life.after))
      this.#fault(`${name} holds it, and so does actor ${before.actor.id}`)
    const tried = this.#tries.filter(({ time }) => time > this.#forgotten && time < life.after).map(({ time }) => time)
    if (this.#may.length === 0) this.#may.push({ before: Math.min(life.before, ...tried), after: life.after })
    for (const may of this.#may) if (may.next === undefined) may.after = Math.min(may.after, life.after)
    const first = life.came[0]
    if (first && !this.#may.some((one) => this.#isBeginning(one, life.topic, first)))
      this.#fault(`${name} begins with ${describe(first)}, and might ${this.#may.map(inWords).join(', or ')}`)
    for (const { from, redelivered } of life.came.slice(1))
      if (redelivered) this.#fault(`${name}: number ${from} is marked, though it is not the first`)
    this.#ends(life)
    this.#before = life
  }

  #isBeginning(may, topic, { from, isGap, redelivered }) {
    const { timeline } = this.#known
    const mayBeMarked = !redelivered || may.isMarked
    if (may.next === undefined)
      return mayBeMarked && !(timeline.due(topic, may.after) < from) && timeline.there(topic, may.before) < from
    if (!may.next.includes(from)) return false
    return isGap || (from <= may.seen ? redelivered : mayBeMarked)
  }

  #ends({ came, handled, ending, actor, isOver }) {
    const last = came.at(-1)
    // What it did last may not have come to where it is kept.
    const isCut = !actor.settled && !actor.clean && actor.notes.at(-1)
    if (last) {
      // Closed with it in its hands, the thread may have left the bus before it was handled, or not.
      const isDone = last.isGap || handled.get(last.from) < (ending?.time ?? Number.POSITIVE_INFINITY)
      const mayRepeat = !isDone || (isCut && isCut.time === (last.isGap ? last.time : handled.get(last.from)))
      const next = mayRepeat ? [last.from, last.to + 1] : [last.to + 1]
      const seen = came.findLast(({ isGap }) => !isGap)?.to ?? 0
      this.#may = [{ next, seen, isMarked: Boolean(isCut) && !ending }]
      // It may have been called, and been cut before it could note that.
    } else if (isCut && !ending) for (const may of this.#may) may.isMarked = true
    if (!ending?.isForgotten) return
    this.#forgotten = ending.time
    this.#may = isOver ? [] : [...this.#may, { before: ending.time, after: Number.POSITIVE_INFINITY }]
  }
}

const describe = ({ from, to, isGap, redelivered }) =>
  `${isGap ? `a gap to ${to} from ` : ''}${from}${redelivered ? ', marked' : ''}`
const inWords = ({ next, seen, before }) =>
  next === undefined ? `begin live at ${before}` : `go on with ${next.join(' or ')} (${seen} was seen)`

// What the members of each group took together: each message one of them, but what the group was told it missed, and the one that a
// member had in its hands when it was killed.

import { KIND } from './notes.mjs'

/** @param {object} known as of readings.mjs */
export function checkGroups(actors, known, fault) {
  const counts = { groups: 0, taken: 0, inHand: 0, gaps: 0, lost: 0 }
  const holes = []
  for (const [key, group] of byKey(actors, fault)) {
    counts.groups++
    counts.taken += group.taken.size
    counts.gaps += group.gaps.length
    counts.lost += group.gaps.reduce((sum, { from, to }) => sum + to - from + 1, 0)
    checkGaps(key, group, known, fault)
    holes.push(...holesOf(key, group, known))
  }
  const explained = explain(
    holes,
    actors.filter((actor) => !actor.clean && !actor.settled && actor.gone !== undefined),
  )
  counts.inHand = explained.size
  for (const hole of holes) {
    const { key, from, to } = hole
    if (!explained.has(hole))
      fault(
        `group ${key}: nobody got ${from}${to > from ? ` to ${to}` : ''}, nor was it told, nor in a dead one's hands`,
      )
  }
  return counts
}

/** Per topic and group: `stays` from when till when each member was there for certain, what was `taken`, and the `gaps`. */
function byKey(actors, fault) {
  const keys = new Map()
  const at = (topic, group) => {
    const key = `${topic}/${group}`
    if (!keys.has(key)) keys.set(key, { topic, stays: [], taken: new Map(), gaps: [] })
    return keys.get(key)
  }
  for (const actor of actors) {
    const mine = new Map()
    const reached = new Map()
    for (const { kind, time, values } of actor.notes) {
      if (kind === KIND.JOINED) {
        const [, after, id, topic, , group] = values
        const stay = { from: after, to: actor.settled ? Number.POSITIVE_INFINITY : actor.notes.at(-1).time }
        at(topic, group).stays.push(stay)
        mine.set(id, { topic, group, stay })
      } else if (kind === KIND.ENDING && mine.has(values[0])) mine.get(values[0]).stay.to = time
      else if (kind === KIND.UNSUBSCRIBED && mine.has(values[0])) mine.get(values[0]).isOver = true
      else if (kind === KIND.RECEIVED && mine.has(values[0])) {
        const [id, of, , , , sequence] = values
        const { topic, group, isOver } = mine.get(id)
        const { taken } = at(topic, group)
        const where = `group ${topic}/${group}: number ${sequence} of topic ${of}`
        if (isOver || of !== topic)
          fault(`${where} came to subscription ${id} of actor ${actor.id}, which is none of it`)
        const known = taken.get(sequence)
        if (known) fault(`${where} was taken twice, by actors ${known.actor.id} and ${actor.id}`)
        else taken.set(sequence, { actor, time })
        if (sequence <= reached.get(`${topic}/${group}`))
          fault(`${where} came to actor ${actor.id} after ${reached.get(`${topic}/${group}`)}`)
        reached.set(`${topic}/${group}`, sequence)
      } else if (kind === KIND.GAP && values[6] !== -1) {
        const [, topic, from, to, lost, , group] = values
        if (lost !== to - from + 1 || lost < 1)
          fault(`group ${topic}/${group}: the gap from ${from} to ${to} (${lost} lost) does not add up`)
        at(topic, group).gaps.push({ from, to, time })
      }
    }
  }
  return keys
}

function checkGaps(key, { taken, gaps }, { mayMiss }, fault) {
  gaps.sort((a, b) => a.from - b.from)
  for (const [at, { from, to }] of gaps.entries()) {
    const where = `group ${key}: the gap from ${from} to ${to}`
    if (!mayMiss) fault(`${where}, though nobody is ever cut off`)
    if (gaps[at + 1]?.from <= to) fault(`${where} was told, and one from ${gaps[at + 1].from}`)
    for (let number = from; number <= to; number++)
      if (taken.has(number)) fault(`${where} was told, and ${number} taken by actor ${taken.get(number).actor.id}`)
  }
}

/** What somebody was to get, and nobody did: `{ key, from, to, begun, passed }`, the times between which it was taken. */
function holesOf(key, { topic, stays, taken, gaps }, { timeline, last, mayMiss }) {
  const isTold = (number) => gaps.some(({ from, to }) => from <= number && number <= to)
  const numbers = [...taken.keys()].sort((a, b) => a - b)
  // Of each number and all above it, when the first was passed on to somebody.
  const passed = (number) => {
    let first = Number.POSITIVE_INFINITY
    for (const [other, { time }] of taken) if (other > number) first = Math.min(first, time)
    for (const { from, time } of gaps) if (from > number) first = Math.min(first, time)
    return first
  }
  const holes = []
  for (const { from, to } of merged(stays)) {
    // Whatever the group came to while somebody was in it.
    const end =
      to === Number.POSITIVE_INFINITY && last ? last[topic] : numbers.findLast((number) => taken.get(number).time <= to)
    const start = timeline.due(topic, from)
    for (let number = start; number <= end; number++) {
      const begun = timeline.begun(topic, number)
      if (taken.has(number) || isTold(number) || !(begun > from)) continue
      const before = holes.at(-1)
      // All that a cut-off cost is missing with the one who was about to tell it.
      if (mayMiss && before?.to === number - 1) before.to = number
      else holes.push({ key, from: number, to: number, begun })
    }
  }
  for (const hole of holes) hole.passed = passed(hole.to)
  return holes
}

/** Times when there was somebody, without a break. */
function merged(stays) {
  const runs = []
  for (const { from, to } of stays.sort((a, b) => a.from - b.from)) {
    const run = runs.at(-1)
    if (run && from <= run.to) run.to = Math.max(run.to, to)
    else runs.push({ from, to })
  }
  return runs
}

/** Finds for each hole a dead one of its own that can have had it in its hands: as many as can be (augmenting paths). */
function explain(holes, dead) {
  const hands = new Map()
  const mayHold = (actor, { begun, passed }) => begun <= actor.gone && (actor.notes.at(-1)?.time ?? 0) <= passed
  const find = (hole, tried) => {
    for (const actor of dead) {
      if (tried.has(actor) || !mayHold(actor, hole)) continue
      tried.add(actor)
      if (!hands.has(actor) || find(hands.get(actor), tried)) {
        hands.set(actor, hole)
        return true
      }
    }
    return false
  }
  return new Set(holes.filter((hole) => find(hole, new Set())))
}

// What a thread was delivered by subscriptions that go a way of their own: from their topic's past to what is live, without a hole
// or a double but for what is told as a gap.

import { KIND } from './notes.mjs'

/** The reason of a gap, as it is noted: a thread that was cut off. */
const STALLED = 0

/**
 * A message, or a gap, of one subscription: `{ from, to, isGap, isSought, time, redelivered }`, in the order in which they came. A gap was
 * sought where the subscription looked for it in the slab first; one that has come to what is live is told as any other.
 * @returns {Map} by the number of the subscription: what began it (a note's values), what came, and whether it lived at the end
 */
export function strandsOf(actor, kind, fault) {
  const strands = new Map()
  const byHandle = new Map()
  for (const { kind: what, time, values } of actor.notes) {
    if (what === kind) {
      const [before, after, id, topic, handle, ...how] = values
      const strand = { id, topic, before, after, how, came: [], handled: new Map(), actor, isOver: false }
      strands.set(id, strand)
      byHandle.set(handle, strand)
    } else if (what === KIND.RECEIVED && strands.has(values[0])) {
      const strand = strands.get(values[0])
      const [id, topic, , , position, sequence] = values
      if (strand.isOver) fault(`actor ${actor.id}: position ${position} came to subscription ${id} after its end`)
      if (topic !== strand.topic)
        fault(`actor ${actor.id}: position ${position} came to subscription ${id} of another topic`)
      strand.came.push({ from: sequence, to: sequence, isGap: false, time, redelivered: values[11] === 1 })
    } else if (what === KIND.GAP && byHandle.has(values[0])) {
      const strand = byHandle.get(values[0])
      const [, topic, from, to, lost, reason] = values
      if (strand.isOver || topic !== strand.topic || lost !== to - from + 1 || lost < 1)
        fault(`actor ${actor.id}: subscription ${strand.id} was told a gap from ${from} to ${to} (${lost} lost)`)
      strand.came.push({ from, to, isGap: true, isSought: reason !== STALLED, time, redelivered: false })
    } else if (what === KIND.HANDLED) strands.get(values[0])?.handled.set(values[1], time)
    else if (what === KIND.ENDING && strands.has(values[0])) {
      const strand = strands.get(values[0])
      strand.ending = { time, isForgotten: values[1] === 1 }
    } else if (what === KIND.UNSUBSCRIBED && strands.has(values[0])) {
      const strand = strands.get(values[0])
      strand.isOver = true
      strand.overAt = time
    }
  }
  return strands
}

/** What came follows each other, and ends with the last there is if the thread has all. Returns how many messages and gaps. */
export function checkStrand({ id, topic, after, came, actor, isOver }, { kept, last }, fault) {
  const name = `actor ${actor.id}: subscription ${id} of topic ${topic}`
  const counts = { messages: 0, gaps: 0, lost: 0 }
  let next
  for (const { from, to, isGap, isSought, time } of came) {
    if (next !== undefined && from !== next)
      fault(`${name} got ${isGap ? 'a gap from ' : ''}${from} when ${next} was next`)
    if (isGap && isSought && kept.must(topic, to, next === undefined ? after : time))
      fault(`${name} missed ${from} to ${to}, and the last of them was still there`)
    next = to + 1
    counts.messages += isGap ? 0 : 1
    counts.gaps += isGap ? 1 : 0
    counts.lost += isGap ? to - from + 1 : 0
  }
  if (actor.settled && !isOver && last && next !== last[topic] + 1)
    fault(`${name} has everything to ${(next ?? 1) - 1}, the topic ends with ${last[topic]}`)
  return counts
}

/** The replays of a thread. */
export function checkReplays(actor, known, fault) {
  const counts = { replays: 0, replayed: 0, gaps: 0, lost: 0 }
  for (const strand of strandsOf(actor, KIND.FOLLOWED, fault).values()) {
    const { messages, gaps, lost } = checkStrand(strand, known, fault)
    counts.replays++
    counts.gaps += gaps
    counts.lost += lost
    if (messages > 0) counts.replayed += checkBeginning(strand, known, fault)
  }
  return counts
}

/** Where it begins; how many messages of the past it got. */
function checkBeginning({ id, topic, before, after, how, came, actor }, { timeline, kept }, fault) {
  const [replay, asked] = how
  const first = came[0].from
  // What was in the slab before it was called.
  const there = timeline.there(topic, before)
  const name = `actor ${actor.id}: subscription ${id} of topic ${topic}`
  if (replay === -1) {
    // It had seen that number: there is something after it, or a gap.
    if (first !== asked + 1) fault(`${name}, after ${asked}, begins with ${first}`)
  } else {
    const due = timeline.due(topic, after)
    const least = Math.max(there - replay, 0) + 1
    if (first < least) fault(`${name}, the last ${replay}, begins with ${first} when ${there} was there already`)
    if (due < first) fault(`${name}, the last ${replay}, begins with ${first}, and ${due} was published after it`)
    if (first > due - replay && first > 1 && kept.must(topic, first - 1, after))
      fault(`${name}, the last ${replay}, begins with ${first}, and ${first - 1} was still there`)
  }
  return came.filter(({ to, isGap }) => !isGap && to <= there).length
}

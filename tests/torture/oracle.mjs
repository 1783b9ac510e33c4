// Holds what everybody noted in a round against what must be: one order, nothing lost, doubled, torn or reordered, nobody
// told anything that is not so. It knows the bus only by these notes.

import { checkDurables } from './durables.mjs'
import { checkGroups } from './groups.mjs'
import { Kept } from './kept.mjs'
import { expected } from './messages.mjs'
import { KIND, readNotes } from './notes.mjs'
import { checkReadings } from './readings.mjs'
import { checkRequests } from './requests.mjs'
import { checkReplays } from './strands.mjs'
import { Timeline } from './timeline.mjs'
import { longestWaits } from './waits.mjs'

/**
 * @param {object} plan of the round
 * @param {Round} round carried out
 * @returns {{ faults: string[], counts: object, waits: object }}
 */
export function judge(plan, round, folder) {
  const actors = [...round.actors.values()].map(({ about, settled, clean, gone }) => ({
    ...{ id: about.id, settled, clean, gone, witness: about.witness },
    ...readNotes(folder, about.id),
  }))
  const { faults, counts } = judgeNotes(plan, actors, round.last)
  return { faults: [...round.faults, ...faults], counts, waits: longestWaits(actors, round) }
}

/**
 * @param {object[]} actors each `{ id, settled, clean, gone, notes, faults }`
 * @param {number[] | undefined} last the number each topic ended with, if the round came to that
 */
export function judgeNotes(plan, actors, last) {
  const faults = []
  const fault = (text) => void faults.push(text)
  for (const actor of actors) for (const text of actor.faults) fault(`actor ${actor.id}: ${text}`)
  const messages = union(actors, fault)
  const publishers = new Map(actors.map((actor) => [actor.id, publications(actor, fault)]))
  const order = [...messages.values()].sort((a, b) => a.position - b.position)
  checkSequences(order, last, plan.asks, fault)
  const unchecked = checkPublishers(order, publishers, last, plan, fault)
  const known = {
    timeline: new Timeline(order, publishers, plan.topics),
    kept: new Kept(plan, order, publishers, actors),
    topics: plan.topics,
    mayMiss: plan.bus.stallTimeout !== null,
    last,
  }
  const counts = { published: 0, delivered: 0, checked: order.length - unchecked }
  const count = (more) => {
    for (const [name, number] of Object.entries(more)) counts[name] = (counts[name] ?? 0) + number
  }
  for (const { noted } of publishers.values()) counts.published += noted
  for (const actor of actors) {
    count(checkReadings(actor, known, fault))
    count(checkReplays(actor, known, fault))
  }
  count(checkDurables(actors, known, fault))
  count(checkGroups(actors, known, fault))
  count(checkRequests(actors, known, fault))
  return { faults, counts }
}

/** Every message anybody received, by its position: the same for all. */
function union(actors, fault) {
  const messages = new Map()
  for (const { id, notes } of actors) {
    for (const { kind, values } of notes) {
      if (kind !== KIND.RECEIVED) continue
      const [, topic, publisher, n, position, sequence, member, length, crc, raw] = values
      const message = { topic, publisher, n, position, sequence, member, length, crc, raw, receiver: id }
      const known = messages.get(position)
      if (known === undefined) messages.set(position, message)
      else if (!isSame(known, message)) {
        fault(`position ${position} is not the same for all: ${describe(known)}; ${describe(message)}`)
      }
    }
  }
  return messages
}

const FIELDS = ['topic', 'publisher', 'n', 'sequence', 'member', 'length', 'crc', 'raw']
const isSame = (a, b) => FIELDS.every((field) => a[field] === b[field])
const describe = (message) =>
  `${FIELDS.map((field) => `${field} ${message[field]}`).join(' ')} (actor ${message.receiver})`

/** What a publisher noted: each number's topic and times, and how many of them are in the slab whatever became of it. */
function publications({ id, notes, clean, settled }, fault) {
  const all = []
  let certain = 0
  for (const { kind, values } of notes) {
    if (kind === KIND.DRAINED) certain = Math.max(certain, values[0])
    if (kind !== KIND.PUBLISHED) continue
    const [before, after, n, topic, isIn] = values
    if (n !== all.length + 1) fault(`actor ${id} noted number ${n} after ${all.length}: the torture itself is wrong`)
    all.push({ before, after, topic, isIn: isIn === 1 })
    if (isIn === 1) certain = n
  }
  const noted = all.length
  // It waited for its outbox, or the process ended as it should.
  const isComplete = clean || settled
  return { id, all, noted, certain: isComplete ? noted : certain, most: isComplete ? noted : noted + 1 }
}

/** A topic's numbers go up by one with the positions; where some were received by nobody, they may skip as many. */
function checkSequences(order, last, asks, fault) {
  const sequences = new Map()
  let before = -1
  let unknown = 0
  for (const message of order) {
    unknown += message.position - before - 1
    before = message.position
    const { topic, sequence } = message
    const previous = sequences.get(topic) ?? { sequence: 0, unknown: 0 }
    const skipped = sequence - previous.sequence - 1
    if (skipped < 0 || skipped > unknown - previous.unknown) {
      fault(
        `topic ${topic}: number ${sequence} at position ${message.position} follows ${previous.sequence}, with ` +
          `${unknown - previous.unknown} positions in between that nobody received`,
      )
    }
    sequences.set(topic, { sequence, unknown })
  }
  if (!last) return
  const total = last.reduce((sum, sequence) => sum + sequence, 0)
  // What is asked and answered has positions of its own.
  if (asks ? before + 1 < total : before + 1 !== total)
    fault(`${before + 1} positions, but the topics' numbers add up to ${total}`)
}

/** What each published came once, whole and in its order. Returns of how many messages it cannot be told. */
function checkPublishers(order, publishers, last, plan, fault) {
  const byMember = new Map()
  for (const { member, publisher, position } of order) {
    if (publisher === -1) continue
    const known = byMember.get(member)
    if (known === undefined) byMember.set(member, publisher)
    else if (known !== publisher) fault(`position ${position}: member ${member} is actor ${known} and ${publisher}`)
  }
  const reached = new Map([...publishers.keys()].map((id) => [id, { n: 0, unknown: 0 }]))
  let unknown = 0
  let unchecked = 0
  let before = -1
  for (const message of order) {
    const { position, topic } = message
    unknown += position - before - 1
    before = position
    const publisher = byMember.get(message.member)
    const from = reached.get(publisher)
    // Too short to say whose it is, or which: told by what stands before it, if that is known.
    if (!from || (message.publisher === -1 && unknown > from.unknown)) {
      if (publisher !== undefined && !from) fault(`position ${position} is of actor ${publisher}, whom there is not`)
      unknown++
      unchecked++
      continue
    }
    const n = message.publisher === -1 ? from.n + 1 : message.n
    const skipped = n - from.n - 1
    if (skipped < 0 || skipped > unknown - from.unknown) {
      fault(
        `actor ${publisher}: its number ${n} (position ${position}, topic ${topic}) follows ${from.n}, with ` +
          `${unknown - from.unknown} positions in between that nobody received`,
      )
    }
    const is = expected(publisher, topic, n, plan)
    if (is.length !== message.length || is.crc !== message.crc || is.raw !== message.raw) {
      fault(`torn: position ${position} should be number ${n}, ${JSON.stringify(is)}: ${describe(message)}`)
    }
    const { all, most } = publishers.get(publisher)
    if (n > most) fault(`actor ${publisher}: number ${n} came, it published ${most} at the most`)
    if (n <= all.length && all[n - 1].topic !== topic)
      fault(`actor ${publisher}: number ${n} was for topic ${all[n - 1].topic}, and came at ${topic}`)
    message.by = publisher
    message.number = n
    reached.set(publisher, { n, unknown })
  }
  if (last) {
    for (const { id, certain } of publishers.values()) {
      const { n, unknown: then } = reached.get(id)
      if (certain - n > unknown - then) {
        fault(
          `actor ${id}: ${certain} messages were in the slab, the last to come was ${n}, with ${unknown - then} ` +
            'positions after it that nobody received',
        )
      }
    }
  }
  return unchecked
}

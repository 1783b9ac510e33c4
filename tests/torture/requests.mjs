// What became of each request: it got an answer to itself from somebody who served it, or the right error; and it ended.

import { LONG } from './asking.mjs'
import { BY, KIND } from './notes.mjs'

/** In ms: what a timer may be early by. */
const EARLY = 3

/** @param {object} known as of readings.mjs */
export function checkRequests(actors, { mayMiss }, fault) {
  const counts = { requests: 0, answers: 0, nobody: 0, timeouts: 0, answersLost: 0 }
  const responders = respondersOf(actors, fault)
  // Where nobody is cut off, and every answer could be sent, none is lost.
  const isUnsent = actors.some(({ notes }) => notes.some(({ kind }) => kind === KIND.UNSENT))
  const mayLose = mayMiss || isUnsent
  for (const actor of actors) {
    for (const request of requestsOf(actor).values()) {
      counts.requests++
      counts.answers += request.answers.length
      counts.nobody += request.by === BY.NOBODY ? 1 : 0
      counts.timeouts += request.by === BY.TIMEOUT ? 1 : 0
      counts.answersLost += request.by === BY.LOST ? 1 : 0
      check(request, responders, { mayMiss, mayLose }, (text) =>
        fault(`actor ${actor.id}: request ${request.number} ${text}`),
      )
      if (request.by === undefined && actor.settled) fault(`actor ${actor.id}: request ${request.number} has not ended`)
    }
  }
  return counts
}

/** Per actor and number: from when till when it was there for certain, and what it served when. */
function respondersOf(actors, fault) {
  const all = new Map()
  for (const actor of actors) {
    const end = actor.settled ? Number.POSITIVE_INFINITY : (actor.notes.at(-1)?.time ?? 0)
    for (const { kind, time, values } of actor.notes) {
      const [first, second, id, question] = values
      const name = (responder) => `${actor.id}/${responder}`
      if (kind === KIND.RESPONDS) {
        all.set(name(id), {
          actor,
          question,
          from: second,
          to: end,
          served: new Map(),
        })
      } else if (kind === KIND.RESPONDS_NO_MORE) all.get(name(first)).to = time
      else if (kind === KIND.SERVED) {
        const [responder, asked, asker, request] = values
        const one = all.get(name(responder))
        const where = `actor ${actor.id}: responder ${responder}`
        if (one.question !== asked) fault(`${where} of question ${one.question} was asked ${asked}`)
        if (time > one.to) fault(`${where} was asked after its end`)
        if (one.served.has(`${asker}/${request}`))
          fault(`${where} was asked request ${request} of actor ${asker} twice`)
        one.served.set(`${asker}/${request}`, time)
      }
    }
  }
  return all
}

function requestsOf(actor) {
  const all = new Map()
  for (const { kind, time, values } of actor.notes) {
    if (kind === KIND.ASKED) {
      const [before, number, question, timeout, isOfAll] = values
      all.set(number, { actor, number, question, timeout, isOfAll: isOfAll === 1, before, answers: [], by: undefined })
    } else if (kind === KIND.ANSWERED) all.get(values[0]).answers.push({ by: `${values[2]}/${values[3]}` })
    else if (kind === KIND.ENDED)
      Object.assign(all.get(values[0]), { by: values[1], missing: values[2], full: values[3], time })
  }
  return all
}

function check(
  { actor, number, question, timeout, isOfAll, before, answers, by, missing, full, time },
  responders,
  { mayMiss, mayLose },
  fault,
) {
  const key = `${actor.id}/${number}`
  const givers = new Set()
  for (const { by } of answers) {
    const giver = responders.get(by)
    if (giver?.question !== question) fault(`was answered by ${by}, who does not respond to it`)
    else if (!giver.served.has(key)) fault(`was answered by ${by}, who was not asked`)
    if (givers.has(by)) fault(`was answered twice by ${by}`)
    givers.add(by)
  }
  if (by === undefined) return
  // Who responded from before it was asked until after it ended.
  const isThere = (one) => one.question === question && one.from < before && one.to > time
  const there = [...responders].filter(([, one]) => isThere(one)).map(([name]) => name)
  if (by === -1) fault('ended with an error that is none of its')
  if (by === BY.NOBODY && there.length > 0) fault(`found nobody, and ${there[0]} was there`)
  if (by === BY.TIMEOUT && time - before < timeout - EARLY) fault(`timed out after ${time - before} ms of ${timeout}`)
  if (by === BY.LOST && !mayMiss) fault('lost its answers, though nobody is ever cut off')
  if (by === BY.TIMEOUT && timeout === LONG && !mayLose) fault(`got no answer within ${timeout} ms`)
  if (by !== BY.ANSWERS) return
  if (!isOfAll && answers.length !== 1) fault(`ended with ${answers.length} answers`)
  if (isOfAll) {
    const without = there.filter((name) => !givers.has(name))
    // A thread that has not said how many handlers it has counts once.
    const threads = new Set(without.map((name) => responders.get(name).actor))
    // Where no room was for an answer, that is the answer: everybody's own, and it does not say whose.
    if (threads.size > (mayLose ? missing : full))
      fault(`got nothing of ${without.join(', ')}, with ${missing} missing`)
  }
}

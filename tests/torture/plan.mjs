// What a seed decides about a round: the bus, who takes part, and what becomes of whom, when. Nothing here runs anything.

import random from '../crash/random.js'

const KiB = 1024
/** So many processes and threads, all of whom open the bus at once. */
const CROWD = { processes: 16, threads: 3 }
/** Every so many rounds there is a crowd, beginning with the first. */
const CROWD_EVERY = 10

/** The seed of round `number`. */
const mix = (seed, number) => (Math.imul(seed ^ (seed >>> 16), 0x45d9f3b) + Math.imul(number + 1, 0x9e3779b1)) >>> 0

/** What a plan's bus is opened with: JSON has no Infinity. */
export const optionsOf = (bus) => ({ ...bus, stallTimeout: bus.stallTimeout ?? Number.POSITIVE_INFINITY })

export function planRound(seed, number, processes) {
  const next = random.generator(mix(seed, number))
  const within = (from, to) => from + Math.floor(next() * (to - from + 1))
  const any = (list) => list[Math.floor(next() * list.length)]

  const crowd = number % CROWD_EVERY === 0
  const size = any([64, 64, 128, 256, 1024, 2048]) * KiB
  const maxMessage = next() < 0.7 ? size / 2 : Math.floor(size / 4 + next() * (size / 4))
  const heard = within(1, 12)
  const plan = {
    number,
    crowd,
    heard,
    topics: heard + (next() < 0.3 ? within(1, 2) : 0),
    // The last one: of those that the witness does not hear, if there are any.
    heavy: undefined,
    maxMessage,
    // Each thread that asks has a topic of its own for the answers. Nobody tells where these lie in the order of all messages, so
    // that in other rounds more of it is known.
    asks: next() < 0.4,
    bus: {
      size,
      maxMessage,
      topics: 4096,
      // null: Infinity.
      stallTimeout: any([0, 100, 250, 500, 1000, null]),
      outbox: any([64 * KiB, 256 * KiB, 4096 * KiB]),
    },
    duration: crowd ? 1500 : within(2500, 5500),
    ending: next() < 0.2 ? 'massacre' : 'leave',
    processes: [],
    events: [],
  }

  if (next() < 0.6) plan.heavy = plan.topics - 1

  let actors = 0
  const actor = (witness) => ({
    id: actors++,
    seed: Math.floor(next() * 2 ** 32),
    witness,
    pause: crowd ? 20 : any([0, 0, 1, 5, 20]),
    storm: next() < 0.25,
    heavy: plan.heavy !== undefined && !witness && next() < 0.3,
    burst: any([1, 8, 64]),
  })
  const threads = (count) => Array.from({ length: count }, () => actor(false))
  const born = (at, slot) => ({
    do: 'start',
    at,
    slot,
    main: actor(slot === 0),
    threads: threads(crowd ? CROWD.threads : next() < 0.4 ? within(1, 2) : 0),
  })

  const chosen = within(2, 16)
  const slots = crowd ? CROWD.processes : (processes ?? chosen)
  const living = []
  for (let slot = 0; slot < slots; slot++) {
    const event = born(0, slot)
    plan.processes.push(event)
    living[slot] = { threads: event.threads.map(({ id }) => id) }
  }
  let most = plan.processes.reduce((sum, { threads }) => sum + 1 + threads.length, 0)

  // Some die while they open the bus, or just after.
  if (next() < (crowd ? 1 : 0.5)) {
    for (let count = within(1, crowd ? 3 : 1); count > 0; count--) {
      const slot = within(1, slots - 1)
      if (living[slot].goneUntil) continue
      living[slot].goneUntil = Number.POSITIVE_INFINITY
      plan.events.push({ do: 'kill', at: -next() * 30 + 25, slot, opening: true })
    }
  }

  const patience = plan.bus.stallTimeout ?? 500
  let at = within(50, 250)
  while (at < plan.duration) {
    const slot = within(0, slots - 1)
    const one = living[slot]
    const kind = next()
    if (one.goneUntil > at || one.stoppedUntil > at) {
      // Also one that is stopped may die.
      if (one.stoppedUntil > at && !(one.goneUntil > at) && kind < 0.3) gone('kill', slot, at)
    } else if (slot > 0 && kind < 0.35) gone('kill', slot, at)
    else if (slot > 0 && kind < 0.42) gone('exit', slot, at)
    else if (slot > 0 && kind < 0.49) gone(any(['close', 'end']), slot, at)
    else if (slot > 0 && kind < 0.7) {
      // Mostly shorter than a cut-off takes, a third longer.
      const long = next() < 0.35 ? patience * (1 + next() * 2) : next() * Math.min(patience, 200)
      const until = Math.min(at + 5 + long, plan.duration + 500)
      plan.events.push({ do: 'stop', at, slot }, { do: 'continue', at: until, slot })
      one.stoppedUntil = until
    } else if (kind < 0.86 || one.threads.length === 0) {
      if (one.threads.length < 3 && !crowd) {
        const about = actor(false)
        plan.events.push({ do: 'thread', at, slot, about })
        one.threads.push(about.id)
      }
    } else {
      const index = within(0, one.threads.length - 1)
      const [id] = one.threads.splice(index, 1)
      plan.events.push({ do: next() < 0.7 ? 'terminate' : 'exitThread', at, slot, id })
    }
    most = Math.max(
      most,
      living.reduce((sum, { threads }) => sum + 1 + threads.length, 0),
    )
    at += next() < 0.2 ? next() * 20 : next() * (crowd ? 200 : 130)
  }

  /** It ends, and comes again a little later; those who end in order need a while to. */
  function gone(how, slot, at) {
    const pause = next() < 0.5 ? 0 : next() * 400
    const event = born(at + pause, slot)
    plan.events.push({ do: how, at, slot })
    if (event.at < plan.duration) plan.events.push(event)
    living[slot] = { goneUntil: event.at, threads: event.threads.map(({ id }) => id) }
  }

  plan.events.sort((a, b) => a.at - b.at)
  plan.actors = actors
  // A few more than there ever are at once, those who are just ending included: who leaks one in each round fills the table.
  plan.bus.members = most + 6
  plan.leaving = Array.from({ length: slots }, (_, slot) =>
    any(slot === 0 ? ['close', 'end'] : ['close', 'end', 'exit', 'kill']),
  )
  return plan
}

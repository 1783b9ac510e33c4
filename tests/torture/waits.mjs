// How long the living waited. Reported, not asserted: what is generous is the watchdog of the round.

import { KIND } from './notes.mjs'

/** A dead one is noticed within so many ms: a wait that begins this much later is none of its. */
const NOTICED = 1500

/** The longest of each kind, in ms. */
export function longestWaits(actors, { kills, stops }) {
  const longest = {
    /** From publish() giving false to everything being in the slab, somebody having been killed, nobody stopped. */
    roomAfterKill: 0,
    /** The same with nobody killed or stopped: slow readers. */
    room: 0,
    /** Somebody was stopped meanwhile. */
    roomWhileStopped: 0,
    /** From being published to being received, nobody having been stopped. */
    delivery: 0,
    deliveryWhileStopped: 0,
  }
  const raise = (kind, wait) => {
    longest[kind] = Math.max(longest[kind], wait)
  }
  const isStopped = (from, to) => stops.some((stop) => stop.from <= to && stop.to >= from)
  const room = (from, to) => {
    if (isStopped(from, to)) return raise('roomWhileStopped', to - from)
    const kill = kills.find(({ time }) => time > from - NOTICED && time < to)
    if (kill) raise('roomAfterKill', to - Math.max(from, kill.time))
    else raise('room', to - from)
  }
  for (const { notes } of actors) {
    let full
    // What is looked back for, or waits until a listener is done, was published long ago.
    const followers = new Set()
    for (const { kind, time, values } of notes) {
      if (kind === KIND.PUBLISHED && values[4] === 0) full ??= values[1]
      if (kind === KIND.DRAINED && full !== undefined) {
        room(full, time)
        full = undefined
      }
      if (kind === KIND.FOLLOWED || kind === KIND.HELD) followers.add(values[2])
      if (kind !== KIND.RECEIVED || followers.has(values[0])) continue
      if (values[10] <= Math.min(longest.delivery, longest.deliveryWhileStopped)) continue
      raise(isStopped(time - values[10], time) ? 'deliveryWhileStopped' : 'delivery', values[10])
    }
  }
  return longest
}

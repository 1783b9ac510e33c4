// When each message of a topic was published, as far as that is known: what subscriptions are held against.

/** Per topic, its messages with the times of their publish(). */
export class Timeline {
  #topics

  /** @param {object[]} order the messages, by position; @param {Map} publishers what each actor published */
  constructor(order, publishers, count) {
    this.#topics = Array.from({ length: count }, () => ({ begun: [], done: [], times: new Map() }))
    for (const { topic, sequence, by, number } of order) {
      const times = by === undefined ? undefined : publishers.get(by).all[number - 1]
      if (!times) continue
      this.#topics[topic].times.set(sequence, times.before)
      this.#topics[topic].begun.push({ time: times.before, sequence })
      if (times.isIn) this.#topics[topic].done.push({ time: times.after, sequence })
    }
    for (const { begun, done } of this.#topics) {
      begun.sort((a, b) => a.time - b.time)
      done.sort((a, b) => a.time - b.time)
      // The lowest number among those begun then or later; the highest among those done then or before.
      for (let at = begun.length - 2; at >= 0; at--)
        begun[at].sequence = Math.min(begun[at].sequence, begun[at + 1].sequence)
      for (let at = 1; at < done.length; at++) done[at].sequence = Math.max(done[at].sequence, done[at - 1].sequence)
    }
  }

  /** When publishing a message began. */
  begun(topic, sequence) {
    return this.#topics[topic].times.get(sequence)
  }

  /** The first number published after a time: who had subscribed by then gets it. */
  due(topic, time) {
    const { begun } = this.#topics[topic]
    return begun[firstAfter(begun, time)]?.sequence
  }

  /** The highest number known to have been in the slab at a time. */
  there(topic, time) {
    const { done } = this.#topics[topic]
    return done[firstAfter(done, time) - 1]?.sequence ?? 0
  }
}

/** The first place in a list sorted by time that is later than `time`. */
function firstAfter(list, time) {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (list[middle].time > time) high = middle
    else low = middle + 1
  }
  return low
}

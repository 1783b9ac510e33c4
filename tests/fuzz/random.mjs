/** Numbers from a seed, which is made up where none is given. (mulberry32) */
export function random(given = Math.floor(Math.random() * 2 ** 31)) {
  const seed = Number(given)
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end) => Math.floor(next() * end)
  return { seed, next, below, pick: (list) => list[below(list.length)] }
}

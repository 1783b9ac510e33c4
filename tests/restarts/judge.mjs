// Judges the notes of a run, and knows the bus by nothing else: what was called, what returned, in which life, and how that ended.

/** @returns {string[]} what is wrong, and numbers of what was seen. */
export function judge(text, published) {
  const wrong = []
  const seen = { lives: 0, kills: 0, calls: 0, redelivered: 0, markedUncalled: 0, gaps: 0 }
  /** The number that is next if all before are handled; whether the one before may not be. */
  let next = 1
  let mayRepeat = false
  let isFirst = true
  let kind = ''
  const killed = (what) => what !== 'close' && what !== 'last'
  for (const line of text.split('\n')) {
    const [what, one, two] = line.split(' ')
    const at = `life ${seen.lives}: ${line}`
    if (what === 'life') {
      // A life that has no end was killed; only the message in its hands may come again.
      mayRepeat = seen.lives > 0 && killed(kind)
      isFirst = true
      kind = two
      seen.lives++
      seen.kills += killed(kind)
    } else if (what === 'called') {
      const n = Number(one)
      const isAgain = two === 'again'
      seen.calls++
      if (n === next - 1 && isFirst && mayRepeat) {
        seen.redelivered++
        if (!isAgain) wrong.push(`${at}: it comes again and does not say so`)
      } else if (n !== next) wrong.push(`${at}: ${next} was due`)
      // Killed between the word that it begins and the call: nobody saw it.
      else if (isAgain && isFirst && mayRepeat) seen.markedUncalled++
      else if (isAgain) wrong.push(`${at}: it comes for the first time`)
      next = n + 1
      isFirst = false
    } else if (what === 'gap') {
      seen.gaps++
      wrong.push(`${at}: the slab could hold all`)
    } else if (what === 'wrong') wrong.push(at)
    else if (what === 'end' && killed(kind)) wrong.push(`${at}: it was to be killed`)
  }
  if (next !== published + 1) wrong.push(`the last was ${next - 1} of ${published}`)
  return { wrong, seen }
}

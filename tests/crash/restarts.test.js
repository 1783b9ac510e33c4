'use strict'

// A durable subscriber that is restarted again and again under load that the slab can hold, in order and by kill -9: no message is lost,
// none comes twice after an end in order, and after a kill only the one whose listener had not returned. `npm run restarts` does
// a thousand.

const test = require('node:test')
const assert = require('node:assert/strict')

const COUNT = 150

test(`${COUNT} restarts of a durable subscriber, by close and by kill -9, lose no message and double none`, async (t) => {
  const { restarts } = await import('../restarts/run.mjs')
  const seed = Number(process.env.SLABCAST_SEED ?? Date.now() % 2 ** 31)
  const { wrong, seen, notes } = await restarts(COUNT, seed)
  t.diagnostic(`seed ${seed}: ${JSON.stringify(seen)}`)
  assert.deepEqual(wrong.slice(0, 10), [], `seed ${seed}, notes in ${notes}`)
  assert.ok(seen.kills > COUNT / 3 && seen.redelivered > 10, JSON.stringify(seen))
})

test('the judge of restarts finds what is lost, doubled, not marked and marked for nothing', async () => {
  const { judge } = await import('../restarts/judge.mjs')
  const wrongOf = (notes, published) => judge(notes.join('\n'), published).wrong.length
  const first = ['life 0 close', 'called 1 first', 'returned 1', 'end 0']
  const killed = ['life 1 parent', 'called 2 first', 'returned 2', 'called 3 first']
  assert.equal(wrongOf([...first, ...killed, 'life 2 close', 'called 3 again', 'called 4 first'], 4), 0)
  assert.equal(wrongOf([...first, ...killed, 'life 2 close', 'called 4 first'], 4), 0, 'it may have been handled')
  const all = [
    [[...first, ...killed, 'life 2 close', 'called 5 first'], 5, 'lost'],
    [[...first, ...killed, 'life 2 close', 'called 3 first'], 3, 'not marked'],
    [[...first, ...killed, 'life 2 close', 'called 2 again', 'called 3 again', 'called 4 first'], 4, 'doubled'],
    [[...first, 'life 1 close', 'called 1 again', 'called 2 first'], 2, 'doubled after an end in order'],
    [[...first, 'life 1 close', 'called 2 again'], 2, 'marked for nothing'],
    [[...first, 'life 1 close', 'called 2 first'], 3, 'the last is lost'],
    [[...first, 'gap 2 2 overwritten', 'called 3 first'], 3, 'a gap'],
  ]
  for (const [notes, published, what] of all) assert.ok(wrongOf(notes, published) > 0, what)
})

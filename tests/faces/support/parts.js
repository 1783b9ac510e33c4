'use strict'

// An application of three parts, run in one process by its host's own implementation and in three by ours: what is done step by step,
// and what each part has heard in the end.

const assert = require('node:assert/strict')

const PARTS = ['a', 'b', 'c']

/**
 * In a child: does what it is told by `outcome`.
 * @param {Record<string, { sync: (n: number) => void, do: (act: unknown[]) => unknown, end: () => unknown }>} parts those in this process. `sync`
 *   reaches all parts as everything else does, and each says { synced: n }; `end` gives what the part heard
 */
async function live({ say, hear }, parts) {
  await say('ready')
  for (;;) {
    const { part, act, sync } = await hear()
    if (sync !== undefined) parts[part].sync(sync)
    else if (act !== 'end') await say({ did: await parts[part].do(act) })
    else break
  }
  const heard = {}
  for (const [name, part] of Object.entries(parts)) heard[name] = await part.end()
  await say(heard)
}

/** In the test: what the parts heard, by name. `where`: the child each lives in; `steps`: [part, ...act]. */
async function outcome(where, steps) {
  const children = [...new Set(Object.values(where))]
  for (const child of children) assert.equal(await child.hear(), 'ready')
  let number = 0
  const settle = async () => {
    // What was done has come to everybody; and then what they did about it, too.
    for (const from of [...PARTS, 'a']) {
      where[from].say({ part: from, sync: ++number })
      for (const part of PARTS) assert.deepEqual(await where[part].hear(), { synced: number })
    }
  }
  await settle()
  for (const [part, ...act] of steps) {
    where[part].say({ part, act })
    assert.ok('did' in (await where[part].hear()))
    await settle()
  }
  const heard = {}
  for (const child of children) child.say({ act: 'end' })
  for (const child of children) Object.assign(heard, await child.hear())
  for (const child of children) assert.deepEqual(await child.end(), { code: 0, signal: null })
  return heard
}

module.exports = { live, outcome, PARTS }

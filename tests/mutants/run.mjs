// Proves that the tests bite: applies each mutant to a copy of the tree, runs the test it names (trial.mjs), and requires
// that it fails.
// `node tests/mutants/run.mjs [--no-baseline] [--list] [--why] [part of a rule, name or test]...`

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bursts } from './bursts.mjs'
import { census } from './census.mjs'
import { groups } from './groups.mjs'
import { hostile } from './hostile.mjs'
import { members } from './members.mjs'
import { mutants as protocol } from './mutants.mjs'
import { patternRules } from './patterns.mjs'
import { places } from './places.mjs'
import { mutants as repairs } from './repairs.mjs'
import { durables, pasts } from './replay.mjs'
import { requests } from './requests.mjs'
import { spins } from './spin.mjs'
import { copy, run } from './trial.mjs'
import { windows } from './windows.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const mutants = [
  ...places,
  ...members,
  ...repairs,
  ...hostile,
  ...bursts,
  ...census,
  ...requests,
  ...groups,
  ...patternRules,
  ...pasts,
  ...durables,
  ...spins,
  ...protocol,
  ...windows,
]
const flags = process.argv.slice(2).filter((arg) => arg.startsWith('--'))
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
const chosen = mutants.filter(
  (mutant) =>
    wanted.length === 0 || wanted.some((part) => `${mutant.rule} ${mutant.name} ${mutant.test}`.includes(part)),
)

/** The files a mutant changes, as they are then. */
function mutated(mutant) {
  const texts = new Map()
  for (const { file = mutant.file, find, replace } of [mutant, ...(mutant.also ?? [])]) {
    const parts = (texts.get(file) ?? readFileSync(join(root, file), 'utf8')).split(find)
    if (parts.length !== 2) {
      throw new Error(`"${mutant.rule} ${mutant.name}": ${file} holds ${parts.length - 1} times\n${find}`)
    }
    texts.set(file, parts.join(replace))
  }
  return texts
}

function apply(mutant, tree) {
  const texts = mutated(mutant)
  for (const [file, text] of texts) writeFileSync(join(tree, file), text)
  return () => {
    for (const file of texts.keys()) writeFileSync(join(tree, file), readFileSync(join(root, file)))
  }
}

// All of them before any is run: the stale ones are told at once.
const stale = mutants.flatMap((mutant) => {
  try {
    mutated(mutant)
    return []
  } catch (error) {
    return [error.message]
  }
})
if (stale.length > 0) throw new Error(`${stale.length} stale mutants:\n${stale.join('\n')}`)
if (flags.includes('--list')) {
  for (const { rule, name, test } of chosen) console.log(`${rule} | ${name} | ${test}`)
  process.exit(0)
}

const tree = mkdtempSync(join(tmpdir(), 'mutants-'))
let survivors = 0
try {
  copy(root, tree)
  if (!flags.includes('--no-baseline')) {
    for (const test of new Set(chosen.map((mutant) => mutant.test))) {
      const { result, seconds, output } = run(root, tree, test)
      console.log(`- | none | ${test} | ${result} after ${seconds.toFixed(1)} s`)
      if (result !== 'passed') {
        console.log(output)
        survivors++
      }
    }
  }
  for (const mutant of chosen) {
    const restore = apply(mutant, tree)
    const { result, seconds, output } = run(root, tree, mutant.test)
    restore()
    const verdict = result === 'failed' ? 'caught' : `NOT CAUGHT (${result})`
    console.log(`${mutant.rule} | ${mutant.name} | ${mutant.test} | ${verdict} after ${seconds.toFixed(1)} s`)
    if (result !== 'failed') {
      survivors++
      if (result === 'broken') console.log(output)
    } else if (flags.includes('--why')) {
      // What the test had to say: the lines after its first panic, or its first error.
      console.log(output.match(/panicked at [^\n]*\n[^\n]*\n?[^\n]*|error: [^\n]*\n?[^\n]*/)?.[0] ?? output)
    }
  }
} finally {
  rmSync(tree, { recursive: true, force: true })
}
console.log(survivors === 0 ? `all ${chosen.length} caught` : `${survivors} of ${chosen.length} not caught`)
process.exitCode = survivors === 0 ? 0 : 1

// Proves that the tests bite: applies each mutant to a copy of the tree, runs the test it names, and requires that it
// fails. `kill::...` is a case of tests/kill, or a part of the names of several.
// `node tests/mutants/run.mjs [--no-baseline] [--list] [--why] [part of a rule or name]...`

import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hostile } from './hostile.mjs'
import { mutants as protocol } from './mutants.mjs'
import { mutants as repairs } from './repairs.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '../..')
const mutants = [...protocol, ...repairs, ...hostile]
const flags = process.argv.slice(2).filter((arg) => arg.startsWith('--'))
const wanted = process.argv.slice(2).filter((arg) => !arg.startsWith('--'))
const chosen = mutants.filter(
  (mutant) =>
    wanted.length === 0 || wanted.some((part) => `${mutant.rule} ${mutant.name} ${mutant.test}`.includes(part)),
)

// A test that takes this long is not one a pipeline can run: it counts as not failing.
const watchdogMs = 10 * 60 * 1000

function apply(mutant, tree) {
  const original = readFileSync(join(root, mutant.file), 'utf8')
  let text = original
  for (const { find, replace } of [mutant, ...(mutant.also ?? [])]) {
    const parts = text.split(find)
    if (parts.length !== 2) {
      throw new Error(
        `stale mutant "${mutant.rule} ${mutant.name}": ${mutant.file} holds ${parts.length - 1} times\n${find}`,
      )
    }
    text = parts.join(replace)
  }
  if (tree) writeFileSync(join(tree, mutant.file), text)
  return () => writeFileSync(join(tree, mutant.file), original)
}

const isModel = (test) => test.startsWith('model::')
const isCase = (test) => test.startsWith('kill::')

function cargo(tree, test, args) {
  const env = {
    ...process.env,
    CARGO_TARGET_DIR: join(root, 'target', isModel(test) ? 'loom' : 'property'),
    // Built many times, run once: no whole-program optimisation.
    CARGO_PROFILE_RELEASE_LTO: 'off',
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
    CARGO_PROFILE_RELEASE_DEBUG: '0',
    CARGO_INCREMENTAL: '1',
    RUST_BACKTRACE: '0',
    RUSTFLAGS: isModel(test) ? '--cfg loom' : '',
    SLABCAST_CASE: test.slice('kill::'.length),
    // What is broken is often waited for.
    SLABCAST_WATCHDOG: '10',
  }
  const all = [
    'test',
    '--release',
    ...(isCase(test) ? ['--features', 'kill-points', '--test', 'kill'] : ['--lib']),
    ...args,
  ]
  return spawnSync('cargo', all, { cwd: tree, env, encoding: 'utf8', timeout: watchdogMs, killSignal: 'SIGKILL' })
}

/** 'passed', 'failed', 'broken' (does not compile) or 'endless', after seconds. */
function run(tree, test) {
  const build = cargo(tree, test, ['--no-run', '-q'])
  if (build.status !== 0) return { result: 'broken', seconds: 0, output: build.stderr }
  const start = Date.now()
  const name = isCase(test) ? 'the_living_lose_nothing_whoever_dies_where' : test
  const { status, stdout, stderr } = cargo(tree, test, ['-q', name, '--', '--exact'])
  const seconds = (Date.now() - start) / 1000
  const output = `${stdout}\n${stderr}`
  if (status === null) return { result: 'endless', seconds, output }
  if (!/running 1 test/.test(stdout)) return { result: 'broken', seconds, output: `no such test: ${test}` }
  return { result: status === 0 ? 'passed' : /test result: FAILED/.test(stdout) ? 'failed' : 'broken', seconds, output }
}

// All of them before any is run: a stale one is told at once.
for (const mutant of mutants) apply(mutant, null)
if (flags.includes('--list')) {
  for (const { rule, name, test } of chosen) console.log(`${rule} | ${name} | ${test}`)
  process.exit(0)
}

const tree = mkdtempSync(join(tmpdir(), 'mutants-'))
let survivors = 0
try {
  for (const part of ['src', 'tests', 'Cargo.toml', 'Cargo.lock', 'build.rs', 'clippy.toml']) {
    cpSync(join(root, part), join(tree, part), { recursive: true })
  }
  if (!flags.includes('--no-baseline')) {
    for (const test of new Set(chosen.map((mutant) => mutant.test))) {
      const { result, seconds, output } = run(tree, test)
      console.log(`- | none | ${test} | ${result} after ${seconds.toFixed(1)} s`)
      if (result !== 'passed') {
        console.log(output)
        survivors++
      }
    }
  }
  for (const mutant of chosen) {
    const restore = apply(mutant, tree)
    const { result, seconds, output } = run(tree, mutant.test)
    restore()
    const verdict = result === 'failed' ? 'caught' : `NOT CAUGHT (${result})`
    console.log(`${mutant.rule} | ${mutant.name} | ${mutant.test} | ${verdict} after ${seconds.toFixed(1)} s`)
    if (result !== 'failed') {
      survivors++
      if (result === 'broken') console.log(output)
    } else if (flags.includes('--why')) {
      // What the test had to say: the lines after its first panic.
      console.log(output.match(/panicked at [^\n]*\n[^\n]*\n?[^\n]*/)?.[0] ?? output)
    }
  }
} finally {
  rmSync(tree, { recursive: true, force: true })
}
console.log(survivors === 0 ? `all ${chosen.length} caught` : `${survivors} of ${chosen.length} not caught`)
process.exitCode = survivors === 0 ? 0 : 1

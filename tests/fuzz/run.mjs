// Feeds hostile bytes to what reads them: libFuzzer with AddressSanitizer around the Rust targets, fuzzers of our own
// around JavaScript's decoder and its requests. First what was kept, then new inputs, from a printed seed.
//
//     npm run fuzz -- [--seconds 60] [--seed n] [segment | bus | files | globs | requests | codec | envelopes]...
//
// `--seconds` is shared by the targets. The first failure ends it; the input is written to target/fuzz and replays with
// `npm run fuzz -- --replay FILE TARGET`.

import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { run } from '../../scripts/run.mjs'
import { random } from './random.mjs'

const SCRIPTS = ['codec', 'envelopes']
const TARGETS = ['segment', 'bus', 'files', 'globs', 'requests', ...SCRIPTS]
const HERE = import.meta.dirname

const { values, positionals } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' }, replay: { type: 'string' } },
  allowPositionals: true,
})
const chosen = positionals.length > 0 ? positionals : TARGETS
for (const target of chosen) {
  if (!TARGETS.includes(target)) throw new Error(`there is no target "${target}": ${TARGETS.join(', ')}`)
}
const { seed } = random(values.seed)
const seconds = Math.max(1, Math.round(values.seconds / chosen.length))
const host = execFileSync('rustc', ['-vV'], { encoding: 'utf8' }).match(/^host: (.*)$/m)[1]
const folder = resolve('target/fuzz')

if (chosen.some((target) => !SCRIPTS.includes(target))) build()
for (const target of chosen) {
  console.log(`\n# fuzz ${target}: --seed ${seed}, ${seconds} s`)
  if (SCRIPTS.includes(target)) script(target)
  else rust(target)
}

/** Coverage by LLVM's own pass, which stable rustc has; the sanitizer is behind a flag of nightly's. */
function build() {
  const flags = [
    '--cfg fuzzing',
    '-Cpasses=sancov-module',
    '-Cllvm-args=-sanitizer-coverage-level=4',
    '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
    '-Cllvm-args=-sanitizer-coverage-pc-table',
    '-Cllvm-args=-sanitizer-coverage-trace-compares',
    '-Zsanitizer=address',
  ]
  const env = { ...process.env, RUSTC_BOOTSTRAP: '1', RUSTFLAGS: flags.join(' ') }
  // With --target, what runs while it is built is built without them.
  const where = ['--manifest-path', `${HERE}/Cargo.toml`, '--target', host, '--target-dir', folder]
  run('cargo', ['build', '--locked', '--release', ...where], { env })
}

function rust(target) {
  const binary = `${folder}/${host}/release/${target}`
  if (values.replay) return run(binary, [resolve(values.replay)])
  const found = `${folder}/corpus/${target}`
  mkdirSync(found, { recursive: true })
  const options = [
    `-seed=${seed % 2 ** 32 || 1}`,
    `-max_total_time=${seconds}`,
    '-max_len=512',
    // Each input is a matter of milliseconds: what takes this long waits for ever.
    '-timeout=120',
    '-rss_limit_mb=2048',
    '-detect_leaks=0',
    '-print_final_stats=1',
    `-artifact_prefix=${folder}/${target}-`,
    found,
    `${HERE}/corpus/${target}`,
  ]
  // What it writes, it writes to memory.
  run(binary, options, { env: { ...process.env, TMPDIR: '/dev/shm' } })
}

function script(target) {
  if (values.replay && target !== 'codec') throw new Error(`inputs of ${target} replay by the seed they are told with`)
  const how = values.replay ? [resolve(values.replay)] : ['--seconds', `${seconds}`, '--seed', `${seed}`]
  run(process.execPath, [`${HERE}/${target}.mjs`, ...how])
}

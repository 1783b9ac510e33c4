// One test, run in a copy of the tree: `kill::` a case of tests/kill, or a part of the names of several; `rust::FILE::NAME`
// of tests/rust; `node::FILE::PART OF A NAME`; `wine::lib::NAME` or `wine::FILE::NAME`, a unit test or one of tests/rust on Windows;
// anything else a unit test, a property or a model.

import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, renameSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, relative } from 'node:path'

const binary = createRequire(import.meta.url)('../../js/native.js').binary()

// A test that takes this long is not one a pipeline can run: it counts as not failing.
const WATCHDOG_SECONDS = 10 * 60

// A mutant may sweep what lives: each test sees a /dev/shm of its own, where that is permitted. And none outlives its time.
const limited = ['timeout', '--signal=KILL', String(WATCHDOG_SECONDS)]
const script = 'mount -t tmpfs -o size=4g,mode=1777 slabcast-mutants /dev/shm && exec "$@"'
const unshare = ['unshare', ...(process.getuid() === 0 ? [] : ['-r']), '-m', '--propagation', 'private', 'sh', '-c']
const alone = [...unshare, script, 'sh']
const mayIsolate = spawnSync(alone[0], [...alone.slice(1), 'true']).status === 0

/** What the tests need of the tree. */
export function copy(root, tree) {
  const parts = [
    'src',
    'js',
    'typings',
    'docs',
    'tests',
    'package.json',
    'Cargo.toml',
    'Cargo.lock',
    'build.rs',
    'clippy.toml',
  ]
  for (const part of parts) cpSync(join(root, part), join(tree, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'))
  mkdirSync(join(tree, 'build'))
  // Tests that become other users load it too.
  chmodSync(tree, 0o755)
}

/** The command that runs a test, and what is built for it. */
function plan(test) {
  const [kind, file, ...name] = test.split('::')
  const of = name.join('::')
  switch (kind) {
    case 'kill':
      return {
        build: ['test', '--features', 'kill-points', '--test', 'kill'],
        exact: 'the_living_lose_nothing_whoever_dies_where',
      }
    case 'rust':
      return file === 'frozen'
        ? { build: ['test', '--features', 'kill-points', '--test', file] }
        : { build: ['test', '--test', file], exact: of }
    case 'wine':
      return { wine: file === 'lib' ? ['--lib'] : ['--test', file], exact: of }
    case 'node':
      return { build: ['build', '--lib', '--features', 'node'], node: [`--test-name-pattern=${of}`, file] }
    default:
      return { build: ['test', '--lib'], exact: test, model: kind === 'model' }
  }
}

/** 'passed', 'failed', 'broken' (does not compile) or 'endless', after seconds. */
export function run(root, tree, test) {
  const { build, exact, model, node, wine } = plan(test)
  const target = join(root, 'target', model ? 'loom' : 'property')
  const env = {
    ...process.env,
    RUST_BACKTRACE: '0',
    SLABCAST_CASE: test.slice('kill::'.length),
    // What is broken is often waited for.
    SLABCAST_WATCHDOG: '10',
    SLABCAST_TEST_WATCHDOG: '20000',
  }
  if (!wine) {
    Object.assign(env, {
      CARGO_TARGET_DIR: target,
      // Built many times, run once: no whole-program optimisation.
      CARGO_PROFILE_RELEASE_LTO: 'off',
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
      CARGO_PROFILE_RELEASE_DEBUG: '0',
      CARGO_INCREMENTAL: '1',
      RUSTFLAGS: model ? '--cfg loom' : '',
    })
  }
  const start = (command) => {
    const [program, ...args] = [...limited, ...command]
    return spawnSync(program, args, { cwd: tree, env, encoding: 'utf8', maxBuffer: 1 << 28 })
  }
  const cargo = wine
    ? [process.execPath, join(root, 'scripts/windows/rust.mjs'), ...wine]
    : ['cargo', build[0], '--release', '--quiet', ...build.slice(1)]
  const built = start(node ? cargo : [...cargo, '--no-run'])
  if (built.status !== 0) return { result: 'broken', seconds: 0, output: built.stderr }
  if (node) {
    const addon = join(tree, relative(root, binary))
    cpSync(join(target, 'release', 'libslabcast.so'), `${addon}.new`)
    renameSync(`${addon}.new`, addon)
  }
  const command = node
    ? [process.execPath, '--test', '--test-reporter=tap', ...node]
    : [...cargo, ...(exact ? [exact, '--', '--exact'] : [])]
  const from = Date.now()
  const { status, signal, stdout, stderr } = start(mayIsolate && !wine ? [...alone, ...command] : command)
  const seconds = (Date.now() - from) / 1000
  const output = `${stdout}\n${stderr}`
  if (status === null || signal || status === 137) return { result: 'endless', seconds, output }
  if (exact && !/running 1 test/.test(stdout)) return { result: 'broken', seconds, output: `no such test: ${test}` }
  if (status !== 0) return { result: isFailure(output, node) ? 'failed' : 'broken', seconds, output }
  // One that was left out proves nothing.
  return { result: !node || hasRun(stdout) ? 'passed' : 'left out', seconds, output }
}

const isFailure = (output, node) =>
  node ? /^# fail [1-9]/m.test(output) : /test result: FAILED|panicked at/.test(output)
const hasRun = (tap) => /^\s*ok \d+ - (?!.*# SKIP)/m.test(tap)

// Linux on arm64, where the processor is another: everything is cross-built and runs under qemu's emulation of one user process.
// `npm run test:arm64 -- [rust] [node]`. Its memory ordering is this machine's: a pass says nothing of what only arm's own allows.

import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import exclusions from '../../tests/exclusions/table.js'
import { cross, install, toolchain } from '../cross/toolchain.mjs'
import { checkout } from '../flags.mjs'
import { run } from '../run.mjs'

const QEMU = '/usr/bin/qemu-aarch64'
const LIBRARIES = '/usr/aarch64-linux-gnu'
/** Nothing takes this long, in ms. */
const BOUND = 20 * 60_000

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const { dependencies } = JSON.parse(readFileSync(here('package.json'), 'utf8'))

/** Of the Rust tests, what is left out, and why. */
const NOT_RUST = {
  crash: 'it starts itself as other processes, which this kernel cannot execute',
  exec: 'the same',
  kill: 'the same',
  frozen: 'the same',
  leader: 'it ends its first thread alone, which ends all of an emulated process',
  house: 'it reads the sources, which are the same everywhere',
}
/** Of the unit tests. */
const NOT_UNIT = {
  pages_are_mapped_before_a_publisher_meets_them: 'qemu maps no pages ahead: madvise says that it did',
}
const RUST = ['bus', 'requests', 'patterns', 'groups', 'past', 'fork']

/**
 * Of the Node suite a smoke: the whole of it would take hours here. Not requests.test.js, whose requests give up after 5 s, which
 * emulated processes on a busy machine take.
 */
const NODE = ['subscribe', 'publish-many', 'settled', 'meta', 'groups', 'threads', 'discovery']

const chain = toolchain('aarch64-unknown-linux-gnu')
install({ [QEMU]: 'qemu-user' })

function rust() {
  for (const [name, why] of Object.entries(NOT_RUST)) console.log(`left out: tests/rust/${name}.rs: ${why}`)
  for (const [name, why] of Object.entries(NOT_UNIT)) console.log(`left out: ${name}...: ${why}`)
  const tests = ['--lib', ...RUST.flatMap((name) => ['--test', name])]
  chain.cargo(
    ['test', '--profile', 'tested', ...tests, '--', ...Object.keys(NOT_UNIT).flatMap((name) => ['--skip', name])],
    {
      std: 'std,panic_unwind,test',
      env: { [chain.variable('RUNNER')]: `${QEMU} -L ${LIBRARIES}` },
      timeout: BOUND,
    },
  )
}

/** A program that is that version of Node, also for the children it starts: they are told to start it in its place. */
function node(name) {
  const installed = here('node_modules/.package-lock.json')
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(here('package-lock.json')).mtimeMs) {
    // By force: it is for another processor than this one.
    run('npm', ['ci', '--force', '--silent', '--ignore-scripts', '--no-bin-links'], { cwd: here('.') })
  }
  const folder = path.join(cross, 'arm64', name)
  const program = path.join(folder, 'node')
  const preload = path.join(folder, 'preload.js')
  mkdirSync(folder, { recursive: true })
  writeFileSync(preload, `process.execPath = ${JSON.stringify(program)}\nprocess.execArgv = []\n`)
  const emulated = `${QEMU} -L ${LIBRARIES} ${here(`node_modules/${name}/bin/node`)}`
  writeFileSync(program, `#!/bin/sh\nexec ${emulated} -r ${preload} "$@"\n`)
  chmodSync(program, 0o755)
  return program
}

function smoke() {
  for (const { why, tests } of exclusions.underQemu) console.log(`left out: ${tests.join(', ')}: ${why}`)
  chain.addon('build')
  const tests = NODE.map((name) => `tests/node/${name}.test.js`)
  // What a Node here is told on its command line it does not pass on.
  const NODE_OPTIONS = `--require ${path.join(checkout, 'tests/exclusions/apply.js')}`
  // An emulated process is slow to start and slower to work.
  const env = { ...process.env, SLABCAST_TEST_WATCHDOG: '180000', SLABCAST_QEMU: '1', NODE_OPTIONS }
  for (const name of Object.keys(dependencies)) {
    const program = node(name)
    run(program, ['-p', '"\\n# Node " + process.version + " on " + process.arch'], { cwd: checkout })
    const args = ['--test', '--test-concurrency=2', ...tests]
    run(program, args, { cwd: checkout, env, timeout: BOUND })
  }
}

const suites = { rust, node: smoke }
const chosen = process.argv.slice(2)
for (const name of chosen.length > 0 ? chosen : Object.keys(suites)) {
  if (!suites[name]) throw new Error(`there is no suite "${name}": ${Object.keys(suites).join(', ')}`)
  console.log(`\n# ${name}`)
  suites[name]()
}

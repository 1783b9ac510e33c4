// The tests on Windows' own Node, where there is no Windows: everything is cross-built, and runs under Wine.
// `npm run test:windows -- [--node 20,22] [--only <pattern>] [--stress 20]`
//
//   --node    major versions of Node, separated by commas. Without it all that slabcast is for
//   --only    a regular expression. Run is what it finds: tests/rust/..., tests/kill, tests/node/..., tests/crash/..., tests/stress
//   --stress  how many times in a row the stress is run with each version. Without it 20; 0: not at all

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import exclusions from '../../tests/exclusions/table.js'
import { checkout } from '../flags.mjs'
import { install, node, VERSIONS } from './nodes.mjs'
import { countsOfNode, countsOfRust, report } from './report.mjs'
import { buildExamples, chain } from './rust.mjs'
import { end, restart, runUnderWine, setUp, windowsPath } from './wine.mjs'

/** In minutes. Nothing takes this long. */
const WATCHDOG = { suite: 40, round: 5 }
/** Wine is slower than what it stands for: nothing is waited for as long as this, in ms. */
const PATIENCE = '300000'

const { versions, wants, times } = options()
setUp()
install()
console.log('\n# build')
chain.addon('build')
const examples = wants('tests/node/rust-peer.test.js') || wants('tests/node/values.test.js') ? buildExamples() : ''

const results = []
try {
  await rust()
  for (const version of versions) {
    // Crash tests one at a time: each fills the machine with processes of its own.
    await suite(version, 'tests/node', availableParallelism())
    await suite(version, 'tests/crash', 1)
    await stress(version)
  }
} finally {
  end()
}
process.exitCode = report(results, exclusions.underWine, wants)

function options() {
  const text = { type: 'string' }
  const { values } = parseArgs({ options: { node: text, only: text, stress: text } })
  const versions = values.node?.split(',').map(Number) ?? VERSIONS
  const unknown = versions.find((version) => !VERSIONS.includes(version))
  if (unknown !== undefined) throw new TypeError(`--node takes some of ${VERSIONS.join()}, not '${values.node}'`)
  if (!/^\d{1,4}$/.test(values.stress ?? '20')) throw new TypeError(`--stress takes a number, not '${values.stress}'`)
  const only = new RegExp(values.only ?? '')
  return { versions, wants: (file) => only.test(file), times: Number(values.stress ?? 20) }
}

/** The files of a folder that are wanted, and not excluded as a whole. */
function filesOf(folder, ending) {
  const excluded = exclusions.whole(exclusions.underWine)
  return readdirSync(`${checkout}/${folder}`)
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}/${name}`)
    .filter((file) => wants(file) && !excluded.has(file))
}

/** The crate's own tests, and those of its Rust API; then deaths at each point between two steps. */
async function rust() {
  const targets = filesOf('tests/rust', '.rs').flatMap((file) => ['--test', /([^/]*)\.rs$/.exec(file)[1]])
  if (wants('tests/rust/lib')) targets.unshift('--lib')
  if (targets.length > 0) await cargo('tests/rust', targets)
  if (wants('tests/kill')) await cargo('tests/kill', ['--features', 'kill-points', '--test', 'kill'])
}

/** Test programs of the crate. */
async function cargo(what, targets) {
  console.log(`\n# ${what}`)
  const child = spawn(process.execPath, ['scripts/windows/rust.mjs', ...targets], {
    cwd: checkout,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    process.stdout.write(text)
    output += text
  })
  const closed = once(child, 'close')
  const [code] = await once(child, 'exit')
  // What was late runs on.
  if (code !== 0) restart()
  await closed
  results.push({ what, code, ...countsOfRust(output) })
}

/** Files of tests, by that version of Node. */
async function suite(version, folder, concurrency) {
  const files = filesOf(folder, '.test.js')
  if (files.length === 0) return
  console.log(`\n# Node ${version}: ${folder}`)
  const args = ['--require', windowsPath('tests/exclusions/apply.js'), '--test', '--test-reporter=spec']
  const all = [...args, `--test-concurrency=${concurrency}`, ...files.map(windowsPath)]
  const env = { SLABCAST_TEST_WATCHDOG: PATIENCE, SLABCAST_EXAMPLES: windowsPath(examples) }
  const { code, output } = await runUnderWine(node(version), all, { minutes: WATCHDOG.suite, env })
  results.push({ what: `Node ${version}: ${folder}`, code, ...countsOfNode(output) })
}

async function stress(version) {
  if (times === 0 || !wants('tests/stress')) return
  console.log(`\n# Node ${version}: tests/stress`)
  const args = [windowsPath('tests/stress/run.mjs'), '--times', String(times)]
  const { code, output } = await runUnderWine(node(version), args, {
    minutes: WATCHDOG.round * times,
    env: { SLABCAST_TEST_WATCHDOG: PATIENCE },
  })
  const held = output.match(/^\d+: \d+ messages/gm)?.length ?? 0
  results.push({
    what: `Node ${version}: tests/stress`,
    code,
    tests: times,
    passed: held,
    failed: times - held,
    skipped: 0,
  })
}

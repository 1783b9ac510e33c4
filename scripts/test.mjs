// Every test: the Rust core and its models, then Node's. `node scripts/test.mjs rust kill node` picks some.

import { readdirSync } from 'node:fs'
import exclusions from '../tests/exclusions/table.js'
import { run } from './run.mjs'

const excluded = exclusions.whole(exclusions.here)

const tests = (folder) =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => `${folder}/${name}`)
    .filter((file) => !excluded.has(file))

/** What this system does not have is left out by name; Linux has all. */
const leavingOut = exclusions.here.length > 0 ? ['--require', './tests/exclusions/apply.js'] : []

const test = (folder, ...options) => run(process.execPath, [...leavingOut, '--test', ...options, ...tests(folder)])

const suites = {
  rust: () => run('cargo', ['test', '--locked', '--profile', 'tested']),
  kill: () => {
    const points = ['test', '--locked', '--profile', 'tested', '--features', 'kill-points']
    run('cargo', [...points, '--test', 'kill', '--test', 'frozen', '--', '--show-output'])
  },
  model: () =>
    run(
      'cargo',
      [
        ...['test', '--locked', '--profile', 'tested', '--lib', '--target-dir', 'target/loom'],
        // The models, and the contract that their semaphore keeps as every other does.
        ...['--', 'model::', 'wake::suite::'],
      ],
      { env: { ...process.env, RUSTFLAGS: '--cfg loom' } },
    ),
  node: () => test('tests/node'),
  faces: () => test('tests/faces'),
  places: () => {
    run(process.execPath, ['tests/places/setup.mjs'])
    test('tests/places')
  },
  // One at a time: each fills the machine with processes of its own.
  crash: () => test('tests/crash', '--test-concurrency=1'),
  // Plans that have found what was wrong, the same each time; `npm run torture` draws others.
  torture: () => run(process.execPath, ['tests/torture/run.mjs', '--seconds', '60', '--seed', '1374132884']),
  // A minute of new inputs, after those that were kept.
  fuzz: () => run(process.execPath, ['tests/fuzz/run.mjs', '--seconds', '60']),
  browser: () => test('tests/browser'),
}

const chosen = process.argv.slice(2)
for (const name of chosen.length > 0 ? chosen : Object.keys(suites)) {
  if (!suites[name]) throw new Error(`there is no suite "${name}": ${Object.keys(suites).join(', ')}`)
  console.log(`\n# ${name}`)
  suites[name]()
}

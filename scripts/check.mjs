// The linters: Rust's and JavaScript's format and lint, the typings, and what else is seen without running a test.

import { run } from './run.mjs'

const loom = { env: { ...process.env, RUSTFLAGS: '--cfg loom' } }

run('cargo', ['fmt', '--check'])
run('cargo', ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings'])
run('cargo', ['clippy', '--locked', '--all-targets', '--features', 'node', '--', '-D', 'warnings'])
run('cargo', ['clippy', '--locked', '--all-targets', '--features', 'kill-points', '--', '-D', 'warnings'])
run(
  'cargo',
  ['clippy', '--locked', '--lib', '--profile', 'test', '--target-dir', 'target/loom', '--', '-D', 'warnings'],
  loom,
)
run(process.execPath, ['scripts/check-workflows.mjs'])
// That each mutant still stands in the code it changes; they are run by `npm run mutants`.
run(process.execPath, ['tests/mutants/run.mjs', '--list'], { stdio: ['ignore', 'ignore', 'inherit'] })
run('npx', ['biome', 'check', '--error-on-warnings', '.'])
run('npx', ['tsc', '--project', 'tests/types'])
run('npx', ['tsc', '--project', 'tests/types/tsconfig.bundler.json'])

// The linters: Rust's and JavaScript's format and lint, and the typings.

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
run('npx', ['biome', 'check', '--error-on-warnings', '.'])
run('npx', ['tsc', '--project', 'tests/types'])
run('npx', ['tsc', '--project', 'tests/types/tsconfig.bundler.json'])

// Runs a command with its output going where ours goes, and ends this process with its failure.

import { spawnSync } from 'node:child_process'

export function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit', ...options })
  if (error) throw error
  if (status !== 0) {
    console.error(`\n${[command, ...args].join(' ')} ended with ${signal ?? `exit code ${status}`}`)
    process.exit(status ?? 1)
  }
}

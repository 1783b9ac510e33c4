// Runs a command with its output going where ours goes, and ends this process with its failure.

import { spawnSync } from 'node:child_process'

export function run(command, args, options = {}) {
  // npm and npx are scripts on Windows, which a shell alone runs; what they are given here has no spaces.
  const [program, ...rest] = isScript(command) ? [[command, ...args].join(' ')] : [command, ...args]
  const { status, signal, error } = spawnSync(program, rest, { stdio: 'inherit', shell: isScript(command), ...options })
  if (error) throw error
  if (status !== 0) {
    console.error(`\n${[command, ...args].join(' ')} ended with ${signal ?? `exit code ${status}`}`)
    process.exit(status ?? 1)
  }
}

const isScript = (command) => process.platform === 'win32' && ['npm', 'npx'].includes(command)

// What the rivals need: their clients from npm, their brokers from Debian.

import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const BROKERS = ['redis-server', 'nats-server']

const cwd = fileURLToPath(new URL('.', import.meta.url))
const run = (command, ...options) => execFileSync(command, options, { cwd, stdio: 'inherit' })

run('npm', 'ci', '--ignore-scripts')
const missing = BROKERS.filter((broker) => spawnSync(broker, ['--version']).error !== undefined)
if (missing.length > 0) {
  const sudo = process.getuid() === 0 ? [] : ['sudo']
  const [command, ...options] = [...sudo, 'apt-get', 'install', '-y', '-qq', '--no-install-recommends', ...missing]
  run(command, ...options)
}

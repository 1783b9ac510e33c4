// What `npm start` and `npm test` need, from a fresh clone on: the packages of package-lock.json, and the release build.

import { existsSync, statSync } from 'node:fs'
import { run } from './run.mjs'

const installed = 'node_modules/.package-lock.json'
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync('package-lock.json').mtimeMs) {
  run('npm', ['ci'])
}
run('npm', ['run', '--silent', 'build'])

// What the places need: their packages, and Node's versions, which come from npm too. They are here and not among the
// package's own, because they are large (800 MB, nearly all of it Node) and whoever only builds slabcast needs none of them.

import { existsSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { run } from '../../scripts/run.mjs'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))

const installed = here('node_modules/.package-lock.json')
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(here('package-lock.json')).mtimeMs) {
  // No links to programs: four of them are called node.
  run('npm', ['ci', '--ignore-scripts', '--no-bin-links'], { cwd: here('.') })
}

// Node for Windows, from npm, in the versions that package.json beside this names.

import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../run.mjs'
import { folder } from './wine.mjs'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const { optionalDependencies } = JSON.parse(readFileSync(here('package.json'), 'utf8'))

/** Major versions, the oldest first. */
export const VERSIONS = Object.keys(optionalDependencies).map((name) => Number(name.replace('node', '')))

export function install() {
  const installed = here('node_modules/.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(here('package-lock.json')).mtimeMs) return
  // For another system than ours, and no links to programs: all of them are called node.
  const args = ['ci', '--ignore-scripts', '--no-bin-links', '--os=win32', '--cpu=x64', '--no-audit', '--no-fund']
  run('npm', args, { cwd: here('.') })
}

/** V8 of Node 24 and later reserves its heap by this where it is there, and Wine 8 has it without what V8 asks of it. */
const LOOKED_UP = Buffer.from('VirtualAlloc2\0')
const NOT_THERE = Buffer.from('VirtualAllocX\0')

/** The program of a major version, as it runs under Wine 8. */
export function node(version) {
  const name = `node${version}`
  const original = here(`node_modules/${name}/bin/node.exe`)
  const copy = path.join(folder, optionalDependencies[name].replace(/^npm:/, '').replace('@', '-'), 'node.exe')
  if (existsSync(copy)) return copy
  const program = readFileSync(original)
  if (version >= 24) {
    const at = program.indexOf(LOOKED_UP)
    if (at === -1 || program.indexOf(LOOKED_UP, at + 1) !== -1)
      throw new Error(`${original} does not name VirtualAlloc2 exactly once: see whether it runs under Wine as it is`)
    NOT_THERE.copy(program, at)
  }
  mkdirSync(path.dirname(copy), { recursive: true })
  writeFileSync(copy, program)
  return copy
}

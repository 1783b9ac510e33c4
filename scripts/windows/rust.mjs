// The tool chain for Windows. As a program: builds test programs of the crate and runs them under Wine,
// `node scripts/windows/rust.mjs --lib --test bus`; of the crate in this folder, which may be a copy of the checkout.

import { fileURLToPath } from 'node:url'
import { toolchain } from '../cross/toolchain.mjs'
import { settings, setUp, WINE } from './wine.mjs'

export const chain = toolchain('x86_64-pc-windows-gnu')

/** In ms. Nothing takes this long. */
const WATCHDOG = 40 * 60_000

/** The same of all builds that are tested, for it to be built once. */
const tested = (args, options) => chain.cargo(args, { std: 'std,panic_unwind,test', ...options })

/** Where the programs lie that tests of Node talk to, once they are built. */
export function buildExamples() {
  tested(['build', '--profile', 'tested', '--example', 'rust_peer', '--example', 'rust_mirror'])
  return `${chain.folder}/${chain.target}/tested/examples`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  setUp()
  const args = ['test', '--profile', 'tested', '--no-fail-fast', ...process.argv.slice(2)]
  const env = { ...settings, [chain.variable('RUNNER')]: WINE }
  tested(args, { cwd: process.cwd(), env, timeout: WATCHDOG })
}

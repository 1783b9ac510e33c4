// Builds test programs of the crate for Windows and runs them under Wine: `node scripts/windows/rust.mjs --lib --test bus`.

import { toolchain } from '../cross/toolchain.mjs'
import { settings, setUp, WINE } from './wine.mjs'

const chain = toolchain('x86_64-pc-windows-gnu')
setUp()
chain.cargo(['test', '--profile', 'tested', '--no-fail-fast', ...process.argv.slice(2)], {
  std: 'std,panic_unwind,test',
  env: { ...settings, [chain.variable('RUNNER')]: WINE },
})

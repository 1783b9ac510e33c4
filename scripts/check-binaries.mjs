// Looks into built binaries for what must not leave this machine: the names of its folders. `npm run check:binaries [file...]`;
// without a file all in build/, and what target/cross has.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { checkout, secrets } from './flags.mjs'

/** What of `words` stands in the file: each with the text around its first place. */
export function found(file, words = secrets()) {
  const bytes = readFileSync(file)
  return words.flatMap((word) => {
    // As bytes, and as Windows keeps some texts.
    const at = [Buffer.from(word), Buffer.from(word, 'utf16le')]
      .map((form) => bytes.indexOf(form))
      .find((at) => at >= 0)
    if (at === undefined) return []
    const around = bytes.subarray(Math.max(0, at - 20), at + 100).toString('latin1')
    return [{ word, around: around.replace(/[^ -~]+/g, ' ').trim() }]
  })
}

/** Every addon that has been built here. */
export function built() {
  const folders = [path.join(checkout, 'build'), path.join(checkout, 'target', 'cross', 'addons')]
  const all = folders.filter(existsSync).flatMap((folder) => readdirSync(folder).map((name) => path.join(folder, name)))
  return all.filter((file) => file.endsWith('.node'))
}

if (import.meta.filename === process.argv[1]) {
  const files = process.argv.length > 2 ? process.argv.slice(2) : built()
  if (files.length === 0) throw new Error('there is no binary: build one with "npm run build"')
  for (const file of files) {
    const leaks = found(file)
    for (const { word, around } of leaks) console.error(`${file} names ${word}: ${around}`)
    if (leaks.length > 0) process.exitCode = 1
    else console.log(`${path.relative(process.cwd(), file)}: no folder of this machine's is named`)
  }
}

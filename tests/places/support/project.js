'use strict'

// A project of somebody else's that uses slabcast as it is published: installed from what `npm pack` packs, in a folder that
// knows nothing of this one.

const { execFileSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const { after } = require('node:test')

const root = path.join(__dirname, '..', '..', '..')

const temporary = (name) => fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), `slabcast-${name}-`)))
const remove = (folder) => fs.rmSync(folder, { recursive: true, force: true })

let folderOfPack
after(() => folderOfPack && remove(folderOfPack))

/** The package, unpacked once. */
function pack() {
  if (folderOfPack) return path.join(folderOfPack, 'package')
  const folder = temporary('pack')
  folderOfPack = folder
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
  const [{ filename }] = JSON.parse(execFileSync('npm', pack, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }))
  execFileSync('tar', ['-xzf', path.join(folder, filename), '-C', folder])
  return path.join(folder, 'package')
}

/** A folder with these files (name -> text, or an object for JSON) and slabcast in its node_modules; removed after the test. */
function project(t, files) {
  const folder = temporary('project')
  t.after(() => remove(folder))
  fs.cpSync(pack(), path.join(folder, 'node_modules', 'slabcast'), { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

module.exports = { project }

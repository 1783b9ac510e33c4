'use strict'

// What is in the addon: nothing of the machine it was built on.

const test = require('node:test')
const assert = require('node:assert')
const { spawnSync } = require('node:child_process')
const fs = require('node:fs')
const os = require('node:os')
const path = require('node:path')
const native = require('../../js/native')

const root = path.join(__dirname, '..', '..')

test('the addon names no folder of the machine it was built on', async () => {
  const { found } = await import('../../scripts/check-binaries.mjs')
  assert.deepStrictEqual(found(native.binary()), [])
})

test('a folder of this machine is found in whatever text a binary has it, with what stands around it', async (t) => {
  const { found } = await import('../../scripts/check-binaries.mjs')
  const { secrets } = await import('../../scripts/flags.mjs')
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'slabcast-binary-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'a.node')
  fs.writeFileSync(file, 'nothing of it')
  assert.deepStrictEqual(found(file), [])
  for (const encoding of ['utf8', 'utf16le'])
    for (const secret of secrets()) {
      const noise = Buffer.from([0xff, 0, 1])
      fs.writeFileSync(file, Buffer.concat([noise, Buffer.from(`${secret}/src/lib.rs`, encoding), noise]))
      const words = found(file).map(({ word }) => word)
      assert.ok(words.includes(secret), `${secret} in ${encoding}: ${words}`)
    }
  fs.writeFileSync(file, `before ${secrets()[0]}/src/lib.rs after`)
  assert.match(found(file)[0].around, /^before .*\/src\/lib\.rs after$/)
})

test('without the flags of a release build a binary names the folder its source lies in, with them it does not', async (t) => {
  const { found } = await import('../../scripts/check-binaries.mjs')
  const { releaseEnvironment } = await import('../../scripts/flags.mjs')
  const folder = fs.mkdtempSync(path.join(root, 'target', 'binary-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const source = path.join(folder, 'lib.rs')
  fs.writeFileSync(
    source,
    '#[unsafe(no_mangle)] pub extern "C" fn at(i: usize) -> u8 { std::hint::black_box([1u8, 2])[i] }',
  )
  const build = (name, flags) => {
    const file = path.join(folder, name)
    const args = [
      '--edition',
      '2024',
      '--crate-type',
      'cdylib',
      '-O',
      '-Cstrip=debuginfo',
      '-o',
      file,
      ...flags,
      source,
    ]
    const { status, stderr } = spawnSync('rustc', args, { cwd: folder, encoding: 'utf8' })
    assert.strictEqual(status, 0, stderr)
    return found(file, [root])
  }
  assert.strictEqual(build('plain', []).length, 1)
  const flags = releaseEnvironment({}).CARGO_ENCODED_RUSTFLAGS.split('\x1f')
  assert.deepStrictEqual(build('renamed', flags), [])
})

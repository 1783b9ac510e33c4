'use strict'

// docs/reliability.md names a test for each of its rows: they exist.

const test = require('node:test')
const assert = require('node:assert')
const { existsSync, readdirSync, readFileSync } = require('node:fs')
const { join } = require('node:path')

const root = join(__dirname, '../..')
const read = (file) => readFileSync(join(root, file), 'utf8')

/** The points between two steps that src/ names. */
function points() {
  const files = readdirSync(join(root, 'src'), { recursive: true }).filter((file) => file.endsWith('.rs'))
  const text = files.map((file) => read(join('src', file))).join('\n')
  return new Set([...text.matchAll(/\bstep\("([^"]+)"\)/g)].map(([, name]) => name))
}

test('each row of the tables of what happens names tests that exist', () => {
  const known = points()
  const text = read('docs/reliability.md')
  const rows = text
    .slice(text.indexOf('## What happens when'), text.indexOf('### All of it at once'))
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/\| shown by \|$/.test(line))
  assert.ok(rows.length > 25)
  for (const row of rows) {
    const shown = row.split(' | ').at(-1)
    const names = [...shown.matchAll(/`([^`]+)`/g)].map(([, name]) => name)
    assert.ok(names.length > 0, row)
    let kill = false
    for (const name of names) {
      kill = name.startsWith('kill: ') || (kill && /^[a-z]+: /.test(name))
      if (!kill) {
        if (/^(cargo|npm) /.test(name)) continue
        // A unit test beside what it tests.
        const unit = name.match(/^(\w+)::(\w+)::tests::(\w+?)_\.\.\.$/)
        if (unit) {
          assert.match(read(`src/${unit[1]}/${unit[2]}.rs`), new RegExp(`fn ${unit[3]}_`), name)
          continue
        }
        assert.ok(existsSync(join(root, 'tests', name)), `${name}, in: ${row}`)
        continue
      }
      const said = name.replace(/^kill: /, '')
      const point = [...known].find((known) => said === known || said.startsWith(`${known}, `))
      assert.ok(point || /^(publish: committed, |\.\.\. )stopped/.test(said), `no such point: ${name}`)
    }
  }
  assert.ok(text.includes(`its ${known.size} points`) || text.includes(`${known.size}\npoints`), `${known.size} points`)
})

test('the test names it quotes are those of the files it names', () => {
  const text = read('docs/reliability.md').replaceAll('\n', ' ')
  const quoted = [...text.matchAll(/`rust\/(\w+)\.rs` (\w+?)_\.\.\./g)]
  assert.ok(quoted.length > 3)
  for (const [, file, start] of quoted) {
    assert.match(read(`tests/rust/${file}.rs`), new RegExp(`fn ${start}_`), `${file}: ${start}`)
  }
})

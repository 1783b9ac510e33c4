// What came of all suites: their counts, and what was left out of them for which reason.

const number = (found) => Number(found?.[1] ?? 0)

/** The counts at the end of what Node's spec reporter prints. */
export function countsOfNode(output) {
  const last = (name) => number([...output.matchAll(new RegExp(`^ℹ ${name} (\\d+)`, 'gm'))].at(-1))
  return {
    tests: last('tests'),
    passed: last('pass'),
    failed: last('fail') + last('cancelled'),
    skipped: last('skipped'),
  }
}

/** The counts of all of cargo's test programs together. */
export function countsOfRust(output) {
  const counts = { tests: 0, passed: 0, failed: 0, skipped: 0 }
  for (const [, passed, failed, ignored] of output.matchAll(
    /^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm,
  )) {
    counts.passed += Number(passed)
    counts.failed += Number(failed)
    counts.skipped += Number(ignored)
  }
  counts.tests = counts.passed + counts.failed + counts.skipped
  return counts
}

/** Prints everything; returns the exit code it comes to. */
export function report(results, exclusions, wants) {
  const left = exclusions.filter(({ file }) => wants(file))
  if (left.length > 0) console.log('\n# left out, and why')
  for (const { where, why, file, tests } of left) {
    console.log(
      `${file}${tests ? `, ${tests.length} of its tests` : ''}: ${why}${where === 'wine' ? ' (Wine alone)' : ''}`,
    )
    for (const name of tests ?? []) console.log(`    ${name}`)
  }
  console.log('\n# results')
  const hasFailed = ({ code, failed, tests }) => code !== 0 || failed > 0 || tests === 0
  for (const result of results) {
    const { what, code, tests, passed, failed, skipped } = result
    const end = code === 0 ? '' : ` (ended with ${code})`
    console.log(
      `${hasFailed(result) ? 'FAILED' : 'passed'}  ${what}: ${tests} tests, ${passed} passed, ${failed} failed, ${skipped} left out${end}`,
    )
  }
  return results.length === 0 || results.some(hasFailed) ? 1 : 0
}

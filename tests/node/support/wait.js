'use strict'

// Waiting for a condition, under a watchdog that is only there to say what did not happen.

const WATCHDOG = Number(process.env.SLABCAST_TEST_WATCHDOG ?? 120_000)

// What waits for something else than a condition, say an event that never comes, is ended by this one.
setTimeout(() => {
  process.stderr.write(`${process.argv[1]} (${process.pid}) is still at work after ${5 * WATCHDOG} ms\n`)
  process.exit(1)
}, 5 * WATCHDOG).unref()

/**
 * Resolves when `condition()` is true.
 * @param {() => unknown} condition
 * @param {string | (() => string)} what is waited for
 */
function until(condition, what = String(condition)) {
  return new Promise((resolve, reject) => {
    const started = Date.now()
    const look = () => {
      let met
      try {
        met = condition()
      } catch (error) {
        reject(error)
        return
      }
      if (met) resolve()
      else if (Date.now() - started > WATCHDOG)
        reject(new Error(`waited in vain until ${typeof what === 'function' ? what() : what}`))
      else setTimeout(look, 2)
    }
    look()
  })
}

module.exports = { until }

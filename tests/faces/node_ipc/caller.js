'use strict'

// Processes of a test that call node_ipc as they are told to.

const { uniqueName } = require('../../node/support/bus')
const { runWith } = require('../../node/support/process')

/** A process that calls what it is told to, until it is told 'end'. What its callback is given is kept until `given`. */
async function program({ say, hear }) {
  const backend = require('slabcast/node_ipc')
  let given = []
  const calls = {
    ...backend,
    listen: () => backend.callSafeFunc((data) => given.push(data)),
    given() {
      const all = given
      given = []
      return all
    },
    writeMany: (texts) => Promise.all(texts.map((text) => backend.testShmWrite(text))),
  }
  for (;;) {
    const [call, ...args] = await hear()
    if (call === 'end') return
    try {
      await say({ value: await calls[call](...args) })
    } catch ({ name, code, message }) {
      await say({ error: { name, code, message } })
    }
  }
}

class Caller {
  constructor(t, bus) {
    this.child = runWith(t, { env: { SLABCAST_BUS: bus } }, program)
  }

  async call(...what) {
    this.child.say(what)
    const { value, error } = await this.child.hear()
    if (error) throw Object.assign(new Error(error.message), error)
    return value
  }

  /** What its callback is given, until that is so many characters. */
  async given(length) {
    let all = []
    const size = () => join(all).length
    for (;;) {
      all = all.concat(await this.call('given'))
      if (size() >= length) return all
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }

  end() {
    this.child.say(['end'])
    return this.child.end()
  }
}

/** What several reads gave, as one would have. */
const join = (reads) => `[${reads.map((data) => data.slice(1, -1)).join(',')}]`

/** So many workers, and the bus they are on. */
async function workers(t, count) {
  const bus = uniqueName()
  const all = Array.from({ length: count }, () => new Caller(t, bus))
  for (const [index, worker] of all.entries()) await worker.call('workerInit', count, index)
  return { bus, all }
}

module.exports = { Caller, join, workers }

'use strict'

// What the members of a trial do, the same for every system. A role is `ready` once it is subscribed, `meet`s the others, goes
// through passes of so many seconds, each of which says what it found, and `leave`s.

const fs = require('node:fs')
const messages = require('./messages')

/** Between two looks at the clock, and at the event loop. */
const BURST = 256

const turn = () => new Promise((resolve) => setImmediate(resolve))
/** One clock for all processes. */
const now = () => Number(process.hrtime.bigint()) / 1e9

/** A promise, and what settles it. */
function deferred() {
  const it = {}
  it.promise = new Promise((resolve, reject) => Object.assign(it, { resolve, reject }))
  return it
}

/** None is the beginning of another: ZeroMQ's subscriptions are prefixes. */
const topicsOf = ({ topics }) =>
  Array.from({ length: topics }, (_, at) => (topics === 1 ? 'room:100' : `room:${String(at).padStart(6, '0')}`))

/** One topic goes to every subscriber; many are shared out among them. */
const isOurs = ({ topics, subscribers, index }, at) => topics === 1 || at % subscribers === index

const to = (count) => Array.from({ length: count }, (_, index) => index)

function subscriber(trial, join) {
  const { publishers, message } = trial
  const { isWhole } = messages[message]
  const ours = topicsOf(trial).filter((_, at) => isOurs(trial, at))
  let pass = deferred()
  let delivered = 0
  let ended = 0
  let member

  /** Each topic has its own count of each publisher's messages. */
  function listener() {
    const next = new Array(publishers).fill(1)
    const fail = (text) => pass.reject(new Error(text))
    return (message) => {
      const { from, n } = message
      if (n === -1) {
        if (message.count !== next[from] - 1) fail(`${next[from] - 1} of ${message.count} messages came`)
        next[from] = 1
        delivered++
        if (++ended === publishers * ours.length) pass.resolve({ delivered, ended: now() })
        return
      }
      if (n !== next[from]) fail(`message ${n} came, ${next[from]} was next`)
      if (!isWhole(message)) fail(`message ${n} is not what was published`)
      next[from]++
      delivered++
    }
  }

  return {
    async ready() {
      member = await join({ role: 'subscriber', index: trial.index, from: to(publishers) })
      for (const topic of ours) await member.subscribe(topic, listener())
    },
    async meet() {},
    pass() {
      pass = deferred()
      delivered = 0
      ended = 0
      return pass.promise
    },
    leave: () => member.leave(),
  }
}

function publisher(trial, join) {
  const { index, message, subscribers } = trial
  const { make } = messages[message]
  const topics = topicsOf(trial)
  let member
  return {
    async ready() {},
    async meet() {
      const interests = topics.length === 1 ? subscribers : topics.length
      member = await join({ role: 'publisher', index, to: to(subscribers), interests })
    },
    async pass(seconds) {
      const counts = new Array(topics.length).fill(0)
      const began = now()
      let topic = 0
      while (now() - began < seconds) {
        for (let at = 0; at < BURST; at++) {
          const room = member.publish(topics[topic], make(index, ++counts[topic]))
          topic = topic + 1 === topics.length ? 0 : topic + 1
          if (room !== undefined) await room
          // Large messages take their time.
          if ((at & 15) === 15 && now() - began >= seconds) break
        }
        await turn()
      }
      for (const [at, topic] of topics.entries()) await member.publish(topic, { from: index, n: -1, count: counts[at] })
      return { began }
    },
    leave: () => member.leave(),
  }
}

/** Both members of a round trip publish to the other and subscribe to what it publishes. */
async function both(join, index, listener) {
  const other = 1 - index
  const [hears, says] = index === 0 ? ['pong', 'ping'] : ['ping', 'pong']
  const reading = await join({ role: 'subscriber', index, from: [other] })
  await reading.subscribe(hears, listener)
  let writing
  return {
    async meet() {
      writing = await join({ role: 'publisher', index, to: [other], interests: 1 })
    },
    say: (message) => writing.publish(says, message),
    leave: () => Promise.all([reading.leave(), writing.leave()]),
  }
}

/** What a pass found whose trips took so many us each. */
function trips(times) {
  times.sort((a, b) => a - b)
  const at = (part) => times[Math.min(times.length - 1, Math.floor(times.length * part))]
  return { trips: times.length, p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}

function asker({ message }, join) {
  const { make, isWhole } = messages[message]
  let member
  let pass
  let n = 0
  let asked
  let until
  let times

  function ask() {
    const question = make(0, ++n)
    asked = performance.now()
    member.say(question)
  }
  function hear(answer) {
    const heard = performance.now()
    if (answer.n !== n || !isWhole(answer)) return pass.reject(new Error(`the answer to message ${n} is another`))
    times.push((heard - asked) * 1000)
    if (heard < until) return ask()
    pass.resolve(trips(times))
  }

  return {
    async ready() {
      member = await both(join, 0, hear)
    },
    meet: () => member.meet(),
    pass(seconds) {
      pass = deferred()
      times = []
      until = performance.now() + seconds * 1000
      ask()
      return pass.promise
    },
    leave: () => member.leave(),
  }
}

function answerer(_, join) {
  let member
  return {
    async ready() {
      member = await both(join, 1, (message) => member.say(message))
    },
    meet: () => member.meet(),
    async pass() {
      return {}
    },
    leave: () => member.leave(),
  }
}

/** One that asks by the system's own request, whose answer comes to the one who asked. */
function requester({ message }, join) {
  const { make, isWhole } = messages[message]
  let member
  return {
    async ready() {},
    async meet() {
      member = await join({ role: 'requester', index: 0, to: [0], interests: 1 })
    },
    async pass(seconds) {
      const times = []
      const until = performance.now() + seconds * 1000
      for (let n = 1, heard = 0; heard < until; n++) {
        const asked = performance.now()
        const answer = await member.request('ask', make(0, n))
        heard = performance.now()
        if (answer.n !== n || !isWhole(answer)) throw new Error(`the answer to request ${n} is another`)
        times.push((heard - asked) * 1000)
      }
      return trips(times)
    },
    leave: () => member.leave(),
  }
}

function responder(_, join) {
  let member
  return {
    async ready() {
      member = await join({ role: 'responder', index: 0, from: [0] })
      await member.respond('ask', (message) => message)
    },
    async meet() {},
    async pass() {
      return {}
    },
    leave: () => member.leave(),
  }
}

/** Bytes. The kernel's maxRSS would begin with the parent's. */
function mostMemory() {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024
  return Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
}

const ROLES = { subscriber, publisher, asker, answerer, requester, responder }

/**
 * Plays a trial's role from its start to its end.
 * @param {{ hears: () => Promise<any>, says: (word) => void, isProcess: boolean }} port to whoever runs the trial
 */
async function play(trial, { hears, says, isProcess }) {
  const { join } = require(`./systems/${trial.system}`)
  const role = ROLES[trial.role](trial, (as) => join({ ...trial, ...as }))
  const steps = { ready: () => role.ready(), meet: () => role.meet() }
  for (;;) {
    const word = await hears()
    if (word === 'end') return role.leave()
    if (steps[word] !== undefined) {
      await steps[word]()
      says(word)
      continue
    }
    const before = process.cpuUsage()
    const passed = role.pass(word.seconds)
    says('passing')
    says(await passed)
    await hears()
    const { user, system } = process.cpuUsage(before)
    // A thread's is its process'.
    says({ cpu: isProcess ? (user + system) / 1e6 : 0, memory: mostMemory() })
  }
}

module.exports = { play }

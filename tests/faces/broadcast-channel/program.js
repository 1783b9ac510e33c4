'use strict'

// What three participants do with a class BroadcastChannel, and what comes of it: the same whoever made the class, and whether they
// are threads or processes. What comes from different channels has no order among them, so it is kept apart by who sent it.

const ROLES = ['ann', 'ben', 'cleo']

class Point {
  x = 1
  get double() {
    return 2 * this.x
  }
}

const VALUES = [
  ...[undefined, null, true, false, 0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 12n, -(2n ** 70n)],
  ...['', 'ünï \0 🦀', 'x'.repeat(100_000)],
  ...[[], [1, [2, [undefined]]], {}, { a: { b: [null] }, c: undefined }, new Point()],
  ...[new Date(0), /a+/gi, new Map([['k', new Set([1, '1'])]]), new TypeError('no')],
  ...[new Uint8Array([1, 2]), new Float64Array([0.5]), new Uint8Array([7, 8]).buffer, new DataView(new ArrayBuffer(2))],
]

const REFUSED = [
  () => {},
  Symbol('s'),
  { deep: [{ f() {} }] },
  [Symbol.iterator],
  new WeakMap(),
  new WeakSet(),
  Promise.resolve(),
]

const NAMES = [
  '',
  ' ',
  '1',
  'undefined',
  'null',
  '/',
  '//',
  '%2F',
  '#',
  '*',
  '$slabcast/',
  '__proto__',
  'n'.repeat(1000),
  'ü'.repeat(200),
]

/**
 * @param {typeof globalThis.BroadcastChannel} BroadcastChannel
 * @param {string} role one of three
 * @param {{ say: Function, hear: Function }} conductor who lets all go on when all are there
 */
async function program(BroadcastChannel, role, { say, hear }) {
  const together = async () => {
    await say('here')
    await hear()
  }
  const acts = { delivery, events, listeners, closing, refusals, names, constructing }
  const outcome = {}
  for (const [name, act] of Object.entries(acts)) {
    await together()
    outcome[name] = await act({ BroadcastChannel, role, together })
  }
  await say({ outcome })
}

/** A channel that knows what came, by sender. Everything is sent as { from, value }; `ends` says that a sender has no more. */
function collector(channel, id) {
  const came = {}
  const ended = new Set()
  let look = () => {}
  channel.addEventListener('message', ({ data: { from, value, ends } }) => {
    if (ends) ended.add(from)
    else {
      came[from] ??= []
      came[from].push(value)
    }
    look()
  })
  return {
    came,
    post: (value) => channel.postMessage({ from: id, value }),
    end: () => channel.postMessage({ from: id, ends: true }),
    all: (senders) =>
      new Promise((resolve) => {
        look = () => {
          if (senders.every((sender) => ended.has(sender))) resolve(came)
        }
        look()
      }),
  }
}

/** Two channels in each thread, and one of another name. */
async function delivery({ BroadcastChannel, role, together }) {
  const ids = ROLES.flatMap((who) => [`${who} 1`, `${who} 2`])
  const mine = ids.filter((id) => id.startsWith(role))
  const channels = mine.map(() => new BroadcastChannel('delivery'))
  const other = new BroadcastChannel('another')
  const strangers = collector(other, role)
  const ends = channels.map((channel, at) => collector(channel, mine[at]))
  await together()
  for (const value of VALUES) for (const end of ends) end.post(value)
  for (const end of [...ends, strangers]) end.end()
  const all = []
  for (const [at, end] of ends.entries()) all.push(await end.all(ids.filter((id) => id !== mine[at])))
  await strangers.all(ROLES.filter((who) => who !== role))
  const [first, second] = all
  const isCopied = ids
    .filter((id) => !mine.includes(id))
    .every((id) => first[id].every((value, at) => Object(value) !== value || value !== second[id][at]))
  for (const channel of [...channels, other]) channel.close()
  return { all, strangers: strangers.came, isCopied }
}

/** What an event is. */
async function events({ BroadcastChannel, role, together }) {
  const channel = new BroadcastChannel('events')
  const came = new Promise((resolve) => {
    channel.onmessage = function (event) {
      const { type, data, bubbles, cancelable, defaultPrevented, lastEventId, source, ports } = event
      const { eventPhase } = event
      const isOurs = [event.target, event.currentTarget, this].every((one) => one === channel)
      const isMessageEvent = event instanceof MessageEvent
      const kind = Object.prototype.toString.call(event)
      resolve({
        ...{ type, data, bubbles, cancelable, defaultPrevented, lastEventId, source, ports: [...ports], eventPhase },
        ...{ isOurs, isMessageEvent, kind, name: constructor.name },
      })
    }
  })
  await together()
  if (role === 'ann') channel.postMessage('hi')
  if (role === 'ben') await came
  await together()
  channel.close()
  return role === 'ann' ? undefined : came
}

/** Who is called, in which order, with which `this`. */
async function listeners({ BroadcastChannel, role, together }) {
  const channel = new BroadcastChannel('listeners')
  const calls = []
  const values = [channel.onmessage, channel.onmessageerror]
  const first = (event) => calls.push(['first', event.data])
  channel.addEventListener('message', first)
  channel.onmessage = () => calls.push(['replaced'])
  channel.addEventListener('message', { handleEvent: ({ data }) => calls.push(['object', data]) })
  channel.addEventListener('message', (event) => calls.push(['once', event.data]), { once: true })
  const handler = ({ data }) => calls.push(['handler', data])
  channel.onmessage = handler
  values.push(channel.onmessage === handler)
  const done = new Promise((resolve) => {
    channel.addEventListener('message', ({ data }) => {
      if (data === 1) channel.removeEventListener('message', first)
      if (data === 2) channel.onmessage = null
      if (data === 3) resolve()
    })
  })
  await together()
  if (role === 'ann') for (const n of [1, 2, 3]) channel.postMessage(n)
  else await done
  values.push(channel.onmessage === (role === 'ann' ? handler : null))
  await together()
  channel.close()
  return { calls, values }
}

async function closing({ BroadcastChannel, role, together }) {
  const channel = new BroadcastChannel('closing')
  const stays = new BroadcastChannel('closing')
  const end = collector(stays, role)
  const heard = []
  channel.onmessage = ({ data: { from, value } }) => {
    heard.push([from, value])
    channel.close()
    // What is posted by the way reaches nobody who is closed, and is refused.
    heard.push(nameOf(() => channel.postMessage(1)))
  }
  await together()
  // What is posted right before the end is on its way.
  const brief = new BroadcastChannel('closing')
  if (role === 'ann') for (let n = 0; n < 100; n++) brief.postMessage({ from: 'ann', value: n })
  if (role === 'ann') brief.postMessage({ from: 'ann', ends: true })
  brief.close()
  brief.close()
  const came = { ...(await end.all(['ann'])) }
  await together()
  const late = new BroadcastChannel('closing')
  const lateEnd = collector(late, role)
  await together()
  if (role === 'ben') end.post('late')
  if (role === 'ben') end.end()
  const lateCame = await lateEnd.all(['ben'])
  await together()
  for (const one of [channel, stays, late]) one.close()
  return { came, lateCame, heard, after: nameOf(() => channel.postMessage(2)), name: channel.name }
}

/** What is thrown for what cannot be posted; then nothing of it has come. */
async function refusals({ BroadcastChannel, role, together }) {
  const channel = new BroadcastChannel('refusals')
  const end = collector(channel, role)
  await together()
  const errors = []
  if (role === 'cleo') {
    for (const value of REFUSED) errors.push(nameOf(() => end.post(value)))
    const own = new RangeError('mine')
    const getter = {
      get value() {
        throw own
      },
    }
    try {
      end.post(getter)
    } catch (error) {
      errors.push(error === own)
    }
    errors.push(nameOf(() => channel.postMessage()))
    end.post('this one')
    end.end()
  }
  const came = role === 'cleo' ? end.came : await end.all(['cleo'])
  await together()
  channel.close()
  return { errors, came }
}

/** Each name is a channel of its own. */
async function names({ BroadcastChannel, role, together }) {
  const channels = NAMES.map((name) => new BroadcastChannel(name))
  const ends = channels.map((channel) => collector(channel, role))
  await together()
  for (const [at, end] of ends.entries()) end.post(at)
  for (const end of ends) end.end()
  const all = []
  for (const end of ends) all.push(await end.all(ROLES.filter((who) => who !== role)))
  for (const channel of channels) channel.close()
  return all
}

/** Whatever a name is given as, it is a string. */
async function constructing({ BroadcastChannel, role, together }) {
  const given = [undefined, null, 1, 1.5, true, ['a', 'b'], {}, { toString: () => 'own' }]
  const errors = [
    nameOf(() => new BroadcastChannel()),
    nameOf(() => new BroadcastChannel(Symbol('s'))),
    nameOf(() => BroadcastChannel('x')),
    nameOf(() => {
      BroadcastChannel.prototype.name
    }),
    nameOf(() => BroadcastChannel.prototype.postMessage.call({}, 1)),
    nameOf(() => BroadcastChannel.prototype.close.call({})),
  ]
  const channels = given.map((name) => new BroadcastChannel(name))
  const found = channels.map(({ name }) => name)
  const one = new BroadcastChannel(role === 'ann' ? 1 : '1')
  const end = collector(one, role)
  await together()
  end.end()
  await end.all(ROLES.filter((who) => who !== role))
  const isTarget = one instanceof EventTarget
  const returned = [one.unref() === one, one.ref() === one, one.close(), one.ref() === one, one.unref() === one]
  for (const channel of channels) channel.close()
  const own = ['name', 'postMessage', 'close', 'onmessage', 'onmessageerror']
  const { prototype } = BroadcastChannel
  const enumerable = own.map((name) => Object.getOwnPropertyDescriptor(prototype, name).enumerable)
  return { errors, found, isTarget, returned, enumerable, length: BroadcastChannel.length, name: BroadcastChannel.name }
}

/** What kind of error it throws: a DOMException's name, or a class. */
function nameOf(act) {
  try {
    act()
    return undefined
  } catch (error) {
    return `${error.constructor.name} ${error.name}`
  }
}

module.exports = { program, ROLES, VALUES }

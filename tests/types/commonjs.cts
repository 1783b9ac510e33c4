// What must compile, and (ts-expect-error) what must not, as a CommonJS user writes it.

import ipc = require('slabcast')

interface Chat {
  from: string
  text: string
}

interface Topics {
  news: string
  [room: `room:${string}`]: Chat
}

const bus = ipc.open<Topics>({ name: 'chat', size: '64mb', stallTimeout: Infinity, mode: 0o660 })

bus.subscribe('room:100', (message, meta) => {
  const from: string = message.from
  const topic: `room:${string}` = meta.topic
  const sequence: number = meta.sequence
  const pid: number = meta.publisher.pid
  // @ts-expect-error no such field
  message.nobody
  return [from, topic, sequence, pid]
})
bus.subscribe('news', (message) => message.toUpperCase(), { echo: false, once: true, signal: AbortSignal.timeout(1) })
bus.subscribe('news', (bytes) => bytes.readUInt8(0), { raw: true })
const matched: ipc.PatternSubscription = bus.psubscribe('room:*', (message, meta) => {
  const pattern: string = meta.pattern
  const topic: 'news' | `room:${string}` = meta.topic
  // @ts-expect-error it may be of the other topic
  message.from
  return [typeof message === 'string' ? message.length : message.from, pattern, topic]
})
matched.unsubscribe()
void matched.pattern
// @ts-expect-error it has a pattern and no topic
void matched.topic
bus.psubscribe('*', (bytes) => bytes.readUInt8(0), { raw: true, echo: false })
ipc.psubscribe('*', (message: number) => message + 1)
void bus.topics('room:*')[0]?.topic
// @ts-expect-error not a pattern
bus.psubscribe(/room/, () => {})
// @ts-expect-error for one topic
bus.psubscribe('*', () => {}, { group: 'g' })
// @ts-expect-error not a pattern
bus.topics(/room/)
bus.subscribe('news', (_, meta) => {
  // @ts-expect-error by its name: there is none
  const pattern: string = meta.pattern
  return pattern
})
const sent: boolean = bus.publish('room:1', { from: 'ann', text: 'hi' })
bus.publish('news', Buffer.from('x'), { raw: true })

async function loop(): Promise<void> {
  for await (const { message, meta } of bus.messages('room:7', { inbox: '1mb', echo: false })) {
    const from: string = message.from
    const topic: `room:${string}` = meta.topic
    // @ts-expect-error no such field
    message.nobody
    if (from === topic) break
  }
  for await (const { message } of bus.messages('news', { raw: true, signal: AbortSignal.timeout(1) }))
    message.readUInt8(0)
  const messages: ipc.Messages<string, 'news'> = bus.messages('news')
  const result = await messages.next()
  if (!result.done) result.value.message.toUpperCase()
  // @ts-expect-error it may be over
  result.value.message
  await messages.return()
  // @ts-expect-error not a topic of this bus
  bus.messages('weather')
  // @ts-expect-error a loop is left by itself
  bus.messages('news', { once: true })
  // @ts-expect-error not bytes
  bus.messages('news', { inbox: true })
}
void loop

async function asks(): Promise<void> {
  const answer: number = await bus.request<number>('room:1', { from: 'ann', text: 'hi' }, { timeout: 100 })
  const anything = await bus.request('news', 'x', { signal: AbortSignal.timeout(1) })
  const results = await bus.requestMany<number>('news', 'x', { timeout: Infinity })
  for (const result of results) if (result.status === 'fulfilled') result.value.toFixed(answer + anything)
  const subscription: ipc.Subscription<'news'> = bus.respond('news', (news, meta) => {
    const topic: 'news' = meta.topic
    return news.length + topic.length
  })
  subscription.unsubscribe()
  bus.respond('room:1', async ({ text }) => text, { echo: false, once: true, signal: AbortSignal.timeout(1) })
  bus.respond('room:1', async ({ text }) => text, { group: 'workers' })
  await bus.settled()
  // @ts-expect-error not a topic of this bus
  bus.request('weather', 1)
  // @ts-expect-error not this topic's message
  bus.request('room:1', 'hi')
  // @ts-expect-error not a number of ms
  bus.requestMany('news', 'x', { timeout: '5s' })
  // @ts-expect-error not a handler
  bus.respond('news', 'handler')
  // @ts-expect-error not this topic's message
  bus.respond('news', (message: Chat) => message.text)
  // @ts-expect-error requests are values
  bus.respond('news', () => 1, { raw: true })
}
void asks

// @ts-expect-error not a topic of this bus
bus.publish('weather', 'sunny')
// @ts-expect-error not this topic's message
bus.publish('room:1', 'hi')
// @ts-expect-error a field is missing
bus.publish('room:1', { from: 'ann' })
// @ts-expect-error not bytes
bus.publish('news', 'x', { raw: true })
// @ts-expect-error not a topic of this bus
bus.subscribe('weather', () => {})
// @ts-expect-error not a listener
bus.subscribe('news', 'listener')
bus.subscribe('news', () => {}, { replay: 10 })
bus.subscribe('news', () => {}, { after: 41 })
// @ts-expect-error not a number
bus.subscribe('news', () => {}, { after: '41' })
bus.subscribe('news', (_message, { redelivered }) => void (redelivered satisfies true | undefined), { durable: 'mail' })
// @ts-expect-error not a name
bus.subscribe('news', () => {}, { durable: 1 })
// @ts-expect-error no such option
bus.subscribe('news', () => {}, { ekko: true })
// @ts-expect-error no such mode
ipc.open({ mode: 0o777 })
ipc.open({ spin: 20 })
// @ts-expect-error not a number of us
ipc.open({ spin: '20us' })
// @ts-expect-error not a name
ipc.open({ name: 7 })

ipc.publish('anything', { any: 'thing' })
const subscription: ipc.Subscription = ipc.subscribe('anything', (message: number) => message + 1)
subscription.unref().ref().unsubscribe()
ipc.unsubscribe('anything')
ipc.on('drain', () => sent)
ipc.on('gap', ({ topic, from, to, lost, reason }) => [topic, from + to + lost, reason])
ipc.on('gap', ({ reason }) => reason satisfies 'stalled' | 'overwritten' | 'forgotten')
// @ts-expect-error a gap has no such field
ipc.on('gap', ({ nothing }) => nothing)
const { held, slab, outbox }: ipc.Stats = ipc.stats()
if (held !== null) held.by satisfies 'reader' | 'writer'
// @ts-expect-error nobody may hold it
void held.member
const free: number = slab.size - slab.used - outbox.bytes
void free
ipc.on('error', (error) => error.code === 'ERR_CORRUPT')
const closed: Promise<void> = ipc.close()
const bytes: Buffer = ipc.encode({ a: 1n })
ipc.decode(bytes)

try {
  void closed
} catch (error) {
  if (error instanceof ipc.SlabcastError && error.code === 'ERR_OUTBOX_FULL') {
    const { needed, available } = error
    void [needed, available]
  }
}

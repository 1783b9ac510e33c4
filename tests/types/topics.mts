// Typed topics: what a bus of `open<Topics>()` takes and gives, and (ts-expect-error) what it does not.

import ipc, { type Bus, type MemberInfo, type Meta, open, type Subscription, type TopicInfo } from 'slabcast'

interface Chat {
  from: string
  text: string
  tags?: string[]
}

type Price = { bid: number; ask: bigint }

interface Topics {
  news: string
  ping: undefined
  move: { kind: 'walk'; to: [number, number] } | { kind: 'stop' }
  [room: `room:${string}`]: Chat
  [price: `price:${string}:${number}`]: Price
}

const bus = open<Topics>({ name: 'typed' })
declare const anyString: string
declare const anyFlag: boolean
declare const room: `room:${string}`
declare const newsOrRoom: 'news' | 'room:1'
declare const messages: Map<string, Chat>

// publish

bus.publish('news', 'text')
bus.publish('ping', undefined)
bus.publish('room:', { from: 'ann', text: 'hi', tags: ['a'] })
bus.publish(room, { from: 'ann', text: 'hi' })
bus.publish(`room:${anyString}`, { from: 'ann', text: 'hi' })
bus.publish('price:eur:2', { bid: 1, ask: 2n })
bus.publish('move', { kind: 'walk', to: [1, 2] })
bus.publish('room:1', Buffer.from('bytes'), { raw: true })
// @ts-expect-error no topic of this bus
bus.publish('rooms:1', { from: 'ann', text: 'hi' })
// @ts-expect-error a string that may be any topic
bus.publish(anyString, 'text')
// @ts-expect-error not the form of the key
bus.publish('price:eur:two', { bid: 1, ask: 2n })
// @ts-expect-error the price of a room
bus.publish('room:1', { bid: 1, ask: 2n })
// @ts-expect-error a field of another type
bus.publish('price:eur:2', { bid: 1, ask: 2 })
// @ts-expect-error a field is missing
bus.publish(room, { from: 'ann' })
// @ts-expect-error a field too many
bus.publish('room:1', { from: 'ann', text: 'hi', colour: 'red' })
// @ts-expect-error an optional field of another type
bus.publish('room:1', { from: 'ann', text: 'hi', tags: 'a' })
// @ts-expect-error none of the kinds
bus.publish('move', { kind: 'run' })
// @ts-expect-error a tuple that is too short
bus.publish('move', { kind: 'walk', to: [1] })
// @ts-expect-error bytes without raw
bus.publish('room:1', Buffer.from('bytes'))
// @ts-expect-error raw without bytes
bus.publish('room:1', { from: 'ann', text: 'hi' }, { raw: true })
// @ts-expect-error no message
bus.publish('news')

// publishMany

bus.publishMany('news', ['a', 'b'])
bus.publishMany('room:1', messages.values())
bus.publishMany('room:1', new Set([{ from: 'ann', text: 'hi' }]))
// @ts-expect-error one of them is none
bus.publishMany('news', ['a', 1])
// @ts-expect-error entries, not messages
bus.publishMany('room:1', messages)
// @ts-expect-error one message
bus.publishMany('room:1', { from: 'ann', text: 'hi' })

// subscribe

bus.subscribe('room:100', (message, meta) => {
  message satisfies Chat
  meta.topic satisfies 'room:100'
  message.tags?.map((tag) => tag.trim())
  // @ts-expect-error it may be missing
  message.tags.length
  // @ts-expect-error no such field
  message.colour
})
bus.subscribe(room, (message, meta: Meta<`room:${string}`>) => [message.from.trim(), meta.topic])
bus.subscribe('price:usd:1', ({ bid, ask }) => [bid.toFixed(2), ask + 1n])
bus.subscribe('ping', (message) => message satisfies undefined)
bus.subscribe('move', (move) => {
  if (move.kind === 'walk') return move.to[1]
  // @ts-expect-error it stops
  return move.to
})
bus.subscribe(newsOrRoom, (message) => {
  message satisfies string | Chat
  // @ts-expect-error it may be news
  message.from
})
bus.subscribe('news', () => {})
bus.subscribe('news', async (message) => message.length)
bus.subscribe('room:1', (bytes) => bytes.readUInt8(0), { raw: true })
bus.subscribe('room:1', (message) => (Buffer.isBuffer(message) ? message.length : message.text), { raw: anyFlag })
const subscription: Subscription<'room:1'> = bus.subscribe('room:1', () => {}, { raw: false })
subscription.topic satisfies 'room:1'
// @ts-expect-error a listener for other messages
bus.subscribe('news', (message: number) => message)
// @ts-expect-error a listener for other rooms' topics
bus.subscribe('room:1', (_message: Chat, meta: Meta<'room:2'>) => meta)
// @ts-expect-error a listener for more than there is
bus.subscribe('news', (message: string, meta: Meta, more: number) => [message, meta, more])
// @ts-expect-error decoded, where bytes come
bus.subscribe('room:1', (message: Chat) => message, { raw: true })
// @ts-expect-error decoded, where bytes may come
bus.subscribe('room:1', (message: Chat) => message, { raw: anyFlag })
// @ts-expect-error no topic of this bus
bus.subscribe('rooms:1', () => {})
// @ts-expect-error a string that may be any topic
bus.subscribe(anyString, () => {})

// The rest

bus.unsubscribe('room:1')
// @ts-expect-error no topic of this bus
bus.unsubscribe('rooms:1')
const [topic] = bus.topics()
topic?.topic satisfies keyof Topics | undefined
const all: TopicInfo[] = bus.topics()
const members: MemberInfo[] = bus.members()
void [all, members]

// Whoever takes any bus takes this one; the default bus, and one without topics, takes everything.

const takesAny = (any: Bus) => any.publish('whatever', { any: 'thing' })
takesAny(bus)
takesAny(ipc)
ipc.publish(anyString, { any: 'thing' })
ipc.subscribe(anyString, (message) => message.whatever.there.is)
open().subscribe('anything', (message: Chat) => message.from)
// @ts-expect-error a topic is a string
ipc.publish(1, 'text')
const wrong = open<{ count: number }>()
// @ts-expect-error another's topics
const typed: Bus<Topics> = wrong
void typed

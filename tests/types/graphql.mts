// slabcast/graphql: where graphql-subscriptions' PubSub fits, this does.

import { PubSub as Official, type PubSubEngine, withFilter } from 'graphql-subscriptions'
import { open } from 'slabcast'
import { PubSub } from 'slabcast/graphql'

const pubsub = new PubSub({ bus: open() })
pubsub satisfies PubSubEngine
const id: number = await pubsub.subscribe('SAID', (payload) => payload.text, {})
await pubsub.publish('SAID', { text: 'hi' })
pubsub.unsubscribe(id)
const loop: AsyncIterableIterator<{ text: string }> = pubsub.asyncIterableIterator<{ text: string }>(['SAID', 'HINT'])
withFilter(() => loop, Boolean)
pubsub.close()

interface Payloads {
  [event: string]: unknown
  said: { text: string }
}
for (const typed of [new PubSub<Payloads>(), new Official<Payloads>()]) {
  await typed.publish('said', { text: 'hi' })
  // @ts-expect-error not what is said
  await typed.publish('said', { words: 'hi' })
}
// @ts-expect-error a PubSub takes a bus
new PubSub({ eventEmitter: {} })

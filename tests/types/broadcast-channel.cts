// What must compile of slabcast/broadcast-channel, and (ts-expect-error) what must not.

import ipc = require('slabcast')
import faces = require('slabcast/broadcast-channel')

const { BroadcastChannel } = faces

interface Chat {
  from: string
}

const channel = new BroadcastChannel<Chat>('chat', { bus: ipc.open<{ news: string }>({ name: 'x' }) })
const anything = new BroadcastChannel('anything')
const target: EventTarget = channel
const name: string = channel.name
channel.postMessage({ from: 'ann' })
anything.postMessage(1)
anything.postMessage({ any: ['thing'] })
channel.onmessage = (event) => {
  const from: string = event.data.from
  const type: string = event.type
  // @ts-expect-error no such field
  event.data.text
  return [from, type]
}
channel.onmessage = function ({ data }) {
  this.postMessage(data)
}
channel.onmessageerror = null
const options: faces.BroadcastChannelOptions = {}
channel.addEventListener('message', ({ data }) => data.from.length, { once: true })
channel.addEventListener('message', { handleEvent: (event: faces.BroadcastMessageEvent<Chat>) => event.data.from })
channel.addEventListener('something else', (event) => event.type)
channel.removeEventListener('messageerror', null)
channel.ref().unref().close()
void [target, name, options]

// @ts-expect-error not a message of this channel
channel.postMessage('hi')
// @ts-expect-error nothing to post
channel.postMessage()
// @ts-expect-error no name
new BroadcastChannel()
// @ts-expect-error not a bus
new BroadcastChannel('chat', { bus: 'x' })
// @ts-expect-error its name does not change
channel.name = 'another'
// @ts-expect-error not a handler
channel.onmessage = 1

'use strict'

// BroadcastChannel, between threads of one process only.

exports.threads = true

exports.join = async ({ name }) => {
  const channels = new Map()
  const channelOf = (topic) => {
    if (!channels.has(topic)) channels.set(topic, new BroadcastChannel(`${name} ${topic}`))
    return channels.get(topic)
  }
  return {
    subscribe(topic, listener) {
      channelOf(topic).onmessage = ({ data }) => listener(data)
    },
    publish(topic, message) {
      channelOf(topic).postMessage(message)
    },
    leave() {
      for (const channel of channels.values()) channel.close()
    },
  }
}

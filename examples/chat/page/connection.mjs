// The WebSocket, and a new one when it ends, with a wait that doubles. `onState` hears 'connecting', 'online' (told by
// the caller through `settled`, when the server has spoken) and 'offline'.

const FIRST_WAIT = 400 // ms, half of it at least: a dead worker's successor is mostly up by then
const LONGEST_WAIT = 8000
const CONNECT_WITHIN = 5000

export function open({ onMessage, onState }) {
  let socket = null
  let wait = FIRST_WAIT
  let retry = null

  function connect() {
    clearTimeout(retry)
    if (socket) return
    onState('connecting')
    const made = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/chat`)
    const slow = setTimeout(() => made.close(), CONNECT_WITHIN)
    socket = made
    made.addEventListener('open', () => clearTimeout(slow))
    made.addEventListener('message', ({ data }) => onMessage(JSON.parse(data)))
    made.addEventListener('close', () => {
      clearTimeout(slow)
      socket = null
      retry = setTimeout(connect, wait / 2 + (Math.random() * wait) / 2)
      wait = Math.min(wait * 2, LONGEST_WAIT)
      onState('offline')
    })
  }

  connect()
  return {
    connect,
    settled() {
      wait = FIRST_WAIT
      onState('online')
    },
    send(data) {
      if (socket?.readyState !== WebSocket.OPEN) return false
      socket.send(JSON.stringify(data))
      return true
    },
    reconnect() {
      socket?.close()
    },
  }
}

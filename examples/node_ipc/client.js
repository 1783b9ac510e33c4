'use strict'

// Somebody who chats in a terminal: `node examples/node_ipc/client.js [name] [port]`. Each line is a message; when the worker
// dies, the next one takes over.

const readline = require('node:readline')
const { WebSocket } = require('ws')

const AGAIN = 200 // ms until the next try to connect

const [, , name = `guest ${process.pid}`, port = '5050'] = process.argv
const waiting = [] // said while there was no connection
let socket
let isLeaving = false

const lines = readline.createInterface({ input: process.stdin })
lines.on('line', (text) => say(JSON.stringify({ from: name, text })))
lines.on('close', () => {
  isLeaving = true
  if (waiting.length === 0) socket.close()
})
connect()

function connect() {
  let worker
  socket = new WebSocket(`ws://127.0.0.1:${port}/test`)
  socket.on('upgrade', (response) => {
    worker = response.headers['x-worker']
  })
  socket.on('open', () => {
    console.log(`* connected to worker ${worker}`)
    for (const message of waiting.splice(0)) socket.send(message)
    if (isLeaving) socket.close()
  })
  socket.on('message', (data) => {
    for (const message of JSON.parse(data)) console.log(`${message?.from}: ${message?.text ?? JSON.stringify(message)}`)
  })
  socket.on('error', () => {}) // 'close' follows
  socket.on('close', () => {
    if (!isLeaving) setTimeout(connect, AGAIN)
  })
}

function say(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(message)
  else waiting.push(message)
}

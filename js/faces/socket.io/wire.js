'use strict'

// What the Socket.IO servers of a bus, and its emitters, say to each other: on which topics, and how it becomes a message.

const { createHash } = require('node:crypto')
const ipc = require('../../index.js')
const { topicOf } = require('../names')

const digest = (text) => createHash('sha256').update(JSON.stringify(text)).digest()

/** Of each namespace so many topics keep the sessions: one session is found among few others. */
const SESSIONS = 256

const topics = {
  /** What all servers of a namespace do: broadcasts, and what is done to sockets. */
  namespace: (nsp) => topicOf('socket.io', 'namespace', nsp),
  /** What they are asked. */
  questions: (nsp) => topicOf('socket.io', 'questions', nsp),
  /** What one of them is told by the others. That it is subscribed says that it is there. */
  server: (uid) => topicOf('socket.io', 'server', uid),
  /** Sessions of disconnected clients, those of `pid` among them. */
  sessions: (nsp, pid) => topicOf('socket.io', `sessions ${digest(pid)[0] % SESSIONS}`, nsp),
}

/**
 * Publishes what hosts send as JSON elsewhere: what MessagePack refuses, a function among the properties or half of a surrogate pair,
 * becomes JSON here, too, and then has of its values what JSON has.
 * @returns as `publish`
 */
function send(bus, topic, message) {
  try {
    return bus.publish(topic, message)
  } catch (error) {
    if (error.code !== 'ERR_NOT_SERIALIZABLE') throw error
    return bus.publish(topic, JSON.stringify(message))
  }
}

/** The same for what is asked and answered. */
function sendable(value) {
  try {
    ipc.encode(value)
    return value
  } catch (error) {
    if (error.code !== 'ERR_NOT_SERIALIZABLE') throw error
    return JSON.stringify(value)
  }
}

/** What was sent. */
const received = (message) => (typeof message === 'string' ? JSON.parse(message) : message)

module.exports = { digest, received, send, sendable, topics }

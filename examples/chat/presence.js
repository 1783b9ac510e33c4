'use strict'

// Who is in which room, on which worker. Each worker knows everybody and tells the others of its own people on one
// topic. A worker that comes up says so and names whom it replaces: the others forget the dead one's people and answer
// with theirs. What changes here goes to `tell`, for the pages.

const cluster = require('node:cluster')
const ipc = require('slabcast')

const TOPIC = 'presence'
const MAX_DEATHS = 20

const mine = new Map() // id -> { room, name }: the people of this worker
const workers = new Map() // pid -> { number, people }, as heard on the bus, this worker too
const deaths = [] // { pid, by }: the last ones, for pages that were away when it happened

function start(tell) {
  const replaces = process.env.CHAT_REPLACES.split(',').filter(Boolean).map(Number)

  const events = {
    came(pid, { number, replaces }) {
      for (const dead of replaces) {
        workers.delete(dead)
        deaths.push({ pid: dead, by: pid })
      }
      deaths.splice(0, deaths.length - MAX_DEATHS)
      workers.set(pid, { number, people: new Map() })
      tell({ type: 'came', pid, number, replaces })
      events.ask(pid)
    },
    ask(pid) {
      ipc.publish(TOPIC, { type: 'here', to: pid, number: cluster.worker.id, people: mine })
    },
    here(pid, { to, number, people }) {
      if (to !== process.pid) return
      workers.set(pid, { number, people })
      tell({ type: 'here', pid, number, people: [...people] })
    },
    entered(pid, { id, room, name }) {
      workers.get(pid)?.people.set(id, { room, name })
      tell({ type: 'entered', pid, id, room, name })
    },
    left(pid, { id }) {
      workers.get(pid)?.people.delete(id)
      tell({ type: 'left', pid, id })
    },
  }

  ipc.subscribe(TOPIC, (event, { publisher }) => events[event.type](publisher.pid, event))
  ipc.publish(TOPIC, { type: 'came', number: cluster.worker.id, replaces })

  // What is known may be wrong after a gap: begin anew, each answer brings one worker back.
  ipc.on('gap', ({ topic }) => {
    if (topic !== TOPIC) return
    workers.clear()
    tell({ type: 'everybody', ...everybody() })
    ipc.publish(TOPIC, { type: 'ask' })
  })
}

function enter({ id, room, name }) {
  mine.set(id, { room, name })
  ipc.publish(TOPIC, { type: 'entered', id, room, name })
}

function leave({ id }) {
  if (mine.delete(id)) ipc.publish(TOPIC, { type: 'left', id })
}

function knows(pid) {
  return workers.has(pid)
}

function everybody() {
  const list = [...workers].map(([pid, { number, people }]) => ({ pid, number, people: [...people] }))
  return { workers: list, deaths }
}

module.exports = { enter, everybody, knows, leave, start }

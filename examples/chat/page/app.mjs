// The page: what the socket says changes the state and is told in the stream; what people do goes to the socket.

import { open } from './connection.mjs'
import { everyone, me, setWorker, short, wasSeen, workers } from './state.mjs'
import { $, addMessage, addNote, pidMark, setCardState, show, showConnection, showSide, showStream } from './view.mjs'

const ROOMS = ['room:lobby', 'room:100', 'room:music', 'room:help']
const ROOM = /^room:[\p{L}\p{N}_-]{1,32}$/u

const announced = new Set() // pids whose death has been told
const awaited = new Set() // names that went down with a worker

// ---- what the socket says

const events = {
  welcome({ id, pid, ...everybody }) {
    const back = me.id !== null
    Object.assign(me, { id, pid })
    me.ids.add(id)
    events.everybody(everybody)
    connection.settled()
    if (back) addNote('came', 'you are back, now on worker ', pidMark(pid))
    enter(me.room)
  },

  everybody({ workers: list, deaths }) {
    const before = new Map(workers)
    workers.clear()
    for (const { pid, number, people } of list) setWorker(pid, number, people)
    for (const { pid, by } of deaths) tellDeath(pid, by, before.get(pid))
  },

  came({ pid, number, replaces }) {
    const gone = replaces.map((dead) => [dead, workers.get(dead)])
    for (const dead of replaces) workers.delete(dead)
    setWorker(pid, number, [])
    for (const [dead, worker] of gone) tellDeath(dead, pid, worker)
  },

  here({ pid, number, people }) {
    setWorker(pid, number, people)
  },

  entered({ pid, id, room, name }) {
    const people = workers.get(pid)?.people
    const before = people?.get(id)
    people?.set(id, { room, name })
    if (people && id !== me.id) tellMove(pid, before, { room, name })
  },

  left({ pid, id }) {
    const people = workers.get(pid)?.people
    const before = people?.get(id)
    people?.delete(id)
    if (before && !me.ids.has(id)) tellMove(pid, before)
  },

  message: addMessage,

  gap({ lost }) {
    addNote('died', `${lost} message${lost === 1 ? '' : 's'} missed: this worker was too slow`)
  },

  refused({ reason }) {
    addNote('died', `not taken: ${reason}`)
  },
}

function tellMove(pid, before, after) {
  const was = before?.room === me.room
  const is = after?.room === me.room
  if (was && is && before.name !== after.name) addNote('plain', `${before.name} is now called ${after.name}`)
  if (was && !is) addNote('plain', after ? `${before.name} went to ${short(after.room)}` : `${before.name} left`)
  if (was || !is) return
  const back = awaited.delete(after.name)
  addNote(back ? 'came' : 'plain', `${after.name} ${back ? 'is back' : 'came in'}, on worker `, pidMark(pid))
}

// Only of workers this page has seen alive, and once: a death is heard as it happens and again after a reconnect.
function tellDeath(pid, by, worker) {
  if (!wasSeen(pid) || announced.has(pid)) return
  announced.add(pid)
  const here = ({ room }) => room === me.room
  const alive = new Set(
    everyone()
      .filter(here)
      .map(({ name }) => name),
  ) // some are back sooner than this is heard
  const people = [...(worker?.people ?? [])].filter(([id, person]) => here(person) && !me.ids.has(id))
  const names = people.map(([, { name }]) => name)
  for (const name of names) if (!alive.has(name)) awaited.add(name)
  const list = new Intl.ListFormat('en').format(names)
  const back = names.length > 0 && names.every((name) => alive.has(name)) ? ' and came back' : ''
  addNote('died', 'worker ', pidMark(pid), names.length > 0 ? ` died, ${list} went with it${back}` : ' died')
  addNote('came', 'worker ', pidMark(by), ' came in its place')
}

// ---- what people do

function enter(room) {
  if (room !== me.room) awaited.clear()
  me.room = room
  history.replaceState(null, '', `#${room}`)
  connection.send({ type: 'enter', room, name: me.name })
  showStream(room)
  show(ROOMS)
}

function roomOfAddress() {
  try {
    const room = decodeURIComponent(location.hash.slice(1))
    return ROOM.test(room) ? room : ROOMS[0]
  } catch {
    return ROOMS[0] // a broken % sequence
  }
}

function newName() {
  const pick = (words) => words[Math.floor(Math.random() * words.length)]
  const calm = pick(['Calm', 'Bright', 'Swift', 'Gentle', 'Lucky', 'Merry', 'Quiet', 'Brave'])
  return `${calm} ${pick(['Otter', 'Heron', 'Lynx', 'Finch', 'Badger', 'Marten', 'Plover', 'Hare'])}`
}

function setName(name) {
  me.name = name
  $('name').value = name
  sessionStorage.setItem('name', name)
}

$('name').addEventListener('change', () => {
  setName($('name').value.trim().replace(/\s+/g, ' ') || me.name)
  connection.send({ type: 'enter', room: me.room, name: me.name })
})

$('rename').addEventListener('submit', (event) => {
  event.preventDefault()
  $('name').blur()
})

$('rooms').addEventListener('click', ({ target }) => {
  const button = target.closest('button')
  if (button) enter(button.dataset.room)
})

$('new-room').addEventListener('submit', (event) => {
  event.preventDefault()
  const room = `room:${$('new-room-name').value.trim()}`
  if (!ROOM.test(room)) return
  $('new-room-name').value = ''
  enter(room)
  $('text').focus()
})

$('composer').addEventListener('submit', (event) => {
  event.preventDefault()
  const text = $('text').value.trim()
  if (text !== '' && connection.send({ type: 'say', text })) $('text').value = ''
})

$('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  $('composer').requestSubmit()
})

$('workers').addEventListener('click', ({ target }) => {
  if (!target.matches('.kill')) return
  const card = target.closest('.card')
  if (connection.send({ type: 'kill', pid: Number(card.dataset.pid) })) setCardState(card, 'killing', 'killing')
})

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') showSide(false)
  if (!event.altKey || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return
  event.preventDefault()
  const rooms = [...$('rooms').querySelectorAll('button')].map((button) => button.dataset.room)
  const step = event.key === 'ArrowUp' ? rooms.length - 1 : 1
  enter(rooms[(rooms.indexOf(me.room) + step) % rooms.length])
})

$('show-workers').addEventListener('click', () => showSide(!document.body.classList.contains('side-open')))
$('hide-workers').addEventListener('click', () => showSide(false))
$('hop').addEventListener('click', () => connection.reconnect())
$('retry').addEventListener('click', () => connection.connect())
window.addEventListener('online', () => connection.connect())
window.addEventListener('hashchange', () => enter(roomOfAddress()))

// ---- start

me.room = roomOfAddress()
setName(sessionStorage.getItem('name') ?? newName())
const connection = open({
  onState: showConnection,
  onMessage({ type, ...event }) {
    events[type]?.(event)
    if (type !== 'message') show(ROOMS)
  },
})
enter(me.room)

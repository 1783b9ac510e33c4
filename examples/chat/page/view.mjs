// State becomes elements. What people write goes in as text and is never parsed as HTML.

import { everyone, hue, me, short, workers } from './state.mjs'

const MAX_LINES = 400 // kept per room
const GROUP_WITHIN = 120_000 // ms: messages of one author closer than this stand together
const NEAR_END = 80 // px: who is this near to the newest message follows it

const streams = new Map() // room -> <ol>

export const $ = (id) => document.getElementById(id)

function element(tag, properties, ...children) {
  const { hue, ...rest } = properties
  const made = Object.assign(document.createElement(tag), rest)
  if (hue !== undefined) made.style.setProperty('--hue', hue)
  made.append(...children)
  return made
}

export function pidMark(pid) {
  return element('span', { className: 'pid', hue: hue(pid), textContent: pid })
}

function unseen(text) {
  return element('span', { className: 'unseen', textContent: text })
}

function face(name) {
  const words = name.split(' ')
  const letters = words.length > 1 ? [words[0], words.at(-1)].map((word) => [...word][0]) : [...name].slice(0, 2)
  return element('span', { className: 'face', ariaHidden: 'true', textContent: letters.join('').toUpperCase() })
}

// ---- the stream of a room

function stream(room) {
  if (!streams.has(room)) streams.set(room, element('ol', {}))
  return streams.get(room)
}

export function showStream(room) {
  if ($('stream').firstElementChild === stream(room)) return
  $('stream').replaceChildren(stream(room))
  toEnd()
}

export function toEnd() {
  $('stream').scrollTop = $('stream').scrollHeight
  $('newest').hidden = true
}

function distanceToEnd() {
  const { scrollHeight, scrollTop, clientHeight } = $('stream')
  return scrollHeight - scrollTop - clientHeight
}

function append(room, line, follow) {
  const stay = !follow && distanceToEnd() > NEAR_END
  const list = stream(room)
  list.append(line)
  while (list.childElementCount > MAX_LINES) list.firstElementChild.remove()
  if (room !== me.room) return
  if (stay) $('newest').hidden = false
  else toEnd()
}

export function addNote(kind, ...parts) {
  append(me.room, element('li', { className: `note ${kind}` }, element('span', {}, ...parts)), false)
}

export function addMessage({ room, id, name, text, from, via, sequence, timestamp }) {
  const mine = me.ids.has(id)
  const last = stream(room).lastElementChild?.dataset ?? {}
  const follows = last.author === id && last.name === name && timestamp - last.at < GROUP_WITHIN
  const when = new Date(timestamp)

  const head = element('p', { className: 'head' }, element('b', { textContent: name }))
  if (mine) head.append(element('span', { className: 'you', textContent: 'you' }))
  const clock = when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
  head.append(element('time', { dateTime: when.toISOString(), title: when.toLocaleString(), textContent: clock }))

  const route = element(
    'p',
    { className: from === via ? 'route' : 'route crossed', title: `message ${sequence} of ${room}` },
    unseen('published by worker '),
    pidMark(from),
    element('span', { className: 'arrow', ariaHidden: 'true', textContent: '\u2192' }),
    unseen(', delivered by worker '),
    pidMark(via),
  )
  const className = `message${follows ? ' follows' : ''}${mine ? ' mine' : ''}`
  const body = element('p', { className: 'text', textContent: text })
  const line = element('li', { className, hue: hue(from) }, face(name), head, body, route)
  Object.assign(line.dataset, { author: id, name, at: timestamp })
  append(room, line, mine)
}

// ---- rooms, workers and people

export function show(rooms) {
  const people = everyone()
  const count = people.filter(({ room }) => room === me.room).length
  $('room-title').textContent = short(me.room)
  $('room-note').textContent = `${count} ${count === 1 ? 'person' : 'people'} \u00b7 topic ${me.room}`
  $('totals').textContent = `${workers.size} workers \u00b7 ${people.length} people`
  $('text').placeholder = `Write to ${short(me.room)}`
  $('badge').hidden = me.pid === null
  $('badge-pid').textContent = me.pid
  $('badge').style.setProperty('--hue', hue(me.pid) ?? '')
  document.title = `${short(me.room)} \u00b7 slabcast chat`
  showRooms([...new Set([...rooms, ...streams.keys(), ...people.map(({ room }) => room)])], people)
  showWorkers()
}

function showRooms(rooms, people) {
  const buttons = new Map([...$('rooms').querySelectorAll('button')].map((button) => [button.dataset.room, button]))
  for (const room of rooms) {
    const button = buttons.get(room) ?? addRoom(room)
    const count = people.filter((person) => person.room === room).length
    button.querySelector('.count').textContent = count
    button.querySelector('.count').classList.toggle('none', count === 0)
    if (room === me.room) button.setAttribute('aria-current', 'true')
    else button.removeAttribute('aria-current')
    buttons.delete(room)
  }
  for (const button of buttons.values()) button.parentElement.remove()
}

function addRoom(room) {
  const name = element('span', { className: 'room-name', textContent: short(room) })
  const count = element('span', { className: 'count' })
  const button = element('button', { type: 'button', className: 'room', title: room }, name, count, unseen(' people'))
  button.dataset.room = room
  $('rooms').append(element('li', {}, button))
  return button
}

// A card stays while its worker lives; that of a dead one leaves when its animation ends.
function showWorkers() {
  const cards = new Map([...$('workers').children].map((card) => [Number(card.dataset.pid), card]))
  const first = cards.size === 0
  for (const [pid, { number, people }] of [...workers].sort(([, a], [, b]) => a.number - b.number)) {
    const card = cards.get(pid) ?? addCard(pid, number, first)
    if (card.dataset.state === 'lost') setCardState(card, '', '')
    card.classList.toggle('own', pid === me.pid)
    card.querySelector('ul').replaceChildren(...personItems(people))
    cards.delete(pid)
  }
  for (const card of cards.values()) retire(card)
}

function addCard(pid, number, first) {
  const kill = element('button', {
    type: 'button',
    className: 'kill',
    textContent: 'Kill',
    ariaLabel: `Kill worker ${pid}`,
  })
  const title = element('h3', {}, unseen('worker '), pidMark(pid))
  const state = element('span', { className: 'card-state' })
  const head = element('div', { className: 'card-head' }, title, state, kill)
  const card = element('li', { className: 'card', hue: hue(pid) }, head, element('ul', {}))
  Object.assign(card.dataset, { pid, number })
  if (!first) setCardState(card, 'new', 'came')
  $('workers').append(card)
  return card
}

function personItems(people) {
  if (people.size === 0) return [element('li', { className: 'nobody', textContent: 'nobody' })]
  const rank = ([id, { room }]) => (id === me.id ? 0 : room === me.room ? 1 : 2)
  const sorted = [...people].sort((a, b) => rank(a) - rank(b) || a[1].name.localeCompare(b[1].name))
  return sorted.map(([id, { room, name }]) => {
    const here = room === me.room
    const item = element('li', { className: here ? 'person' : 'person elsewhere' }, face(name))
    item.append(element('span', { className: 'person-name', textContent: name }))
    if (id === me.id) item.append(element('span', { className: 'you', textContent: 'you' }))
    if (!here) item.append(element('span', { className: 'in-room', textContent: short(room) }))
    return item
  })
}

export function setCardState(card, state, text) {
  card.dataset.state = state
  card.querySelector('.card-state').textContent = text
}

function retire(card) {
  if (card.dataset.state === 'dead') return
  setCardState(card, 'dead', 'died')
  card.classList.remove('own')
  for (const gone of card.querySelectorAll('.kill, .you')) gone.remove()
  card.addEventListener('animationend', (event) => event.target === card && card.remove())
}

export function showConnection(state) {
  document.body.dataset.connection = state
  $('connection').textContent = { online: 'connected', connecting: 'connecting', offline: 'connection lost' }[state]
  $('retry').hidden = state !== 'offline'
  $('send').disabled = state !== 'online'
  $('hop').disabled = state !== 'online'
  const card = document.querySelector(`.card.own:not([data-state="dead"])`)
  if (state === 'offline' && card) setCardState(card, 'lost', 'no connection')
}

export function showSide(open) {
  const was = document.body.classList.contains('side-open')
  document.body.classList.toggle('side-open', open)
  $('show-workers').setAttribute('aria-expanded', String(open))
  if (open) $('hide-workers').focus()
  else if (was) $('show-workers').focus()
}

$('newest').addEventListener('click', toEnd)
$('stream').addEventListener('scroll', () => {
  if (distanceToEnd() <= NEAR_END) $('newest').hidden = true
})
new ResizeObserver(() => $('newest').hidden && toEnd()).observe($('stream'))

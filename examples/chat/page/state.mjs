// What this page knows: who it is, and everybody on every worker.

export const me = { id: null, pid: null, name: null, room: null, ids: new Set() } // ids: of earlier connections too
export const workers = new Map() // pid -> { number, people: Map(id -> { room, name }) }
const numbers = new Map() // pid -> number, of the dead too: their colour stays

export function setWorker(pid, number, people) {
  numbers.set(pid, number)
  workers.set(pid, { number, people: new Map(people) })
}

export function wasSeen(pid) {
  return numbers.has(pid)
}

export function everyone() {
  return [...workers].flatMap(([pid, { people }]) => [...people].map(([id, person]) => ({ id, pid, ...person })))
}

// Neighbours in number are far apart in hue: the golden angle.
export function hue(pid) {
  return numbers.has(pid) ? String((262 + (numbers.get(pid) - 1) * 137.508) % 360) : undefined
}

export function short(room) {
  return room.slice('room:'.length)
}

'use strict'

// Required before slabcast: its members do not look after the bus once a second.

const { setInterval } = globalThis
const TICK = 1000
const NEVER = 2 ** 31 - 1

globalThis.setInterval = (act, ms, ...args) => setInterval(act, ms === TICK ? NEVER : ms, ...args)

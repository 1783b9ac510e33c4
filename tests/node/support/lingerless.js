'use strict'

// Required before slabcast: its members neither look after the bus once a second nor look once more after they fell asleep, so
// that a wake-up that is lost is lost for good.

require('./tickless')

const { setTimeout } = globalThis
const LINGER = 3
const NEVER = 2 ** 31 - 1

globalThis.setTimeout = (act, ms, ...args) => setTimeout(act, ms === LINGER ? NEVER : ms, ...args)

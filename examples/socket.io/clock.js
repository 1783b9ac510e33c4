'use strict'

// Tells the time to all clients of all workers.

const { Emitter } = require('slabcast/socket.io')

const emitter = new Emitter()
setInterval(() => emitter.volatile.emit('time', new Date().toISOString()), 1000)

// With its primary it ends.
process.on('disconnect', () => process.exit())

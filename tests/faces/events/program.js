'use strict'

// Parts of an application that share an emitter: Node's, all in one process, or ours, each in a process of its own.

const { EventEmitter } = require('node:events')
const { live } = require('../support/parts')

/** Does things with the emitter, and keeps what its listeners hear. */
class Part {
  #emitter
  #heard = []
  #listeners = new Map()

  constructor(emitter, say) {
    this.#emitter = emitter
    emitter.on('sync', (synced) => say({ synced }))
  }

  sync(n) {
    this.#emitter.emit('sync', n)
  }

  do([verb, event, ...args]) {
    const emitter = this.#emitter
    if (verb === 'emit') emitter.emit(event, ...args)
    else if (verb === 'answer') emitter.on(event, (...heard) => emitter.emit(args[0], 'answers', ...heard))
    else emitter[verb](event, this.#listener(args[0]))
  }

  #listener(label) {
    if (!this.#listeners.has(label)) this.#listeners.set(label, (...args) => this.#heard.push([label, ...args]))
    return this.#listeners.get(label)
  }

  end() {
    this.#emitter.close?.()
    return this.#heard
  }
}

function main(child, emitter, names) {
  return live(child, Object.fromEntries(names.map((name) => [name, new Part(emitter, child.say)])))
}

module.exports = {
  official: (child, names) => main(child, new EventEmitter(), names),
  ours(child, names, options) {
    const { BusEmitter } = require('slabcast/events')
    return main(child, new BusEmitter({ bus: require('slabcast').open(options), name: 'program' }), names)
  },
}

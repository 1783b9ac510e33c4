'use strict'

// Publishes without end and receives everything, for tests that kill: what it was told is published stands in a file
// before the next call, what it received is kept with what is wrong about it.

const fs = require('node:fs')

/** The body number `n` of a publisher in a topic: anyone can tell what it has to be. */
function body(publisher, topic, n, largest) {
  const seed = (publisher * 31 + topic * 7 + n * 13) >>> 0
  // Nine in ten are small.
  const length = seed % 10 === 0 ? (seed * 2654435761) % largest : seed % 300
  return { publisher, topic, n, text: String.fromCharCode(97 + (seed % 26)).repeat(length) }
}

class Forever {
  #bus
  #publisher
  #topics
  #largest
  #acknowledged
  #numbers
  #stopped = false
  #ended
  /** position, publisher, topic, sequence, number: five for each message. */
  received = []
  faults = []
  /** How often the slab was full. */
  full = 0

  constructor(bus, { publisher, topics, largest, acknowledged }) {
    this.#bus = bus
    this.#publisher = publisher
    this.#topics = topics
    this.#largest = largest
    this.#numbers = new Float64Array(topics)
    this.#acknowledged = fs.openSync(acknowledged, 'w')
    bus.on('gap', (gap) => this.faults.push(`a gap: ${JSON.stringify(gap)}`))
  }

  subscribe() {
    for (let topic = 0; topic < this.#topics; topic++) {
      this.#bus.subscribe(`topic:${topic}`, (message, { position, sequence }) => {
        this.received.push(position, message.publisher, topic, sequence, message.n)
        const expected = body(message.publisher, topic, message.n, this.#largest)
        if (message.topic !== topic || message.text !== expected.text) this.faults.push(`torn: position ${position}`)
      })
    }
  }

  /** Publishes until `stop`, as fast as the bus takes it. */
  publish() {
    this.#ended = new Promise((resolve, reject) => {
      let at = this.#publisher
      const turn = () => {
        try {
          for (let count = 0; count < 16; count++) {
            if (this.#stopped) return resolve()
            const topic = at++ % this.#topics
            const n = ++this.#numbers[topic]
            if (!this.#bus.publish(`topic:${topic}`, body(this.#publisher, topic, n, this.#largest))) {
              this.full++
              return this.#bus.once('drain', () => {
                for (let each = 0; each < this.#topics; each++) this.#acknowledge(each)
                setImmediate(turn)
              })
            }
            this.#acknowledge(topic)
          }
          setImmediate(turn)
        } catch (error) {
          reject(error)
        }
      }
      turn()
    })
    this.#ended.catch(() => {})
  }

  #acknowledge(topic) {
    fs.writeSync(this.#acknowledged, this.#numbers.subarray(topic, topic + 1), 0, 8, topic * 8)
  }

  /** The numbers of the last messages, once they are in the slab. */
  async stop() {
    this.#stopped = true
    await this.#ended
    return [...this.#numbers]
  }

  save(file) {
    fs.writeFileSync(file, new Float64Array(this.received))
  }
}

module.exports = { Forever }

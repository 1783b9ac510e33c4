// The face mqemitter, as a CommonJS user writes it.

import mqemitter = require('slabcast/mqemitter')
import slabcast = require('slabcast')

const bus = slabcast.open({ name: 'mqtt' })
const emitter: mqemitter.Emitter = mqemitter({ bus, concurrency: 100, matchEmptyLevels: true, separator: '/' })

emitter
  .on(
    'rooms/+',
    function (message, done) {
      const topic: string = message.topic
      const waiting: number = this.length + this.current
      done()
      return [topic, waiting, message.payload]
    },
    (error) => error?.message,
  )
  .on('#', (_, done) => done())
emitter.emit({ topic: 'rooms/1', payload: Buffer.from('x'), qos: 1 }, (error) => error?.message)
emitter.removeListener('#', () => {}).removeAllListeners('rooms/+', () => {})
emitter.close(() => {})
// @ts-expect-error no topic
emitter.emit({ payload: 'x' })
// @ts-expect-error not a number
mqemitter({ concurrency: '100' })
// @ts-expect-error not a bus
mqemitter({ bus: {} })
// @ts-expect-error mqemitter's, and only told
emitter.current = 1

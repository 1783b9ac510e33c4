// The face mqemitter, as an ES module imports it.

import type { Message, Options } from 'slabcast/mqemitter'
import mqemitter from 'slabcast/mqemitter'

const options: Options = { concurrency: 100 }
const message: Message = { topic: 'rooms/1' }
mqemitter(options).emit(message)

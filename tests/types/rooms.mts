// slabcast/rooms: what can be in a room, and what can be published.

import { open } from 'slabcast'
import { type RoomSocket, Rooms } from 'slabcast/rooms'
import type { WebSocket as WsSocket } from 'ws'

declare const socket: WsSocket
declare const browsers: { readyState: number; send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void }
/** As uWebSockets.js declares it. */
declare const uws: {
  send(message: string | ArrayBuffer | Uint8Array, isBinary?: boolean, compress?: boolean): number
  publish(topic: string, message: string): boolean
}

const rooms = new Rooms({ bus: open<{ news: string }>() })
new Rooms()
rooms.join('news', socket)
rooms.join('news', browsers)
rooms.join('news', uws)
rooms.join('news', { send: (data: string | Buffer, isBinary: boolean) => [data, isBinary] })
const taken: boolean = rooms.publish('news', 'text', { except: socket })
rooms.publish('news', Buffer.from('bytes'))
rooms.publish('news', new Float64Array(2).buffer)
rooms.leave('news', uws)
rooms.leaveAll(browsers satisfies RoomSocket)
rooms.close()
// @ts-expect-error nothing can be sent to it
rooms.join('news', { write() {} })
// @ts-expect-error neither text nor bytes
rooms.publish('news', { text: taken })
// @ts-expect-error not a socket
rooms.publish('news', 'text', { except: 1 })
// @ts-expect-error a room has a name
rooms.join(1, socket)
// @ts-expect-error not a bus
new Rooms({ bus: 'chat' })

// The same door for ES modules.

import ipc from './index.js'

export default ipc
export const { open, encode, decode, SlabcastError } = ipc

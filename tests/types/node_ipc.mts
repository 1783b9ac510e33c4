// What must compile of slabcast/node_ipc, and (ts-expect-error) what must not.

import { open } from 'slabcast'
import backend, { callSafeFunc, testShmWrite, type WorkerOptions, workerInit } from 'slabcast/node_ipc'

const options: WorkerOptions = { bus: open({ name: 'x' }), inbox: '1mb' }
const began: Promise<void>[] = [backend.masterInit(2), workerInit(2, 0, options), testShmWrite('text')]
callSafeFunc((data) => data.length > 2)
callSafeFunc(async () => {
  const data: string = await backend.testShmRead()
  return data
})
const hundred: Promise<number> = backend.callNodeFunc()
backend.testSemaRequire().then(() => backend.testSemaRelease())
backend.processExit()
backend.init()
const pid: number = backend.show()
void [began, hundred, pid]

// @ts-expect-error not a number of workers
backend.masterInit('2')
// @ts-expect-error no index
workerInit(2)
// @ts-expect-error only what is read waits
backend.masterInit(2, { inbox: 1 })
// @ts-expect-error not a string
testShmWrite({ from: 'ann' })
// @ts-expect-error not a callback
callSafeFunc('data')

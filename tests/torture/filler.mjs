// Fills a bus: as many threads as it has places left must find one, and no more. With no count: opens it and leaves.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { open } from '../../js/index.mjs'
import { optionsOf } from './plan.mjs'

if (isMainThread) {
  const { bus, count } = JSON.parse(process.argv[2])
  const opened = open(optionsOf(bus))
  let refused
  const workers = []
  for (let at = 1; at < count && !refused; at++) {
    refused = await new Promise((resolve) => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { bus } })
      workers.push(worker)
      worker.on('message', (error) => resolve(error && `place ${at + 1} of ${count}: ${error}`))
      worker.on('error', (error) => resolve(error.stack))
    })
  }
  if (!refused && count > 0) {
    const one = new Worker(new URL(import.meta.url), { workerData: { bus } })
    const error = await new Promise((resolve) => one.on('message', resolve))
    await one.terminate()
    if (error !== 'ERR_TOO_MANY_MEMBERS') refused = `one more than there are places: ${error ?? 'it was let in'}`
  }
  await Promise.all(workers.map((worker) => worker.terminate()))
  await opened.close()
  process.send({ refused })
  process.disconnect()
} else {
  let error
  try {
    open(optionsOf(workerData.bus))
  } catch (refusal) {
    error = refusal.code ?? refusal.stack
  }
  parentPort.postMessage(error)
  // Until it is terminated.
  parentPort.on('message', () => {})
}

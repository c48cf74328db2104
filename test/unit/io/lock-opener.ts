// A process, or a thread, that takes a directory lock and reports: `taken`, or the code and message of the refusal.
// It keeps the lock until it is told to let go, or killed.
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../../src/base/clock.ts'
import {
  acquireDirectoryLock,
  type DirectoryLock,
  type LockMode,
  LockRegistry,
} from '../../../src/io/directory-lock.ts'
import { nodeFileSystem } from '../../../src/io/node-file-system.ts'

export interface OpenerOrder {
  readonly directory: string
  readonly mode: LockMode
}

export type OpenerReport = { readonly taken: true } | { readonly code: string; message: string }

async function obey(order: OpenerOrder, report: (report: OpenerReport) => void): Promise<void> {
  let lock: DirectoryLock
  try {
    lock = await acquireDirectoryLock({
      ...order,
      fs: nodeFileSystem,
      registry: new LockRegistry(),
      timeoutMs: 0,
      clock: systemClock,
    })
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    report({ code, message })
    return
  }
  report({ taken: true })
  const release = (): void => {
    lock.release()
    process.disconnect?.()
    parentPort?.close()
  }
  process.once('message', release)
  parentPort?.once('message', release)
}

if (parentPort !== null) {
  const port = parentPort
  await obey(workerData as OpenerOrder, (report) => port.postMessage(report))
} else {
  process.once('message', (order: OpenerOrder) => {
    void obey(order, (report) => process.send?.(report))
  })
  process.send?.('ready')
}

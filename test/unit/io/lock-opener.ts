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
import { isLocalVolume } from '../../../src/io/kernel-lock.ts'
import { nodeFileSystem } from '../../../src/io/node-file-system.ts'
import { socketLock, sqliteLock } from '../../../src/io/substitute-lock.ts'

export interface OpenerOrder {
  readonly directory: string
  readonly mode: LockMode
  /** What there is on the system the opener believes to be on; all, when left out. */
  readonly by?: 'sqlite' | 'socket'
}

export type OpenerReport = { readonly taken: true } | { readonly code: string; message: string }

async function obey(order: OpenerOrder, report: (report: OpenerReport) => void): Promise<void> {
  let lock: DirectoryLock
  const { directory, mode, by } = order
  const substitutes = [by === 'sqlite' ? sqliteLock : socketLock]
  const means = { tools: [], substitutes, isLocal: isLocalVolume }
  try {
    lock = await acquireDirectoryLock({
      directory,
      mode,
      ...(by === undefined ? {} : { means }),
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

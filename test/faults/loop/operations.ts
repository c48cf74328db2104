// What faults strike: each operation from the state it needs. A feature that touches files adds its own here.
import { OPERATIONS as CRASH_OPERATIONS } from '../../crash/operations.ts'
import type { FaultSession } from './fault-session.ts'

export interface FaultOperation {
  readonly name: string
  /** What is there before: nothing, a database that was closed, or one whose process was killed. */
  readonly start: 'empty' | 'closed' | 'killed'
  /** It is opened before faults strike. */
  readonly opened: boolean
  run(session: FaultSession): Promise<void>
}

function shared(name: string): FaultOperation {
  const operation = CRASH_OPERATIONS.find((other) => other.name === name)!
  return { name, start: 'closed', opened: true, run: (session) => operation.run(session) }
}

export const FAULT_OPERATIONS: readonly FaultOperation[] = [
  { name: 'first-open', start: 'empty', opened: false, run: (session) => session.open() },
  { name: 'open', start: 'closed', opened: false, run: (session) => session.open() },
  { name: 'recovery', start: 'killed', opened: false, run: (session) => session.open() },
  ...['put', 'put-sync', 'batch', 'batch-sync', 'burst', 'large', 'del', 'rotation', 'flush'].map(
    shared,
  ),
  ...['compaction', 'reopen', 'busy-close'].map(shared),
  ...['durable-row', 'filled-rotation'].map(shared),
  ...['separating-flush', 'separated-compaction', 'collection'].map(shared),
  ...['large-value', 'large-values', 'overwritten-value', 'streamed-value'].map(shared),
  {
    name: 'close',
    start: 'closed',
    opened: true,
    async run(session) {
      await session.commit([{ type: 'put', key: 'late', value: 'before the close' }])
      await session.close()
    },
  },
  { name: 'read', start: 'closed', opened: true, run: (session) => session.readAll() },
  { name: 'verify', start: 'closed', opened: true, run: (session) => session.verify() },
  { name: 'clear', start: 'closed', opened: true, run: (session) => session.clearAll() },
]

// The process that gets killed. It loads the engine, waits for its order, opens the database and commits until
// SIGKILL: each commit is announced before the call and acked after its promise resolved.
import { writeSync } from 'node:fs'
import { Database } from 'sett'
import { prng } from '../model/prng.ts'
import { openStore, type Store } from '../model/store.ts'
import { bytesFor, type Commit, commitOf } from './commits.ts'
import { PROGRESS_DESCRIPTOR, RECORD, RECORD_BYTES, type WriterOrder } from './messages.ts'

function report(kind: number, number: number): void {
  const record = Buffer.alloc(RECORD_BYTES)
  record[0] = kind
  record.writeUInt32LE(number, 1)
  writeSync(PROGRESS_DESCRIPTOR, record)
}

function commit(store: Store, { number, single, operations }: Commit): Promise<void> {
  const writes = operations.map((operation) => {
    const key = Buffer.from(operation.key)
    return operation.type === 'del'
      ? { type: 'del' as const, key }
      : { type: 'put' as const, key, value: bytesFor(number, operation) }
  })
  const first = writes[0]!
  if (!single) return store.batch(writes)
  return first.type === 'del' ? store.del(first.key) : store.put(first.key, first.value)
}

async function writeForever(order: WriterOrder): Promise<void> {
  const store = await openStore(Database, order.directory, order.options)
  report(RECORD.ready, 0)
  let next = order.firstNumber
  const lane = async (): Promise<void> => {
    for (;;) {
      const number = next++
      const writes = commitOf(order.seed, number)
      report(RECORD.announced, number)
      await commit(store, writes)
      report(RECORD.acked, number)
      const random = prng(order.seed + 1, number)
      if (random.chance(0.01)) {
        await store.flush()
        report(RECORD.flushed, 0)
      } else if (random.chance(0.003)) await store.compactRange()
    }
  }
  await Promise.all(Array.from({ length: order.lanes }, lane))
}

process.once('message', (order: WriterOrder) => {
  writeForever(order).catch((error: unknown) => {
    console.error(error)
    report(RECORD.failed, 0)
    process.exit(1)
  })
})
process.send?.('warm')

// The process that gets killed. It loads the engine, waits for its order, opens the database and commits until
// its end: each commit is announced before the call and acked after its promise resolved.
import { writeSync } from 'node:fs'
import { prng } from '../model/prng.ts'
import { openStore } from '../model/store.ts'
import { bytesFor, type Commit, commitOf } from './commits.ts'
import {
  type CommitTarget,
  PROGRESS_DESCRIPTOR,
  progressRecord,
  RECORD,
  type WriterOrder,
} from './messages.ts'

function report(kind: number, number: number): void {
  writeSync(PROGRESS_DESCRIPTOR, progressRecord(kind, number))
}

const engines = { package: () => import('sett'), point: () => import('./point-target.ts') }

async function open(order: WriterOrder): Promise<CommitTarget> {
  const { point, directory, options } = order
  if (point !== undefined) return (await engines.point()).openAtPoint(order, point)
  return openStore((await engines.package()).Database, directory, options)
}

function commit(target: CommitTarget, { number, single, operations }: Commit): Promise<void> {
  const writes = operations.map((operation) => {
    const { type, key } = operation
    const value = type === 'del' ? Buffer.alloc(0) : bytesFor(number, operation)
    return { type, key: Buffer.from(key), value }
  })
  const first = writes[0]!
  if (!single) return target.batch(writes)
  return first.type === 'del' ? target.del(first.key) : target.put(first.key, first.value)
}

function endLater({ by, afterMs }: NonNullable<WriterOrder['ending']>): void {
  setTimeout(() => {
    if (by === 'exit') process.exit(0)
    throw new Error('thrown on purpose')
  }, afterMs)
}

/** One lane at a time. */
let collecting = false

async function collect(target: CommitTarget): Promise<void> {
  if (collecting) return
  collecting = true
  await target.collectGarbage()
  collecting = false
}

async function work(order: WriterOrder): Promise<void> {
  const target = await open(order)
  report(RECORD.ready, 0)
  let first = true
  let next = order.firstNumber
  const end = next + (order.closeAfter ?? Number.POSITIVE_INFINITY)
  const lane = async (): Promise<void> => {
    while (next < end) {
      const number = next++
      const writes = commitOf(order.seed, number)
      report(RECORD.announced, number)
      await commit(target, writes)
      report(RECORD.acked, number)
      if (first && order.ending !== undefined) endLater(order.ending)
      first = false
      const random = prng(order.seed + 1, number)
      if (random.chance(0.01)) {
        await target.flush()
        report(RECORD.flushed, 0)
      } else if (random.chance(0.003)) await target.compactRange()
      if (random.chance(0.003)) await collect(target)
    }
  }
  await Promise.all(Array.from({ length: order.lanes }, lane))
  await target.close()
  report(RECORD.closed, 0)
  process.disconnect()
}

process.once('message', (order: WriterOrder) => {
  work(order).catch((error: unknown) => {
    console.error(error)
    report(RECORD.failed, 0)
    process.exit(1)
  })
})
// What the order most likely needs: loading takes longer than anything else here.
await (process.argv[2] === 'point' ? engines.point() : engines.package())
process.send?.('warm')

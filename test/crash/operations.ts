// The registry of operations the explorer crashes in the middle of. A feature that touches files adds its own here: a
// name, how to run it on a session, and, through the session (commit, promise), what the oracle may expect of it. That
// is all: workloads of one and of two operations, and the longer ones, take it up by themselves.
import type { WriteOperation } from '../../src/engine/types.ts'
import { newestFirst } from '../support/fake/newest-first.ts'
import { LASTING_MS } from './history.ts'
import { type Session, turns } from './session.ts'

export interface CrashOperation {
  readonly name: string
  /** It closes and opens the database, so nothing else may run beside it. */
  readonly alone?: true
  /** It needs a database that compacts after every flush. */
  readonly eager?: true
  /** It needs a database with values in segments. */
  readonly separate?: true
  /** It needs a database that merges in parts, however small. */
  readonly split?: true
  run(session: Session): Promise<void>
}

const KEYS = 24

function put(session: Session, length: number): WriteOperation {
  const { random, history } = session
  const mark = `${history.last + 1}.${random.below(1000)} `
  const filler = noise(session, random.below(length) + 1)
  return { type: 'put', key: key(session), value: mark + filler }
}

/** Text that compression makes nothing of, so that a table is as large as what was put. */
function noise({ random }: Session, length: number): string {
  const bytes = Buffer.alloc(Math.ceil((length * 3) / 4))
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(256)
  return bytes.toString('base64').slice(0, length)
}

function del(session: Session): WriteOperation {
  return { type: 'del', key: key(session) }
}

function key({ random }: Session): string {
  return `key ${String(random.below(KEYS)).padStart(2, '0')}`
}

function batch(session: Session, count: number, length: number): WriteOperation[] {
  return Array.from({ length: count }, () =>
    session.random.chance(0.25) ? del(session) : put(session, length),
  )
}

/** Commits that nobody waits for one by one, some of them synced. */
function burst(session: Session, count: number, length: number): Promise<unknown> {
  const commits = Array.from({ length: count }, (_, i) =>
    session.commit(batch(session, 1 + (i % 3), length), i % 4 === 1 ? 'sync' : 'none'),
  )
  return Promise.all(commits)
}

/** A value longer than a quarter of a memtable. */
function largeValue(session: Session): WriteOperation {
  const value = `${session.history.last + 1} ${noise(session, 16_500 + session.random.below(9_000))}`
  return { type: 'put', key: key(session), value }
}

/** A commit longer than a quarter of a memtable, without a large value. */
function ownLog(session: Session): WriteOperation[] {
  return Array.from({ length: 5 }, () => ({ ...put(session, 1), value: 'L'.repeat(4_000) }))
}

/** Keys of their own, beside all others. */
async function apart(session: Session, count: number, length: number): Promise<void> {
  const prefix = `apart ${session.history.last + 1}.`
  const operations = Array.from({ length: count }, (_, i) => {
    return { type: 'put', key: prefix + i, value: noise(session, length) } as const
  })
  await session.commit(operations, 'none')
}

/** More than a memtable holds, so that the log is rotated; what that brings about goes on in the background. */
async function fill(session: Session): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const value = `${session.history.last + 1} ${noise(session, 7_900)}`
    await session.commit([{ type: 'put', key: key(session), value }], 'none')
  }
}

/** Durable commits, one after the other: from the second on they lie in zeros that were written ahead. */
async function row(session: Session, count: number, length: number): Promise<void> {
  for (let i = 0; i < count; i++) await session.commit([put(session, length)], 'sync')
}

const BRIEF_MS = 1_000

/** Puts that expire after that. */
function expiring(session: Session, count: number, ttl: number): WriteOperation[] {
  return Array.from({ length: count }, () => ({ ...put(session, 900), ttl }))
}

async function wideCompaction(session: Session): Promise<void> {
  for (let i = 0; i < 2; i++) {
    await apart(session, 6, 4_000)
    await session.commit(batch(session, 6, 3_000), 'none')
    await session.flush()
  }
  await session.compact()
}

/** Keys that are overwritten: what is garbage then, lies in segments beside what is not. */
async function wasteful(session: Session): Promise<void> {
  for (let i = 0; i < 2; i++) {
    await session.commit(batch(session, 14, 1_500), 'none')
    await session.flush()
  }
  await session.compact()
}

export const OPERATIONS: readonly CrashOperation[] = [
  { name: 'put', run: (session) => session.commit([put(session, 700)], 'none') },
  { name: 'put-sync', run: (session) => session.commit([put(session, 700)], 'sync') },
  { name: 'del', run: (session) => session.commit([del(session)]) },
  { name: 'batch', run: (session) => session.commit(batch(session, 9, 300), 'none') },
  { name: 'batch-sync', run: (session) => session.commit(batch(session, 9, 900), 'sync') },
  { name: 'burst', run: async (session) => void (await burst(session, 7, 200)) },
  {
    // Longer than a quarter of a memtable: a log of its own.
    name: 'large',
    run: (session) => session.commit(ownLog(session), 'sync'),
  },
  {
    // In a segment before it is committed.
    name: 'large-value',
    separate: true,
    run: (session) => session.commit([largeValue(session)]),
  },
  {
    // Some share a segment; what is handed over behind them waits.
    name: 'large-values',
    separate: true,
    async run(session) {
      const commits = [
        session.commit(batch(session, 2, 200), 'none'),
        session.commit([largeValue(session), ...batch(session, 3, 300), largeValue(session)]),
        session.commit([largeValue(session)], 'none'),
        session.commit(batch(session, 2, 200), 'sync'),
      ]
      await turns(2)
      commits.push(session.commit([largeValue(session)]), session.commit([del(session)], 'none'))
      await Promise.all(commits)
    },
  },
  {
    // Overwritten in the memtable: its segment goes once that is flushed.
    name: 'overwritten-value',
    separate: true,
    async run(session) {
      const { key, value } = largeValue(session)
      await session.commit([{ type: 'put', key, value: value! }])
      await session.commit([{ type: 'put', key, value: 'short' }])
      await session.flush()
    },
  },
  {
    name: 'streamed-value',
    separate: true,
    alone: true,
    async run(session) {
      const others = burst(session, 4, 900)
      const { key, value } = largeValue(session)
      await session.stream(key as string, value as string, others)
      await session.commit([del(session)])
    },
  },
  {
    // Its source fails: nothing of it is left.
    name: 'failing-stream',
    separate: true,
    async run(session) {
      const { key, value } = largeValue(session)
      let pieces = 2
      const next = async (): Promise<Buffer> => {
        await turns(1)
        if (pieces-- > 0) return Buffer.from(value as string)
        throw new Error('The source fails.')
      }
      const failed = session.engine.putStream(key as string, { next }, {})
      await Promise.allSettled([failed, session.commit(batch(session, 2, 300))])
    },
  },
  {
    // Killed while large values are under way: replayed logs point to segments.
    name: 'large-recovery',
    separate: true,
    alone: true,
    async run(session) {
      await session.commit([largeValue(session)], 'sync')
      const commits = [session.commit([largeValue(session)]), burst(session, 4, 900)]
      await turns(session.random.below(8))
      await session.kill(() => session.open())
      await Promise.all(commits)
      await session.commit([largeValue(session)])
    },
  },
  {
    // Deletes, one by one, in one commit.
    name: 'clear',
    run: (session) => session.clear(`key ${session.random.below(2)}`, 'key 2'),
  },
  { name: 'rotation', run: fill },
  {
    name: 'flush',
    async run(session) {
      await burst(session, 3, 2_000)
      await session.flush()
    },
  },
  {
    // Two tables that overlap, and their merge.
    name: 'compaction',
    async run(session) {
      await session.commit(batch(session, 12, 900), 'none')
      await session.flush()
      await session.commit(batch(session, 12, 900), 'none')
      await session.compact()
    },
  },
  {
    // A merge into several tables.
    name: 'wide-compaction',
    run: wideCompaction,
  },
  {
    // The same in parts, each with tables of its own: one edit names them all.
    name: 'split-compaction',
    split: true,
    run: wideCompaction,
  },
  {
    // A table that meets no other goes down as it is.
    name: 'move',
    async run(session) {
      await apart(session, 3, 400)
      await session.compact()
    },
  },
  {
    // So much that there is a level above the last one, into which level 0 goes and which is merged down.
    name: 'deeper',
    eager: true,
    async run(session) {
      for (let i = 0; i < 10; i++) {
        const value = `${session.history.last + 1} ${noise(session, 7_900)}`
        await session.commit([{ type: 'put', key: `key 0${i}`, value }], 'none')
      }
      await session.compact()
      await session.commit(batch(session, 9, 900), 'none')
      await session.flush()
      await session.settle()
      await session.compact()
    },
  },
  {
    // Entries that will expire, but not in a crash explorer's lifetime: in a log, in a table, and merged.
    name: 'time-to-live',
    async run(session) {
      await session.commit(expiring(session, 5, LASTING_MS), 'sync')
      await session.flush()
      await session.commit(expiring(session, 5, 2 * LASTING_MS), 'none')
      await session.compact()
    },
  },
  {
    // What has expired becomes a deletion when it is flushed, hides what is older, and goes with it.
    name: 'expiry',
    async run(session) {
      await session.commit(batch(session, 12, 900), 'none')
      await session.compact()
      await session.commit(expiring(session, 8, BRIEF_MS), 'sync')
      session.pass(BRIEF_MS)
      await session.flush()
      await session.compact()
    },
  },
  {
    // Two tables: all of the one expires, so it goes unread.
    name: 'expired-table',
    async run(session) {
      const prefix = `brief ${session.history.last + 1}.`
      const operations = Array.from({ length: 3 }, (_, i) => {
        return { type: 'put', key: prefix + i, value: 'b'.repeat(400), ttl: BRIEF_MS } as const
      })
      await session.commit(operations, 'none')
      await session.flush()
      session.pass(BRIEF_MS)
      await apart(session, 3, 400)
      await session.flush()
      await session.settle()
    },
  },
  {
    // Two memtables are flushed at once, and the tables of the newer one are there first.
    name: 'side-by-side',
    alone: true,
    async run(session) {
      await session.close()
      await session.open(newestFirst)
      await fill(session)
      await fill(session)
      await session.flush()
    },
  },
  {
    // Some of its values go to segments, and are there before the tables that point to them.
    name: 'separating-flush',
    separate: true,
    async run(session) {
      await burst(session, 6, 1_800)
      await session.flush()
    },
  },
  {
    // Pointers are merged; segments that nothing points to any more go with the tables.
    name: 'separated-compaction',
    separate: true,
    run: wasteful,
  },
  {
    // What still counts is copied, and tables are put in the place of tables.
    name: 'collection',
    separate: true,
    async run(session) {
      await wasteful(session)
      await session.collectGarbage()
    },
  },
  {
    // Beside flushes and merges, and commits.
    name: 'busy-collection',
    separate: true,
    async run(session) {
      await wasteful(session)
      const collection = session.collectGarbage()
      await burst(session, 5, 1_200)
      await session.flush()
      await Promise.all([collection, session.compact()])
    },
  },
  {
    // Killed while values are copied.
    name: 'killed-collection',
    alone: true,
    separate: true,
    async run(session) {
      await wasteful(session)
      const collection = session.collectGarbage().catch(() => undefined)
      await turns(session.random.below(5))
      await session.kill(() => session.open())
      await collection
    },
  },
  { name: 'durable-row', run: (session) => row(session, 4, 1_400) },
  {
    // Commits that are not durable lie in the zeros, too; then one that wants a log of its own ends this one, and
    // the zeros behind them are cut off.
    name: 'filled-rotation',
    async run(session) {
      await row(session, 3, 300)
      await session.commit(batch(session, 3, 300), 'none')
      await session.commit(ownLog(session), 'none')
      await row(session, 2, 300)
    },
  },
  {
    // Killed with zeros behind the last frame.
    name: 'filled-recovery',
    alone: true,
    async run(session) {
      await row(session, 3, 900)
      const commits = burst(session, 5, 900)
      await turns(session.random.below(4))
      await session.kill(() => session.open())
      await commits
    },
  },
  {
    // Tables that meet no other, and some that do, go to the last level.
    name: 'flatten',
    eager: true,
    async run(session) {
      await apart(session, 3, 4_000)
      await session.flush()
      await session.commit(batch(session, 9, 900), 'none')
      await session.flatten()
    },
  },
  { name: 'settle', run: (session) => session.settle() },
  {
    name: 'reopen',
    alone: true,
    async run(session) {
      await session.close()
      await session.open()
    },
  },
  {
    // Closing finds a rotation, its flush and commits under way.
    name: 'busy-close',
    alone: true,
    async run(session) {
      const filling = fill(session)
      const commits = burst(session, 5, 3_000)
      await filling
      await session.close()
      await commits
      await session.open()
    },
  },
  {
    // Killed with commits under way.
    name: 'recovery',
    alone: true,
    async run(session) {
      await fill(session)
      const commits = burst(session, 9, 3_000)
      await turns(session.random.below(6))
      await session.kill(() => session.open())
      await commits
    },
  },
  {
    name: 'repair',
    alone: true,
    async run(session) {
      await session.close()
      await session.repair()
      await session.open()
    },
  },
  {
    // Of what a kill left: logs become tables.
    name: 'repair-killed',
    alone: true,
    async run(session) {
      await fill(session)
      const commits = burst(session, 9, 2_000)
      await turns(session.random.below(6))
      await session.kill(async () => {
        await session.repair()
        await session.open()
      })
      await commits
    },
  },
  {
    name: 'read-only',
    alone: true,
    async run(session) {
      await session.close()
      const { last } = session.history
      await session.look({ least: last, most: last })
      await session.open()
    },
  },
]

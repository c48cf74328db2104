import { expect, it } from 'vitest'
import { SettError } from '../../../src/base/errors.ts'
import { filterShape } from '../../../src/format/sstable-filter.ts'
import type { FileSystem, OpenFile } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import type { VerifyResult } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import {
  compactWorkspaceBytes,
  flushWorkspaceBytes,
  verifyWorkspaceBytes,
} from '../../../src/jobs/workspace.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'
import {
  Bench,
  compareEntries,
  DIRECTORY,
  type KernelKind,
  type PlainEntry,
  randomEntries,
  SHAPE,
  seeded,
} from '../sstable/support.ts'
import { JobBench, keepModel } from './support.ts'

const MIB = 1024 * 1024

function plain(entries: readonly PlainEntry[]): string[] {
  return entries.map(
    ({ key, version, value }) =>
      `${key.toString('latin1').slice(0, 50)} @${version} ${value?.length ?? 'gone'} ${value?.[0] ?? ''}`,
  )
}

function strip(entries: readonly PlainEntry[]): PlainEntry[] {
  return entries.map(({ key, version, value }) => ({ key, version, value }))
}

function someEntries(seed: number, keys = 150): PlainEntry[] {
  const random = seeded(seed)
  const entries = randomEntries(random, {
    keys,
    keyBytes: () => 1 + Math.floor(random() * 8),
    valueBytes: () => (random() < 0.02 ? 3000 : Math.floor(random() * 120)),
    versions: () => 1 + Math.floor(random() ** 2 * 10),
  })
  // Versions of all keys mixed, as commits come.
  const versions = entries.map(({ version }) => version)
  for (let i = versions.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const swap = versions[i] as number
    versions[i] = versions[j] as number
    versions[j] = swap
  }
  return strip(
    entries.map((entry, i) => ({ ...entry, version: versions[i] as number })).sort(compareEntries),
  )
}

it.each<[KernelKind, number]>([
  ['twin', 1],
  ['wasm', 1],
  ['wasm', 2],
])('a flush keeps what snapshots need, tombstones included (%s, seed %i)', (kind, seed) => {
  const jobs = new JobBench(new Bench(32 * MIB, kind))
  const entries = someEntries(seed)
  const versions = entries.map(({ version }) => version).sort((a, b) => a - b)
  const at = (share: number) => versions[Math.floor(share * (versions.length - 1))] as number
  const memtable = jobs.memtable(entries)
  for (const snapshots of [[at(1)], [at(0.2), at(0.5), at(1)], [at(0)], [at(0.6)]]) {
    jobs.reports.length = 0
    const result = jobs.flush(memtable, snapshots)
    const wanted = keepModel(entries, snapshots, false)
    expect(plain(jobs.read(result.tables))).toEqual(plain(wanted))
    expect(result.entriesIn).toBe(entries.length)
    expect(result.entriesOut).toBe(wanted.length)
    const kept = new Set(wanted.map(({ version }) => version))
    const dropped = versions.filter((version) => !kept.has(version))
    expect(result.entriesDropped).toBe(dropped.length)
    expect(result.droppedVersion).toBe(dropped.at(-1) ?? 0)
    expect(result.tables.every(({ newestWal }) => newestWal === 3)).toBe(true)
    expect(jobs.reports.filter(({ kind }) => kind === 'table').length).toBe(result.tables.length)
  }
})

it.each<[KernelKind, number]>([
  ['twin', 3],
  ['wasm', 3],
  ['wasm', 4],
  ['wasm', 5],
])('a compaction equals the model, with snapshots and tombstones (%s, seed %i)', (kind, seed) => {
  const random = seeded(seed)
  const bench = new Bench(48 * MIB, kind)
  const jobs = new JobBench(bench)
  const entries = someEntries(seed, 250)
  const versions = entries.map(({ version }) => version).sort((a, b) => a - b)
  const at = (share: number) => versions[Math.floor(share * (versions.length - 1))] as number
  // The older half as one level of several tables, the rest as three level-0 tables, newest first.
  const cuts = [at(0.5), at(0.7), at(0.85), at(1)]
  const runs = cuts.map((cut, i) =>
    entries.filter(
      ({ version }) => version <= cut && (i === 0 || version > (cuts[i - 1] as number)),
    ),
  )
  const loose = { ...SHAPE, compression: 'none' } as const
  const written = runs.map((run, i) =>
    bench.write(run, i === 0 ? loose : { ...SHAPE, tableSize: MIB }, 10_000 * (i + 1)),
  )
  expect(written[0]?.length).toBeGreaterThan(1)
  const sources = written.toReversed()
  for (const dropTombstones of [false, true]) {
    const snapshots = [at(random() * 0.3), at(0.4 + random() * 0.3), at(1)]
    for (const some of [snapshots, snapshots.slice(2), snapshots.slice(0, 1)]) {
      const result = jobs.compact(sources, { snapshots: some, dropTombstones })
      const wanted = keepModel(entries, some, dropTombstones)
      expect(plain(jobs.read(result.tables))).toEqual(plain(wanted))
      expect(result.entriesIn).toBe(entries.length)
      expect(result.entriesDropped).toBe(entries.length - wanted.length)
      for (let i = 1; i < result.tables.length; i++) {
        const [a, b] = [result.tables[i - 1] as TableMeta, result.tables[i] as TableMeta]
        expect(Buffer.compare(a.largestKey, b.smallestKey)).toBeLessThan(0)
      }
      const verified = runJob(
        {
          kind: 'verify',
          directory: DIRECTORY,
          tables: result.tables,
          workspace: bench.take(verifyWorkspaceBytes(result.tables)),
        },
        jobs.context,
      ) as VerifyResult
      expect(verified.entries).toBe(wanted.length)
      expect(verified.bytesRead).toBeGreaterThan(0)
    }
  }
})

it('carries values far larger than a block, a span and a table through flush and compaction', () => {
  const jobs = new JobBench(new Bench(96 * MIB))
  const sizes = [10, 3 * MIB, 500, 262_200, 70_000, 2 * MIB, 0, 600]
  const older = sizes.map((size, i) => ({
    key: Buffer.from(`key-${i}`),
    version: i + 1,
    value: Buffer.alloc(size, i),
  }))
  const newer = sizes.map((size, i) => ({
    key: Buffer.from(`key-${i}`),
    version: i + 101,
    value: i % 3 === 0 ? undefined : Buffer.alloc(size, 100 + i),
  }))
  const low = jobs.flush(jobs.memtable(older), [1000])
  const high = jobs.flush(jobs.memtable(newer), [1000])
  expect(low.tables.length).toBeGreaterThan(2)
  const both = [high.tables, low.tables].flatMap((tables) => tables.map((table) => [table]))
  const kept = jobs.compact(both, { snapshots: [50, 1000], dropTombstones: true })
  const all = [...older, ...newer].sort(compareEntries)
  expect(plain(jobs.read(kept.tables))).toEqual(plain(keepModel(all, [50, 1000], true)))
  const last = jobs.compact([kept.tables], { snapshots: [1000], dropTombstones: true })
  const wanted = keepModel(all, [1000], true)
  expect(plain(jobs.read(last.tables))).toEqual(plain(wanted))
  expect(last.tables.every(({ baseVersion }) => baseVersion > 0)).toBe(true)
})

it('leaves nothing open when it is cancelled, refused by the disk, or fed a damaged table', () => {
  const memory = memoryFileSystem()
  let writesLeft = Number.POSITIVE_INFINITY
  let open = 0
  const full: FileSystem = {
    ...memory,
    inMemory: true,
    openSync: (path, mode) => {
      const file = memory.openSync(path, mode)
      open += 1
      return new Proxy(file, {
        get(target, name) {
          if (name === 'closeSync') {
            return () => {
              open -= 1
              target.closeSync()
            }
          }
          if (name === 'writeSync') {
            return (...given: Parameters<OpenFile['writeSync']>) => {
              writesLeft -= 1
              if (writesLeft < 0) {
                throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
              }
              target.writeSync(...given)
            }
          }
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    },
  }
  const jobs = new JobBench(new Bench(32 * MIB, 'wasm', full))
  const entries = someEntries(9)
  const memtable = jobs.memtable(entries)
  const tables = jobs.flush(memtable, [1]).tables
  const compact = () => jobs.compact([tables], { snapshots: [1], dropTombstones: false })
  const before = memory.listSync(DIRECTORY).toSorted()
  // What it wrote goes with the numbers it was given: whether the directory is still ours is not the job's to know.
  const requireClosed = () => {
    expect(open).toBe(0)
    expect(memory.listSync(DIRECTORY).toSorted()).toEqual(before)
  }
  jobs.cancelled = true
  expect(compact).toThrow(SettError)
  requireClosed()
  jobs.cancelled = false
  for (let writes = 0; writes < 12; writes++) {
    writesLeft = writes
    expect(compact).toThrow(/no space/)
    requireClosed()
  }
  expect(jobs.left.length).toBeGreaterThan(10)
  writesLeft = Number.POSITIVE_INFINITY
  expect(() =>
    jobs.compact([[{ ...(tables[0] as TableMeta), salt: '0000000000000000' }]], {
      snapshots: [1],
      dropTombstones: false,
    }),
  ).toThrow(/damaged/)
  requireClosed()
  expect(compact().entriesOut).toBe(entries.length)
})

it('asks for modest scratch memory', () => {
  const filter = filterShape(0.01)
  const shape = { blockSize: 4096, tableSize: 64 * MIB, filter, compression: 'lz4' as const }
  expect(flushWorkspaceBytes(shape, 1000)).toBeLessThan(18 * MIB)
  expect(compactWorkspaceBytes(shape, 7, 4112)).toBeLessThan(20 * MIB)
  expect(flushWorkspaceBytes(SHAPE, 1000)).toBeLessThan(2.5 * MIB)
  expect(compactWorkspaceBytes(SHAPE, 3, 528)).toBeLessThan(3.5 * MIB)
})

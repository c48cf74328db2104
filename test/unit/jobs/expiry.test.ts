// What expired for all who could see it leaves flush and compaction as a deletion of its key, or not at all where a
// deletion may go; what the manifest says of expiry is what the entries say.
import { expect, it } from 'vitest'
import { tablePath } from '../../../src/io/file-names.ts'
import type { VerifyResult } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { verifyWorkspaceBytes } from '../../../src/jobs/workspace.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'
import { takeApart, withOtherStep } from '../../corrupt/fuzz/forged-table.ts'
import {
  Bench,
  compareEntries,
  DIRECTORY,
  type KernelKind,
  type PlainEntry,
  SHAPE,
  seeded,
} from '../sstable/support.ts'
import { JobBench, keepModel } from './support.ts'

const MIB = 1024 * 1024
const LATEST = 1_000

function someEntries(random: () => number, count: number): PlainEntry[] {
  return Array.from({ length: count }, (_, i) => {
    const key = Buffer.from(`key ${Math.floor(random() ** 2 * 60)}`)
    const kind = random()
    if (kind < 0.15) return { key, version: i + 1, value: undefined }
    // Some are large enough to have a block of their own.
    const value = Buffer.alloc(random() < 0.03 ? 3_000 : Math.floor(random() * 90), i)
    const expiresAt = 1 + Math.floor(random() * LATEST)
    return { key, version: i + 1, value, ...(kind < 0.7 ? { expiresAt } : {}) }
  })
}

function readers(random: () => number, versions: number) {
  const given = Array.from({ length: 1 + Math.floor(random() * 4) }, () => 1 + random() * versions)
  const snapshots = [...new Set([...given.map(Math.floor), versions])].sort((a, b) => a - b)
  const horizons = snapshots.map(() => Math.floor(random() * 1.2 * LATEST)).sort((a, b) => a - b)
  return { snapshots, horizons }
}

/** As a table's properties have it. */
function expiryOf(entries: readonly PlainEntry[]): readonly [number, number] {
  const times = entries.map(({ expiresAt }) => expiresAt ?? 0)
  const some = times.filter((time) => time > 0)
  const earliest = some.length === 0 ? 0 : Math.min(...some)
  return [earliest, times.includes(0) ? 0 : Math.max(...times)]
}

/** Each step holds the entries that expire by its end and not by that of the one before; together all that do. */
function checkSteps({ expiring = [] }: TableMeta, entries: readonly PlainEntry[]): void {
  const lasting = entries.filter(({ expiresAt }) => expiresAt !== undefined)
  let from = 0
  for (const { until, ...step } of expiring) {
    const own = lasting.filter(({ expiresAt }) => expiresAt! > from && expiresAt! <= until)
    const bytes = own.reduce((sum, { key, value }) => sum + key.length + value!.length + 8, 0)
    expect(step).toEqual({ entries: own.length, bytes, referred: 0 })
    expect(own.some(({ expiresAt }) => expiresAt === until)).toBe(true)
    from = until
  }
  expect(lasting.every(({ expiresAt }) => expiresAt! <= from)).toBe(true)
}

function verify(jobs: JobBench, table: TableMeta): VerifyResult {
  const workspace = jobs.bench.take(verifyWorkspaceBytes([table]))
  const spec = { kind: 'verify', directory: DIRECTORY, tables: [table], workspace } as const
  return runJob(spec, jobs.context) as VerifyResult
}

function check(jobs: JobBench, tables: readonly TableMeta[], wanted: readonly PlainEntry[]): void {
  expect(jobs.read(tables)).toEqual(wanted)
  for (const table of tables) {
    const { earliestExpiry, latestExpiry } = table
    expect([earliestExpiry, latestExpiry]).toEqual(expiryOf(jobs.read([table])))
    checkSteps(table, jobs.read([table]))
  }
}

it.each<[KernelKind, number]>([
  ['twin', 1],
  ['wasm', 1],
  ['wasm', 2],
  ['wasm', 3],
])('flush and compaction of what expires equal the model (%s, seed %i)', (kind, seed) => {
  const random = seeded(seed)
  const jobs = new JobBench(new Bench(48 * MIB, kind))
  const entries = someEntries(random, 400)
  const older = entries.filter(({ version }) => version <= 200).sort(compareEntries)
  const newer = entries.filter(({ version }) => version > 200).sort(compareEntries)
  const sources = [newer, older].map((run, i) => jobs.bench.write(run, SHAPE, 10_000 * (i + 1)))
  let deletions = 0
  for (let round = 0; round < 4; round++) {
    const { snapshots, horizons } = readers(random, entries.length)
    const flushed = jobs.flush(jobs.memtable(entries), { snapshots, horizons })
    const kept = keepModel(entries, snapshots, false, horizons)
    check(jobs, flushed.tables, kept)
    expect(flushed.entriesIn).toBe(flushed.entriesOut + flushed.entriesDropped)
    deletions += kept.filter(({ value }) => value === undefined).length
    for (const dropTombstones of [false, true]) {
      const plan = { snapshots, horizons, dropTombstones }
      const { tables, ...result } = jobs.compact(sources, plan)
      const wanted = keepModel(entries, snapshots, dropTombstones, horizons)
      check(jobs, tables, wanted)
      expect(result.entriesOut).toBe(wanted.length)
      expect(result.entriesDropped).toBe(entries.length - wanted.length)
      const same = new Set(wanted.map(({ version, value }) => `${version} ${value?.length}`))
      const changed = entries.filter(
        ({ version, value }) => !same.has(`${version} ${value?.length}`),
      )
      const highest = changed.reduce((most, { version }) => Math.max(most, version), 0)
      expect(result.droppedVersion).toBe(highest)
    }
  }
  expect(deletions).toBeGreaterThan(20)
})

it('nothing expires without horizons, and none of what is newer than all snapshots', () => {
  const jobs = new JobBench(new Bench(16 * MIB))
  const entries = someEntries(seeded(9), 100)
  const memtable = jobs.memtable(entries)
  const all = keepModel(entries, [100], false)
  check(jobs, jobs.flush(memtable, [100]).tables, all)
  const late = { snapshots: [50], horizons: [2 * LATEST] }
  const { tables } = jobs.flush(memtable, late)
  check(jobs, tables, keepModel(entries, [50], false, [2 * LATEST]))
  const newer = jobs.read(tables).filter(({ version }) => version > 50)
  expect(newer.some(({ expiresAt }) => expiresAt !== undefined)).toBe(true)
})

it('each of several tables tells of its own entries', () => {
  const jobs = new JobBench(new Bench(32 * MIB))
  const entries = someEntries(seeded(6), 400)
  const small = { ...SHAPE, tableSize: 1_500 }
  const snapshots = [80, 160, 240, 320, 400]
  const { tables } = jobs.flush(jobs.memtable(entries), snapshots, small)
  expect(tables.length).toBeGreaterThan(1)
  check(jobs, tables, keepModel(entries, snapshots, false))
})

it('a manifest that says otherwise of expiry is told by opening and by verifying', () => {
  const jobs = new JobBench(new Bench(16 * MIB))
  const entries = someEntries(seeded(4), 60).filter(({ expiresAt }) => expiresAt !== undefined)
  const { tables } = jobs.flush(jobs.memtable(entries), [60])
  const table = tables[0]!
  expect(table.latestExpiry).toBeGreaterThan(table.earliestExpiry)
  expect(verify(jobs, table).problems).toEqual([])
  for (const fact of ['earliestExpiry', 'latestExpiry'] as const) {
    const { problems } = verify(jobs, { ...table, [fact]: table[fact] + 1 })
    expect(problems[0]?.expected).toMatch(fact)
  }
  const [first, ...others] = table.expiring!
  expect(others.length).toBeGreaterThan(3)
  for (const field of ['until', 'entries', 'bytes', 'referred'] as const) {
    const expiring = [{ ...first!, [field]: first![field] + 1 }, ...others]
    expect(verify(jobs, { ...table, expiring }).problems[0]?.expected).toMatch(/steps of expiry/)
  }
  const { expiring: _, ...silent } = table
  expect(verify(jobs, silent).problems[0]?.expected).toMatch(/steps of expiry/)
})

it('a table that says otherwise of itself, too, is told by its entries', () => {
  const jobs = new JobBench(new Bench(16 * MIB))
  const entries = someEntries(seeded(4), 60)
  const { tables } = jobs.flush(jobs.memtable(entries), [60])
  const { fs } = jobs.bench
  const path = tablePath(DIRECTORY, tables[0]!.number)
  const written = Buffer.alloc(tables[0]!.size)
  const file = fs.openSync(path, 'read')
  file.readSync(written, 0)
  file.closeSync()
  const base = takeApart(tables[0]!, written)
  for (const field of ['entries', 'bytes', 'referred'] as const) {
    const { bytes, meta } = withOtherStep(base, field)
    fs.removeSync(path)
    const forged = fs.openSync(path, 'create')
    forged.writeSync(bytes, 0)
    forged.closeSync()
    expect(verify(jobs, meta).problems[0]?.expected).toMatch(/entries that expire/)
  }
})

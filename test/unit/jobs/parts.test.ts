// A compaction done in parts: together they write what one job writes, and their counts add up.
import { describe, expect, it } from 'vitest'
import { boundsBetween, cutKeys, sourcesWithin } from '../../../src/compaction/split.ts'
import { joinParts, type PartResult } from '../../../src/engine/compaction/join-parts.ts'
import type { SampleResult } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { sampleWorkspaceBytes } from '../../../src/jobs/workspace.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'
import {
  Bench,
  compareEntries,
  DIRECTORY,
  type PlainEntry,
  randomEntries,
  SHAPE,
  seeded,
} from '../sstable/support.ts'
import { JobBench } from './support.ts'

const MIB = 1024 * 1024
const SPAN = { fromMs: 1, toMs: 3 }

function labels(entries: readonly PlainEntry[]): string[] {
  return entries.map(({ key, version, value }) => `${key} @${version} ${value?.length ?? 'gone'}`)
}

interface Rig {
  readonly jobs: JobBench
  readonly sources: readonly (readonly TableMeta[])[]
  readonly entries: number
  readonly versions: readonly number[]
}

/** Three sources, newest first, of random entries with many versions and some large values. */
function rig(seed: number): Rig {
  const random = seeded(seed)
  const all = randomEntries(random, {
    keys: 200,
    keyBytes: () => 1 + Math.floor(random() * 6),
    valueBytes: () => (random() < 0.03 ? 4000 : Math.floor(random() * 100)),
    versions: () => 1 + Math.floor(random() ** 3 * 40),
  })
  const mixed = all.map(({ version }) => version).sort(() => random() - 0.5)
  const entries = all.map((entry, i) => ({ ...entry, version: mixed[i]! })).sort(compareEntries)
  const versions = mixed.toSorted((a, b) => a - b)
  const at = (share: number): number => versions[Math.floor(share * (versions.length - 1))]!
  const runs = [at(0.5), at(0.8), at(1)].map((cut, i, cuts) =>
    entries.filter(({ version }) => version <= cut && (i === 0 || version > cuts[i - 1]!)),
  )
  const bench = new Bench(64 * MIB)
  const jobs = new JobBench(bench)
  const written = runs.map((run, i) =>
    bench.write(run, i === 0 ? SHAPE : { ...SHAPE, tableSize: MIB }, 100_000 * (i + 1)),
  )
  return { jobs, sources: written.toReversed(), entries: entries.length, versions }
}

function sample({ jobs, sources }: Rig, keysPerTable: number): SampleResult {
  const workspace = jobs.bench.take(sampleWorkspaceBytes())
  const tables = sources.flat()
  const spec = { kind: 'sample', directory: DIRECTORY, tables, keysPerTable, workspace } as const
  const result = runJob(spec, jobs.context) as SampleResult
  jobs.bench.allocator.free(workspace)
  return result
}

describe('a compaction in parts', () => {
  it.each([1, 2, 3])('equals one in one piece (seed %i)', (seed) => {
    const given = rig(seed)
    const { jobs, sources, versions, entries } = given
    for (const dropTombstones of [false, true]) {
      const rest = { snapshots: [versions[40]!, versions.at(-1)!], dropTombstones }
      const whole = jobs.compact(sources, rest)
      const wanted = labels(jobs.read(whole.tables))
      for (const count of [2, 3, 7]) {
        const parts = boundsBetween(cutKeys(sample(given, 64).keys, count))
        expect(parts.length).toBe(count)
        const done = parts.map((bounds): PartResult => {
          const some = sourcesWithin(sources, bounds)
          expect(some.flat().length).toBeGreaterThan(0)
          return { bounds, ...SPAN, result: jobs.compact(some, { ...rest, bounds }) }
        })
        const joined = joinParts(done, entries)
        expect(labels(jobs.read(joined.tables))).toEqual(wanted)
        const { tables: _, bytesRead, bytesWritten, parts: told, ...counts } = joined
        expect(told).toEqual(
          done.map(({ result }) => {
            return { ...SPAN, bytesRead: result.bytesRead, bytesWritten: result.bytesWritten }
          }),
        )
        expect(whole).toMatchObject(counts)
        expect(bytesRead).toBeGreaterThan(0)
        expect(bytesWritten).toBeGreaterThan(whole.bytesWritten * 0.9)
      }
    }
  })

  it('may have a part without an entry', () => {
    const { jobs, sources } = rig(4)
    const key = Buffer.from(sources[0]![0]!.smallestKey)
    const bounds = {
      lower: { key: Buffer.concat([key, Buffer.from([0])]), inclusive: true },
      upper: { key: Buffer.concat([key, Buffer.from([0, 0])]), inclusive: false },
    }
    const result = jobs.compact(sources, { snapshots: [1], dropTombstones: false, bounds })
    expect(result).toMatchObject({ tables: [], entriesIn: 0, entriesOut: 0, bytesWritten: 0 })
  })

  it('is sampled by key and weight', () => {
    const given = rig(5)
    const { keys } = sample(given, 1e9)
    const whole = sample(given, 1).keys
    expect(whole.length).toBe(given.sources.flat().length)
    const bytes = (some: SampleResult['keys']): number =>
      some.reduce((sum, key) => sum + key.bytes, 0)
    expect(bytes(keys)).toBe(bytes(whole))
    expect(keys.length).toBeGreaterThan(4 * whole.length)
  })
})

describe('results that do not fit together', () => {
  const parts = (): { done: PartResult[]; entries: number } => {
    const given = rig(6)
    const cuts = cutKeys(sample(given, 64).keys, 2)
    const rest = { snapshots: [given.versions.at(-1)!], dropTombstones: true }
    const done = boundsBetween(cuts).map((bounds) => {
      const some = sourcesWithin(given.sources, bounds)
      return { bounds, ...SPAN, result: given.jobs.compact(some, { ...rest, bounds }) }
    })
    return { done, entries: given.entries }
  }

  it('are refused: an entry twice, an entry lost, a part missing, a table in the wrong part', () => {
    const { done, entries } = parts()
    const [first, second] = [done[0]!, done[1]!]
    expect(joinParts(done, entries).entriesIn).toBe(entries)
    const shown = expect.objectContaining({ code: 'SETT_INTERNAL' })
    const refused = (some: readonly PartResult[], count = entries): void => {
      expect(() => joinParts(some, count)).toThrow(shown)
    }
    refused(done, entries + 1)
    refused(done, entries - 1)
    refused([first])
    refused([
      { ...first, result: second.result },
      { ...second, result: first.result },
    ])
  })
})

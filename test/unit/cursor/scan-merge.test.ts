import { describe, expect, it } from 'vitest'
import type { Bounds } from '../../../src/cursor/bounds.ts'
import { inBounds, isEmptyRange, mayOverlap } from '../../../src/cursor/bounds.ts'
import type { RunSource } from '../../../src/cursor/run-source.ts'
import { ScanMerge, SLAB_BYTES_MIN, scanScratchBytes } from '../../../src/cursor/scan-merge.ts'
import { DESC_SIZE } from '../../../src/kernel/layout.ts'
import { MEMTABLE_SOURCE_BYTES, MemtableSource } from '../../../src/memtable/memtable-source.ts'
import { JobBench } from '../jobs/support.ts'
import {
  Bench,
  compareEntries,
  type KernelKind,
  type PlainEntry,
  randomEntries,
  SHAPE,
  seeded,
} from '../sstable/support.ts'

const MIB = 1024 * 1024

interface Ask {
  readonly bounds: Bounds
  readonly reverse: boolean
  readonly version: number
}

function scanModel(
  entries: readonly PlainEntry[],
  { bounds, reverse, version }: Ask,
): PlainEntry[] {
  const found = new Map<string, PlainEntry>()
  for (const entry of [...entries].sort(compareEntries)) {
    const key = entry.key.toString('latin1')
    if (entry.version <= version && inBounds(entry.key, bounds) && !found.has(key)) {
      found.set(key, entry)
    }
  }
  const kept = [...found.values()].filter(({ value }) => value !== undefined)
  return reverse ? kept.reverse() : kept
}

function show(entries: readonly PlainEntry[]): string[] {
  return entries.map(
    ({ key, version, value }) =>
      `${key.toString('latin1').slice(0, 40)}@${version}:${value?.length}:${value?.[0]}`,
  )
}

describe.each<KernelKind>(['twin', 'wasm'])('scans over memtables and levels (%s)', (kind) => {
  it.each([1, 2])(
    'equal the model for random ranges, versions and directions (seed %i)',
    (seed) => {
      const random = seeded(seed)
      const bench = new Bench(64 * MIB, kind)
      const jobs = new JobBench(bench)
      const entries = randomEntries(random, {
        keys: 300,
        keyBytes: () => 1 + Math.floor(random() * 6),
        valueBytes: () => (random() < 0.02 ? 90_000 : Math.floor(random() * 100)),
        versions: () => 1 + Math.floor(random() ** 3 * 20),
      }).map(({ key, version, value }) => ({ key, version, value }))
      const parts: PlainEntry[][] = [[], [], [], []]
      for (const entry of entries) parts[Math.floor(random() * 4)]?.push(entry)
      const memtables = [parts[0] ?? [], parts[1] ?? []].map((part) => jobs.memtable(part))
      const levels = [parts[2] ?? [], parts[3] ?? []].map((part, i) =>
        bench.write(part, SHAPE, 1 + 1000 * i),
      )
      const cache = bench.cache(16)
      const open = bench.open(cache)
      const slab = SLAB_BYTES_MIN
      const scratch = bench.take(scanScratchBytes(4, 50, slab))
      const bound = () => {
        const some = entries[Math.floor(random() * entries.length)] as PlainEntry
        const key =
          random() < 0.5 ? some.key : Buffer.concat([some.key, Buffer.from([random() * 256])])
        return { key, inclusive: random() < 0.5 }
      }
      for (let i = 0; i < 40; i++) {
        const bounds: Bounds = {
          ...(random() < 0.7 ? { lower: bound() } : {}),
          ...(random() < 0.7 ? { upper: bound() } : {}),
        }
        const reverse = random() < 0.5
        const version = random() < 0.5 ? 2 ** 40 : 1000 + Math.floor(random() * 20_000)
        const near = reverse ? bounds.upper : bounds.lower
        const start = near === undefined ? {} : { start: near.key }
        const memories = memtables.map(() => bench.take(MEMTABLE_SOURCE_BYTES))
        const sources: RunSource[] = memtables.map(
          (memtable, m) =>
            new MemtableSource(bench, memories[m]!, {
              arena: memtable.arena.address,
              reverse,
              ...start,
            }),
        )
        for (const level of levels) {
          const { source, memory } = bench.source(level, open, {
            cache,
            reverse,
            inlineMax: slab / 4,
            ...start,
          })
          sources.push(source)
          memories.push(memory)
        }
        const merge = new ScanMerge(bench, scratch, {
          sources,
          lazy: bench.lazy,
          bounds,
          reverse,
          readVersion: version,
          now: 1,
          keysOnly: false,
          pageCapacity: 50,
        })
        const found: PlainEntry[] = []
        const limit = 1 + Math.floor(random() * 60)
        for (let count = merge.next(limit); count > 0; count = merge.next(limit)) {
          expect(count).toBeLessThanOrEqual(Math.min(50, limit))
          for (let e = 0; e < count; e++) found.push(bench.entryAt(merge.page + e * DESC_SIZE))
        }
        expect(merge.done).toBe(true)
        merge.close()
        merge.close()
        for (const memory of memories) bench.allocator.free(memory)
        expect(show(found), `scan ${i}`).toEqual(
          show(scanModel(entries, { bounds, reverse, version })),
        )
      }
      open.closeAll()
      expect(cache.stats.bytes).toBe(0)
    },
  )
})

it('bounds tell what lies in a range', () => {
  const key = (text: string) => Buffer.from(text)
  const bounds: Bounds = {
    lower: { key: key('b'), inclusive: false },
    upper: { key: key('d'), inclusive: true },
  }
  expect(['a', 'b', 'ba', 'c', 'd', 'da'].filter((text) => inBounds(key(text), bounds))).toEqual([
    'ba',
    'c',
    'd',
  ])
  expect(mayOverlap(key('a'), key('b'), bounds)).toBe(false)
  expect(mayOverlap(key('a'), key('c'), bounds)).toBe(true)
  expect(mayOverlap(key('d'), key('e'), bounds)).toBe(true)
  expect(mayOverlap(key('da'), key('e'), bounds)).toBe(false)
  expect(isEmptyRange(bounds)).toBe(false)
  expect(
    isEmptyRange({
      lower: { key: key('d'), inclusive: false },
      upper: { key: key('d'), inclusive: true },
    }),
  ).toBe(true)
  expect(isEmptyRange({})).toBe(false)
})

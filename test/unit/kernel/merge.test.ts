// mergeScan against an obvious model (sort, filter) and twin against kernel call by call, with buffers so small
// that refills and full outputs happen all the time.
import { describe, expect, it } from 'vitest'
import { DESC_IN_PLACE, DESC_LAZY, KIND_DELETE } from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { mergeTwin } from '../../twins/merge.ts'
import {
  compareEntries,
  isTombstone,
  randomEntry,
  Seeded,
  show,
  type TestEntry,
} from './block-support.ts'
import { type Bound, LAZY_META, type MergeCase, MergeRun } from './merge-driver.ts'

const twin = mergeTwin
const wasm = wasmKernels
const CASES = 300

function inside(key: Buffer, one: MergeCase): boolean {
  const { lower, upper } = one
  const above = lower === undefined ? 1 : Buffer.compare(key, lower.key)
  const below = upper === undefined ? 1 : Buffer.compare(upper.key, key)
  return (
    (above > 0 || (above === 0 && lower?.inclusive === true)) &&
    (below > 0 || (below === 0 && upper?.inclusive === true))
  )
}

/** What a scan must deliver. */
function model(one: MergeCase): TestEntry[] {
  const newest = new Map<string, TestEntry>()
  for (const entry of one.sources.flat().sort(compareEntries)) {
    if (entry.version > one.readVersion || !inside(entry.key, one)) continue
    const key = entry.key.toString('hex')
    if (!newest.has(key)) newest.set(key, entry)
  }
  const shown = [...newest.values()].filter(
    (entry) => !isTombstone(entry) && !(entry.expiresAt > 0 && entry.expiresAt <= one.now),
  )
  shown.sort((a, b) => (one.reverse ? compareEntries(b, a) : compareEntries(a, b)))
  return one.keysOnly ? shown.map((entry) => ({ ...entry, value: Buffer.alloc(0) })) : shown
}

function randomKey(random: Seeded, style: number): Buffer {
  if (style === 0) return Buffer.from(`user:${String(random.int(0, 40)).padStart(11, '0')}`)
  if (style === 1) return random.bytes(random.int(1, 20))
  // Zero bytes make keys whose padded prefixes are equal.
  return Buffer.alloc(random.int(1, 12), random.int(0, 1))
}

function randomSources(random: Seeded, reverse: boolean): TestEntry[][] {
  const style = random.int(0, 2)
  const keys = Array.from({ length: random.int(1, 30) }, () => randomKey(random, style))
  const count = random.chance(0.1) ? random.int(20, 64) : random.int(1, 5)
  const sources: TestEntry[][] = Array.from({ length: count }, () => [])
  const total = random.int(0, 120)
  for (let version = 1; version <= total; version++) {
    const entry = randomEntry(random, random.pick(keys), version)
    const lazy = random.chance(0.05) && !isTombstone(entry)
    const tagged = lazy ? { ...entry, tag: entry.tag | 0x10, meta: LAZY_META } : entry
    random.pick(sources).push(tagged.meta === LAZY_META && !lazy ? entry : tagged)
  }
  for (const source of sources) {
    source.sort((a, b) => (reverse ? compareEntries(b, a) : compareEntries(a, b)))
  }
  return sources
}

function randomBound(random: Seeded, sources: readonly TestEntry[][]): Bound | undefined {
  if (random.chance(0.5)) return undefined
  const all = sources.flat()
  const near = all.length > 0 && random.chance(0.8)
  const key = near ? random.pick(all).key : random.bytes(random.int(1, 10))
  return { key, inclusive: random.chance(0.5) }
}

function randomCase(random: Seeded): MergeCase {
  const reverse = random.chance(0.5)
  const sources = randomSources(random, reverse)
  return {
    sources,
    reverse,
    readVersion: random.chance(0.4) ? random.int(0, 120) : 2 ** 53 - 1,
    now: random.int(0, 2_000),
    lower: randomBound(random, sources),
    upper: randomBound(random, sources),
    keysOnly: random.chance(0.2),
    outCapacity: random.int(1, 8),
    slabCapacity: random.int(20, 200),
    refillMax: random.int(1, 9),
    takeAtRefill: random.chance(0.5),
    snapshots: [1],
    dropTombstones: false,
  }
}

function check(seed: number, one: MergeCase): { refills: number; fulls: number } {
  const expected = show(model(one))
  const slow = new MergeRun(one, new Seeded(seed)).run([twin], 'mergeScan')
  expect(show(slow.entries), `twin, seed ${seed}`).toEqual(expected)
  const fast = new MergeRun(one, new Seeded(seed)).run([wasm], 'mergeScan')
  expect(show(fast.entries), `kernel, seed ${seed}`).toEqual(expected)
  expect(fast.trace, `calls, seed ${seed}`).toEqual(slow.trace)
  expect(fast.flags, `flags, seed ${seed}`).toEqual(slow.flags)
  const turns = new MergeRun(one, new Seeded(seed)).run([wasm, twin], 'mergeScan')
  expect(turns.trace, `taking turns, seed ${seed}`).toEqual(slow.trace)
  expect(show(turns.entries), `taking turns, seed ${seed}`).toEqual(expected)
  return fast
}

describe('mergeScan', () => {
  it(`delivers the newest visible puts, in both directions (${CASES} seeds)`, () => {
    let refills = 0
    let fulls = 0
    for (let seed = 1; seed <= CASES; seed++) {
      const outcome = check(seed, randomCase(new Seeded(seed)))
      refills += outcome.refills
      fulls += outcome.fulls
    }
    expect(refills).toBeGreaterThan(CASES * 5)
    expect(fulls).toBeGreaterThan(CASES)
  })

  it('merges keys of 65,535 bytes', () => {
    for (const reverse of [false, true]) {
      const random = new Seeded(77)
      const long = Buffer.alloc(65_535, 7)
      const keys = [long, long.subarray(0, 65_534), Buffer.from(long).fill(9, 65_534)]
      const entries = keys.flatMap((key, i) => [
        randomEntry(random, key, 10 + i),
        randomEntry(random, key, 20 + i),
      ])
      const order = (list: TestEntry[]) =>
        list.sort((a, b) => (reverse ? compareEntries(b, a) : compareEntries(a, b)))
      check(77, {
        ...randomCase(random),
        sources: [order(entries.slice(0, 3)), order(entries.slice(3))],
        reverse,
        readVersion: 100,
        lower: undefined,
        upper: { key: keys[2]!, inclusive: true },
        slabCapacity: 128 * 1024 + 64,
        outCapacity: 2,
        refillMax: 1,
      })
    }
  })

  it('leaves large values in place, lazy ones alone, and copies the rest', () => {
    const make = (name: string, length: number, meta: number): TestEntry => ({
      key: Buffer.from(name),
      value: Buffer.alloc(length, name),
      version: 5,
      tag: meta > 0 ? 0x11 : 1,
      meta,
      expiresAt: 0,
    })
    const source = [make('a', 100, 0), make('b', 25, 0), make('c', 26, 0), make('d', 3, LAZY_META)]
    const one: MergeCase = {
      ...randomCase(new Seeded(5)),
      sources: [source],
      reverse: false,
      readVersion: 5,
      now: 0,
      lower: undefined,
      upper: undefined,
      keysOnly: false,
      slabCapacity: 100,
      outCapacity: 4,
    }
    check(5, one)
    const { flags } = new MergeRun(one, new Seeded(5)).run([wasm], 'mergeScan')
    expect(flags).toEqual([DESC_IN_PLACE, 0, DESC_IN_PLACE, DESC_LAZY])
  })
})

describe('mergeCompact', () => {
  function kept(versions: readonly TestEntry[], one: MergeCase): TestEntry[] {
    const highest = one.snapshots.at(-1)!
    const needed = versions.filter((entry) => {
      if (entry.version > highest) return true
      return one.snapshots.some((snapshot) => {
        const seen = versions.filter((other) => other.version <= snapshot)
        return Math.max(...seen.map((other) => other.version)) === entry.version
      })
    })
    const lowest = one.snapshots[0]!
    return needed
      .map((entry) => (hasExpired(entry, one) ? deletionOf(entry) : entry))
      .filter((entry) => !(one.dropTombstones && isTombstone(entry) && entry.version <= lowest))
  }

  /** Some snapshot is at or above it, and of those none has a horizon before its expiry. */
  function hasExpired(entry: TestEntry, { snapshots, horizons }: MergeCase): boolean {
    if (isTombstone(entry) || entry.expiresAt === 0 || horizons === undefined) return false
    const seeing = horizons.filter((_, i) => snapshots[i]! >= entry.version)
    return seeing.length > 0 && seeing.every((horizon) => horizon >= entry.expiresAt)
  }

  function deletionOf({ key, version }: TestEntry): TestEntry {
    return { key, version, value: Buffer.alloc(0), tag: KIND_DELETE, meta: 0, expiresAt: 0 }
  }

  function compactModel(one: MergeCase): TestEntry[] {
    const all = one.sources.flat().sort(compareEntries)
    const keys = new Set(all.map((entry) => entry.key.toString('hex')))
    return [...keys].flatMap((key) =>
      kept(
        all.filter((entry) => entry.key.toString('hex') === key),
        one,
      ),
    )
  }

  it(`keeps what some snapshot sees or is newer than all; what expired is deleted (${CASES} seeds)`, () => {
    let deletions = 0
    for (let seed = 1; seed <= CASES; seed++) {
      const random = new Seeded(seed + 10_000)
      const given = Array.from({ length: random.int(1, 6) }, () => random.int(0, 120))
      const snapshots = [...new Set(given)].sort((a, b) => a - b)
      const horizons = snapshots.map(() => random.int(0, 2_000)).sort((a, b) => a - b)
      const one: MergeCase = {
        ...randomCase(random),
        sources: randomSources(random, false),
        reverse: false,
        snapshots,
        ...(random.chance(0.8) ? { horizons } : {}),
        dropTombstones: random.chance(0.5),
      }
      const expected = compactModel(one)
      const all = one.sources.flat()
      const versions = new Set(expected.map((entry) => entry.version))
      const gone = all.filter((entry) => !versions.has(entry.version))
      const changed = all.filter((entry) => !expected.includes(entry))
      deletions += changed.length - gone.length
      const slow = new MergeRun(one, new Seeded(seed)).run([twin], 'mergeCompact')
      const fast = new MergeRun(one, new Seeded(seed)).run([wasm], 'mergeCompact')
      const turns = new MergeRun(one, new Seeded(seed)).run([twin, wasm], 'mergeCompact')
      for (const outcome of [slow, fast, turns]) {
        expect(show(outcome.entries), `seed ${seed}`).toEqual(show(expected))
        expect(outcome.dropped).toBe(gone.length)
        expect(outcome.droppedVersion).toBe(Math.max(0, ...changed.map((entry) => entry.version)))
        expect(outcome.trace, `calls, seed ${seed}`).toEqual(slow.trace)
        expect(outcome.flags).toEqual(slow.flags)
      }
    }
    expect(deletions).toBeGreaterThan(CASES / 2)
  })
})

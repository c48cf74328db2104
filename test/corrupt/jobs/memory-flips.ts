// Flips bits in the memory of a flush or compaction while it runs. What was sealed under a checksum is read back before
// it counts, so a flip there is always caught; a key or value that changes before that has no second copy to differ
// from, and is counted as what it is.
import { SettError } from '../../../src/base/errors.ts'
import { loadU32 } from '../../../src/cursor/words.ts'
import type { FileSystem, OpenFile } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import type { TablesResult } from '../../../src/jobs/job.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import {
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_SIZE,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
} from '../../../src/kernel/layout.ts'
import { type Prng, prng } from '../../model/prng.ts'
import { wrappedFile } from '../../support/wrapped-file.ts'
import { JobBench, keepModel } from '../../unit/jobs/support.ts'
import { Bench, DIRECTORY, type PlainEntry, SHAPE } from '../../unit/sstable/support.ts'

export type Where = 'what is written' | 'what a block is built from'
export type FlipOutcome = 'caught' | 'no effect' | 'silent'

export interface FlipCounts {
  caught: number
  'no effect': number
  silent: number
}

const MIB = 1024 * 1024
const NOTHING: Pick<TablesResult, 'tables'> = { tables: [] }
const ENTRIES = 120
/** Numbers of the inputs: above those of any job. */
const INPUTS = 900_000_000

function madeEntries(random: Prng, from: number): PlainEntry[] {
  return Array.from({ length: ENTRIES }, (_, i) => ({
    key: Buffer.from(`key ${String(i).padStart(4, '0')}`),
    version: from + i,
    value: random.chance(0.1) ? undefined : Buffer.alloc(10 + random.below(60), random.below(256)),
  }))
}

/** Counts the calls of one kind, and has one of them meet a flipped bit. */
class Trigger {
  calls = 0
  #nth = 0
  #flip: (first: number, length: number) => void = () => undefined

  arm(nth: number, flip: (first: number, length: number) => void = () => undefined): void {
    this.calls = 0
    this.#nth = nth
    this.#flip = flip
  }

  call(first: number, length: number): void {
    this.calls += 1
    if (this.calls === this.#nth) this.#flip(first, length)
  }
}

/** Files whose writes may write other bytes than they were given. */
function flippingFiles(writes: Trigger, flip: (source: Uint8Array) => Uint8Array): FileSystem {
  const inner = memoryFileSystem()
  const watched = (file: OpenFile): OpenFile =>
    wrappedFile(file, {
      writeSync: (source, position, from = 0, to = source.length) => {
        const bytes = source.subarray(from, to)
        writes.call(0, bytes.length)
        file.writeSync(flip(bytes), position)
      },
    })
  return {
    ...inner,
    openSync: (path, mode) => {
      const file = inner.openSync(path, mode)
      return mode === 'create' ? watched(file) : file
    },
  }
}

/** A bench whose jobs run on memory that rots where it is asked to. */
class RottingBench {
  readonly writes = new Trigger()
  readonly builds = new Trigger()
  readonly bench: Bench
  readonly #random: Prng
  /** To be flipped in the next write. */
  #inWrite: { readonly at: number; readonly mask: number } | undefined
  /** Heap bytes flipped, to be flipped back. */
  #flipped: { readonly at: number; readonly mask: number } | undefined

  constructor(random: Prng) {
    this.#random = random
    const fs = flippingFiles(this.writes, (source) => this.#written(source))
    this.bench = new Bench(32 * MIB, 'wasm', fs)
    const { kernels } = this.bench
    const builderAppend: Kernels['builderAppend'] = (builder, descriptors, count) => {
      this.builds.call(descriptors, count)
      return kernels.builderAppend(builder, descriptors, count)
    }
    Object.assign(this.bench, { kernels: { ...kernels, builderAppend } })
  }

  /** The nth write of the next job writes one other bit. */
  flipWrite(nth: number): void {
    this.writes.arm(nth, (_, length) => {
      this.#inWrite = { at: this.#random.below(length), mask: 1 << this.#random.below(8) }
    })
  }

  /** One entry of the nth batch of the next job changes before it goes into a block. */
  flipEntry(nth: number): void {
    this.builds.arm(nth, (descriptors, count) => {
      const { u32, bytes } = this.bench.heap
      const entry = descriptors + DESC_SIZE * this.#random.below(count)
      const ofKey = this.#random.chance(0.5)
      const length = loadU32(u32, entry + (ofKey ? DESC_KEY_LENGTH : DESC_VALUE_LENGTH))
      if (length === 0) return
      const at = loadU32(u32, entry + (ofKey ? DESC_KEY : DESC_VALUE)) + this.#random.below(length)
      this.#flipped = { at, mask: 1 << this.#random.below(8) }
      bytes[at]! ^= this.#flipped.mask
    })
  }

  heal(): void {
    this.writes.arm(0)
    this.builds.arm(0)
    if (this.#flipped !== undefined) this.bench.heap.bytes[this.#flipped.at]! ^= this.#flipped.mask
    this.#flipped = undefined
  }

  #written(source: Uint8Array): Uint8Array {
    if (this.#inWrite === undefined) return source
    const other = Buffer.from(source)
    other[this.#inWrite.at]! ^= this.#inWrite.mask
    this.#inWrite = undefined
    return other
  }
}

/** Runs as many jobs, alternately a flush and a compaction, each with one flipped bit. */
export function flipMemory(seed: number, count: number, where: Where): FlipCounts {
  const random = prng(seed, 29)
  const rotting = new RottingBench(random)
  const { bench } = rotting
  const jobs = new JobBench(bench)
  const older = madeEntries(random, 1)
  const newer = madeEntries(random, 1_000)
  const sources = [bench.write(newer, SHAPE, INPUTS), bench.write(older, SHAPE, INPUTS + 100)]
  const memtable = jobs.memtable(newer)
  const snapshots = [5_000]
  const wanted = {
    flush: keepModel(newer, snapshots, false),
    compact: keepModel([...newer, ...older], snapshots, true),
  }
  const run = (kind: 'flush' | 'compact'): TablesResult =>
    kind === 'flush'
      ? jobs.flush(memtable, snapshots)
      : jobs.compact(sources, { snapshots, dropTombstones: true })
  const inputs = bench.fs.listSync(DIRECTORY)
  const counts: FlipCounts = { caught: 0, 'no effect': 0, silent: 0 }
  const trigger = where === 'what is written' ? rotting.writes : rotting.builds
  for (let i = 0; i < count; i++) {
    const kind = i % 2 === 0 ? 'flush' : 'compact'
    trigger.arm(0)
    removeOutputs(bench, inputs, run(kind))
    const nth = 1 + random.below(trigger.calls)
    if (where === 'what is written') rotting.flipWrite(nth)
    else rotting.flipEntry(nth)
    const outcome = outcomeOf(jobs, () => run(kind), wanted[kind])
    rotting.heal()
    counts[outcome] += 1
    removeOutputs(bench, inputs, outcome === 'caught' ? NOTHING : undefined)
  }
  return counts
}

function outcomeOf(
  jobs: JobBench,
  run: () => TablesResult,
  wanted: readonly PlainEntry[],
): FlipOutcome {
  let result: TablesResult
  try {
    result = run()
  } catch (error) {
    if (error instanceof SettError) return 'caught'
    throw error
  }
  const found = jobs.read(result.tables)
  const same =
    found.length === wanted.length &&
    found.every(({ key, version, value }, i) => {
      const entry = wanted[i]!
      const values = value ?? Buffer.alloc(0)
      return (
        key.equals(entry.key) &&
        version === entry.version &&
        (value === undefined) === (entry.value === undefined) &&
        values.equals(entry.value ?? Buffer.alloc(0))
      )
    })
  return same ? 'no effect' : 'silent'
}

/** Throws when there are other outputs than those of the result. */
function removeOutputs(
  bench: Bench,
  inputs: readonly string[],
  result?: Pick<TablesResult, 'tables'>,
): void {
  const left = bench.fs.listSync(DIRECTORY).filter((name) => !inputs.includes(name))
  if (result !== undefined && left.length !== result.tables.length) throw new Error(`left: ${left}`)
  for (const name of left) bench.fs.removeSync(`${DIRECTORY}/${name}`)
}

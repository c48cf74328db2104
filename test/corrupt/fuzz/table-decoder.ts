// Whole tables with parts nobody would write and checksums that are right: opened, looked up, scanned page by page in
// both directions, verified, compacted, salvaged. All memory they work in has guards around it.
import { systemClock } from '../../../src/base/clock.ts'
import { CorruptionError } from '../../../src/base/errors.ts'
import { VERSION_MAX } from '../../../src/base/limits.ts'
import { resolveOptions } from '../../../src/base/options.ts'
import type { KernelHeap } from '../../../src/cursor/words.ts'
import { PointRead } from '../../../src/engine/point-read.ts'
import { RangeReads } from '../../../src/engine/range-read.ts'
import { type ReadView, ReadViews } from '../../../src/engine/read-view.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import { tablePath } from '../../../src/io/file-names.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import type { JobContext, JobResult, JobSpec } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import {
  compactWorkspaceBytes,
  salvageWorkspaceBytes,
  verifyWorkspaceBytes,
} from '../../../src/jobs/workspace.ts'
import { BlockCache } from '../../../src/sstable/block-cache.ts'
import { OpenTables } from '../../../src/sstable/open-tables.ts'
import { prng } from '../../model/prng.ts'
import { separatedValues } from '../../support/separated-values.ts'
import { pointerTwin } from '../../twins/segment.ts'
import {
  Bench,
  DIRECTORY,
  type PlainEntry,
  randomEntries,
  SHAPE,
} from '../../unit/sstable/support.ts'
import { imageFileSystem } from '../damage/image-file-system.ts'
import { type Decoder, demand } from './decoder.ts'
import { type BaseTable, forge, takeApart } from './forged-table.ts'
import { GuardedAllocator } from './guarded-allocator.ts'
import { pick } from './mutation.ts'

const MIB = 1024 * 1024
const HEAP_BYTES = 12 * MIB
const TABLES = 6
/** No table of these sizes can hold more. */
const ENTRIES_MOST = 10_000
const options = resolveOptions({ workers: 0, blockSize: SHAPE.blockSize, scanPageSize: 16 })

function makeTables(): BaseTable[] {
  const random = prng(1, 1)
  const next = (): number => random.u32() / 2 ** 32
  const bench = new Bench(HEAP_BYTES)
  return Array.from({ length: TABLES }, (_, i) => {
    const entries = randomEntries(next, {
      keys: 4 + 12 * i,
      keyBytes: () => 1 + random.below(20),
      valueBytes: () => (random.chance(0.04) ? 600 + random.below(900) : random.below(50)),
      versions: () => 1 + random.below(3),
    })
    const compression = i % 2 === 0 ? 'none' : 'lz4'
    // Of one table in three, some values lie in segments.
    const stored =
      i % 3 === 1 ? entries.map((entry, j) => (j % 4 === 0 ? pointed(entry, j) : entry)) : entries
    const [meta] = bench.write(stored, { ...SHAPE, compression, tableSize: MIB }, i + 1)
    if (meta === undefined) throw new Error('a table was written')
    const file = bench.fs.openSync(tablePath(DIRECTORY, meta.number), 'read')
    const bytes = Buffer.alloc(file.sizeSync())
    file.readSync(bytes, 0)
    return takeApart(meta, bytes)
  })
}

function pointed(entry: PlainEntry, i: number): PlainEntry {
  const { key, version } = entry
  if (entry.value === undefined) return entry
  const place = { offset: 64 + 200 * i, valueLength: 150, storedLength: 184 }
  return { key, version, value: pointerTwin(100 + (i % 3), place), pointer: true }
}

class TableRig {
  readonly #files = new Map<string, Buffer>()
  readonly #machine: KernelHeap
  readonly #allocator: GuardedAllocator
  readonly #tables: OpenTables
  readonly #points: PointRead
  readonly #ranges: RangeReads
  #views = new ReadViews(viewOf([]))

  constructor() {
    const { heap, kernels } = new Bench(HEAP_BYTES)
    this.#machine = { heap, kernels }
    this.#allocator = new GuardedAllocator(heap)
    const cache = new BlockCache(this.#machine, this.#allocator.allocate(65_536)!, SHAPE.blockSize)
    const fs = imageFileSystem(this.#files)
    this.#tables = new OpenTables(this.#machine, {
      fs,
      directory: DIRECTORY,
      allocator: this.#allocator,
      capacityBytes: MIB,
      cache,
    })
    const allocator = this.#allocator
    const parts = { ...this.#machine, allocator, clock: systemClock, tables: this.#tables, cache }
    this.#points = new PointRead(parts)
    const values = separatedValues(parts, { fs, directory: DIRECTORY })
    this.#ranges = new RangeReads({ ...parts, options, views: () => this.#views, values })
  }

  place(meta: TableMeta, bytes: Buffer): void {
    this.#files.clear()
    this.#files.set(tablePath(DIRECTORY, meta.number), bytes)
    this.#views = new ReadViews(viewOf([meta]))
  }

  /** Closes the table; nothing may be left of it, and no guard broken. */
  clear(meta: TableMeta): void {
    this.#ranges.invalidate()
    this.#tables.close(meta.number)
    demand(this.#tables.bytes === 0, 'a closed table gives its memory back')
    this.#allocator.check()
  }

  /** Entries that a scan gave; without `values`, those in segments too, which are not there. */
  scan(reverse: boolean, values: boolean): number {
    const reader = this.#ranges.open(
      {
        keys: true,
        values,
        keyForm: 'buffer',
        valueForm: 'buffer',
        version: VERSION_MAX,
        reverse,
      },
      0,
    )
    let count = 0
    for (let page = reader.next(64); page.length > 0; page = reader.next(64)) {
      count += page.length
      demand(count <= ENTRIES_MOST, 'a scan ends')
    }
    return count
  }

  get(key: Uint8Array): void {
    this.#points.find(this.#views.current, key, VERSION_MAX, true)
    const { valueAddress, valueLength } = this.#points
    demand(valueAddress + valueLength <= this.#machine.heap.byteLength, 'a value in the heap')
  }

  job(
    bytes: Buffer,
    meta: TableMeta,
    workspaceBytes: number,
    spec: (w: Region) => JobSpec,
  ): JobResult {
    const fs = memoryFileSystem()
    fs.makeDirectorySync(DIRECTORY)
    const file = fs.openSync(tablePath(DIRECTORY, meta.number), 'create')
    file.writeSync(bytes, 0)
    file.closeSync()
    const workspace = this.#allocator.allocate(workspaceBytes, 64)
    if (workspace === undefined) throw new Error(`no ${workspaceBytes} bytes for a job`)
    const context: JobContext = {
      fs,
      ...this.#machine,
      randomFill: (target) => void target.fill(7),
      report: () => undefined,
      cancelled: () => false,
    }
    try {
      return runJob(spec(workspace), context)
    } finally {
      this.#allocator.free(workspace)
    }
  }
}

type Region = Parameters<GuardedAllocator['free']>[0]

function viewOf(tables: readonly TableMeta[]): ReadView {
  return { memtables: [], levels: [tables], fences: [undefined] }
}

/** True: it was refused as damage is. */
function refused(work: () => void): boolean {
  try {
    work()
    return false
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error
    return true
  }
}

export function tableDecoder(): Decoder {
  const bases = makeTables()
  const rig = new TableRig()
  return {
    name: 'table (reads, jobs)',
    share: 1,
    run(random) {
      const { bytes, meta } = forge(pick(random, bases), random)
      rig.place(meta, bytes)
      const numbers = { first: 1_000, count: 100 }
      const common = { directory: DIRECTORY, shape: SHAPE, numbers }
      let damaged = false
      try {
        const values = meta.segments === undefined
        for (const reverse of [false, true]) {
          if (refused(() => rig.scan(reverse, values))) damaged = true
        }
        for (const key of [meta.smallestKey, meta.largestKey, Buffer.of(98)]) {
          if (refused(() => rig.get(key))) damaged = true
        }
      } finally {
        rig.clear(meta)
      }
      const verified = rig.job(bytes, meta, verifyWorkspaceBytes([meta]), (workspace) => {
        return { kind: 'verify', directory: DIRECTORY, tables: [meta], workspace }
      })
      demand(verified.kind === 'verify', 'a verification')
      demand(!damaged || verified.problems.length > 0, 'what cannot be read is told by verify')
      const forCompaction = compactWorkspaceBytes(SHAPE, 1, meta.largestBlock)
      const compacted = refused(() => {
        rig.job(bytes, meta, forCompaction, (workspace) => ({
          kind: 'compact',
          ...common,
          sources: [[meta]],
          outputLevel: 1,
          workspace,
          snapshots: [VERSION_MAX],
          dropTombstones: false,
        }))
      })
      const sound = verified.problems.length === 0
      demand(!sound || !compacted, 'what verify takes can be compacted')
      rig.job(bytes, meta, salvageWorkspaceBytes(SHAPE, bytes.length), (workspace) => {
        return { kind: 'salvage', ...common, file: meta.number, meta, segments: [], workspace }
      })
      return sound
    },
  }
}

// Range reads on the main thread: a page at a time, each filled whole before control goes back. A reader pins nothing
// between pages but its place; the cursors over the current view are kept for the reader that used them last,
// until the view changes or another reader comes.
import { SettError } from '../base/errors.ts'
import { MIB } from '../base/limits.ts'
import type { ResolvedOptions } from '../base/options.ts'
import type { Bound, Bounds } from '../cursor/bounds.ts'
import { isEmptyRange, mayOverlap } from '../cursor/bounds.ts'
import { LazyValues } from '../cursor/lazy-values.ts'
import type { RunSource, SpareMemory } from '../cursor/run-source.ts'
import { ScanMerge, scanScratchBytes } from '../cursor/scan-merge.ts'
import { Scratch } from '../cursor/scratch.ts'
import type { KernelHeap } from '../cursor/words.ts'
import type { TableMeta } from '../manifest/levels.ts'
import type { HeapAllocator } from '../memory/heap-allocator.ts'
import type { Region } from '../memory/shared-heap.ts'
import { MEMTABLE_SOURCE_BYTES, MemtableSource } from '../memtable/memtable-source.ts'
import type { BlockCache } from '../sstable/block-cache.ts'
import type { OpenTables } from '../sstable/open-tables.ts'
import { TableSource, tableSourceBytes } from '../sstable/table-source.ts'
import { readError } from './disk/failures.ts'
import { PageCopy } from './page-copy.ts'
import type { ReadView, ReadViews } from './read-view.ts'
import type { Data, RangeOptions, RangeReader } from './types.ts'
import type { SeparatedValues } from './value-log/separated-values.ts'

/** Keys and values of a page; values above a quarter of it are copied one by one. */
const SLAB_BYTES = 512 * 1024
const INLINE_MAX = SLAB_BYTES / 4
const SPAN_BYTES = 256 * 1024

/** Values that are read one by one, or from segments, end a page when there are so many bytes of them: what a caller
 * gets at once stays bounded, whatever it asks for. */
const LARGE_BYTES: number = 2 * MIB

type Pair = [key: Data | undefined, value: Data | undefined]

export interface RangeReadParts extends KernelHeap {
  readonly allocator: HeapAllocator
  readonly tables: OpenTables
  readonly cache: BlockCache
  readonly options: ResolvedOptions
  readonly views: () => ReadViews
  readonly values: SeparatedValues
}

/** A merge over one view, and whom it serves. */
interface OpenMerge {
  readonly owner: object
  readonly merge: ScanMerge
  readonly lazy: LazyValues
  /** What the owner has not taken of the merge's last page. */
  page: PageCopy | undefined
}

export class RangeReads {
  readonly #parts: RangeReadParts
  #workspace: Region | undefined
  #open: OpenMerge | undefined
  #closed = false
  readonly #spare: SpareMemory

  constructor(parts: RangeReadParts) {
    this.#parts = parts
    this.#spare = spareMemory(parts.allocator)
  }

  /** The merge's next page. */
  pageOf({ merge, lazy }: OpenMerge, count: number): PageCopy {
    return new PageCopy(this.#parts, { page: merge.page, count, lazy })
  }

  /** What expires by `now` is hidden, on later pages too. */
  open(options: RangeOptions, now: number): RangeReader {
    return new Reader(this, options, now)
  }

  /** The heap is about to be given back. */
  close(): void {
    this.invalidate()
    this.#closed = true
  }

  /** The view changed: cursors of the old one end. */
  invalidate(): void {
    this.#open?.merge.close()
    this.#open = undefined
  }

  /** The owner's merge, if it is still the one open. */
  current(owner: object): OpenMerge | undefined {
    return this.#open?.owner === owner ? this.#open : undefined
  }

  /** Opens a merge for the owner over the newest view. */
  begin(owner: object, range: RangeOptions, bounds: Bounds, now: number): OpenMerge {
    if (this.#closed) {
      const what = 'The database was closed while it was being read. Open it again to read on.'
      throw new SettError('LEVEL_DATABASE_NOT_OPEN', what)
    }
    this.invalidate()
    const { options, views } = this.#parts
    const view = views().current
    const runs = overlapping(view, bounds)
    const scratch = this.#reserve(view, runs)
    const lazy = new LazyValues()
    const reverse = range.reverse === true
    const start = (reverse ? bounds.upper : bounds.lower)?.key
    const merge = new ScanMerge(this.#parts, scratch.rest, {
      sources: this.#sources(view, runs, scratch.sources, { reverse, start, lazy }),
      lazy,
      bounds,
      reverse,
      readVersion: range.version,
      now,
      keysOnly: !range.values,
      pageCapacity: options.scanPageSize,
    })
    this.#open = { owner, merge, lazy, page: undefined }
    return this.#open
  }

  /** Splits the workspace, grown if need be, between sources and merge. */
  #reserve(view: ReadView, runs: readonly Run[]): { sources: Scratch; rest: Region } {
    const { options, allocator } = this.#parts
    const sourceBytes =
      view.memtables.length * (MEMTABLE_SOURCE_BYTES + 64) +
      runs.reduce(
        (sum, { largestBlock }) => sum + tableSourceBytes(largestBlock, SPAN_BYTES) + 64,
        0,
      )
    const count = view.memtables.length + runs.length
    const needed = 64 + sourceBytes + scanScratchBytes(count, options.scanPageSize, SLAB_BYTES)
    if (this.#workspace === undefined || this.#workspace.length < needed) {
      if (this.#workspace !== undefined) allocator.free(this.#workspace)
      this.#workspace = allocator.allocate(needed, 64)
      if (this.#workspace === undefined) {
        throw new SettError(
          'SETT_OUT_OF_MEMORY',
          `A scan needs ${needed} bytes of the heap. Raise memoryBudget, or wait for compaction.`,
        )
      }
    }
    const { address, length } = this.#workspace
    const rest = { address: address + sourceBytes, length: length - sourceBytes }
    return { sources: new Scratch({ address, length: sourceBytes }), rest }
  }

  #sources(
    view: ReadView,
    runs: readonly Run[],
    memory: Scratch,
    scan: { reverse: boolean; start: Uint8Array | undefined; lazy: LazyValues },
  ): RunSource[] {
    const { tables, cache } = this.#parts
    const { reverse, lazy } = scan
    const start = scan.start === undefined ? {} : { start: scan.start }
    const sources: RunSource[] = []
    for (const { arena, entries } of view.memtables) {
      if (entries === 0) continue
      const region = memory.region(MEMTABLE_SOURCE_BYTES, 64)
      sources.push(
        new MemtableSource(this.#parts, region, { arena: arena.address, reverse, ...start }),
      )
    }
    for (const run of runs) {
      const region = memory.region(tableSourceBytes(run.largestBlock, SPAN_BYTES), 64)
      sources.push(
        new TableSource(this.#parts, region, {
          tables: run.tables,
          opener: tables,
          cache,
          lazy,
          spare: this.#spare,
          reverse,
          inlineMax: INLINE_MAX,
          ...start,
        }),
      )
    }
    return sources
  }
}

/** Tables read one after the other: one of level 0, or all of a deeper level. */
interface Run {
  readonly tables: readonly TableMeta[]
  readonly largestBlock: number
}

function overlapping(view: ReadView, bounds: Bounds): Run[] {
  const runs: Run[] = []
  view.levels.forEach((level, depth) => {
    const tables = level.filter((table) => mayOverlap(table.smallestKey, table.largestKey, bounds))
    if (tables.length === 0) return
    if (depth === 0) for (const table of tables) runs.push(runOf([table]))
    else runs.push(runOf(tables))
  })
  return runs
}

function runOf(tables: readonly TableMeta[]): Run {
  return { tables, largestBlock: tables.reduce((max, t) => Math.max(max, t.largestBlock), 0) }
}

class Reader implements RangeReader {
  readonly #reads: RangeReads
  readonly #range: RangeOptions
  readonly #bounds: Bounds
  readonly #now: number
  /** Where the next page begins; undefined: at the near bound. */
  #place: Bound | undefined
  #ended = false

  constructor(reads: RangeReads, range: RangeOptions, now: number) {
    this.#reads = reads
    this.#range = range
    this.#bounds = boundsOf(range)
    this.#now = now
    this.#ended = isEmptyRange(this.#bounds)
  }

  next(limit: number): Pair[] {
    const pairs: Pair[] = []
    const place = this.#place
    let room = LARGE_BYTES
    try {
      while (pairs.length < limit && room > 0 && !this.#ended) {
        room = this.#page(limit - pairs.length, pairs, room)
      }
    } catch (error) {
      // The caller gets none of these pairs, and the cursors may stand anywhere: asked again, it begins here again.
      this.#reads.invalidate()
      this.#place = place
      throw readError(error)
    }
    return pairs
  }

  seek(key: Data): void {
    const target = Buffer.from(key as string)
    const near = this.#range.reverse === true ? this.#bounds.upper : this.#bounds.lower
    if (this.#reads.current(this) !== undefined) this.#reads.invalidate()
    this.#ended = isEmptyRange(this.#bounds)
    const order = near === undefined ? 0 : Buffer.compare(target, near.key)
    const outside = this.#range.reverse === true ? order >= 0 : order <= 0
    this.#place = near !== undefined && outside ? near : { key: target, inclusive: true }
  }

  /** Adds up to `limit` entries, as far as there is `room` for their values; returns what is left of it. */
  #page(limit: number, pairs: Pair[], room: number): number {
    const open =
      this.#reads.current(this) ??
      this.#reads.begin(this, this.#range, this.#remaining(), this.#now)
    if (open.page === undefined) {
      const count = open.merge.next(limit)
      if (count === 0) {
        this.#ended = true
        this.#reads.invalidate()
        return 0
      }
      open.page = this.#reads.pageOf(open, count)
    }
    const { page } = open
    const before = pairs.length
    const large = page.appendTo(pairs, this.#range, { limit, room })
    if (pairs.length > before) this.#place = { key: page.lastKey(), inclusive: false }
    if (!page.ended) return 0
    open.page = undefined
    return room - large
  }

  #remaining(): Bounds {
    if (this.#place === undefined) return this.#bounds
    const side = this.#range.reverse === true ? 'upper' : 'lower'
    return { ...this.#bounds, [side]: this.#place }
  }
}

function boundsOf({ gt, gte, lt, lte }: RangeOptions): Bounds {
  const bound = (key: Data, inclusive: boolean): Bound => ({
    key: Buffer.from(key as string),
    inclusive,
  })
  const lower =
    gte !== undefined ? bound(gte, true) : gt !== undefined ? bound(gt, false) : undefined
  const upper =
    lte !== undefined ? bound(lte, true) : lt !== undefined ? bound(lt, false) : undefined
  return { ...(lower === undefined ? {} : { lower }), ...(upper === undefined ? {} : { upper }) }
}

function spareMemory(allocator: HeapAllocator): SpareMemory {
  const lent = new Map<number, Region>()
  return {
    borrow(bytes) {
      const region = allocator.allocate(bytes, 64)
      if (region === undefined) return 0
      lent.set(region.address, region)
      return region.address
    },
    giveBack(address) {
      const region = lent.get(address)
      if (region === undefined) return
      lent.delete(address)
      allocator.free(region)
    },
  }
}

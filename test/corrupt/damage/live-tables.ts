// The read path of an open database over files that rot under it: thousands of flipped bits a second, since only the
// damaged table, or the segments, are opened anew for each.

import { systemClock } from '../../../src/base/clock.ts'
import { resolveOptions } from '../../../src/base/options.ts'
import type { KernelHeap } from '../../../src/cursor/words.ts'
import { LevelFences } from '../../../src/engine/level-fences.ts'
import { FOUND, PointRead } from '../../../src/engine/point-read.ts'
import { RangeReads } from '../../../src/engine/range-read.ts'
import { ReadViews } from '../../../src/engine/read-view.ts'
import type {
  Data,
  DataForm,
  RangeOptions,
  RangeReader,
  ReadPoint,
} from '../../../src/engine/types.ts'
import { SeparatedValues } from '../../../src/engine/value-log/separated-values.ts'
import { takeData } from '../../../src/engine/values.ts'
import { segmentPath, tablePath } from '../../../src/io/file-names.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import type { Levels } from '../../../src/manifest/levels.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import { HeapAllocator } from '../../../src/memory/heap-allocator.ts'
import { HeapPool } from '../../../src/memory/heap-pool.ts'
import { BlockCache } from '../../../src/sstable/block-cache.ts'
import { OpenTables } from '../../../src/sstable/open-tables.ts'
import { OpenSegments } from '../../../src/value-log/open-segments.ts'
import type { WantedValue } from '../../../src/value-log/value-walk.ts'
import type { Content } from '../../crash/history.ts'
import { OPTIONS } from '../damaged-directories.ts'
import { DIRECTORY } from '../image.ts'
import { imageFileSystem } from './image-file-system.ts'
import { checkWindow, WrongAnswer } from './judge.ts'
import { type Region, regionsOf, segmentRegionsOf } from './regions.ts'
import type { Specimen } from './specimen.ts'

const MIB = 1024 * 1024
const HEAP_BYTES = 32 * MIB

/** A table, or a segment. */
export class LiveFile {
  readonly number: number
  readonly path: string
  /** What is read now. */
  readonly bytes: Buffer
  readonly regions: readonly Region[]

  constructor(number: number, path: string, bytes: Buffer, regions: readonly Region[]) {
    this.number = number
    this.path = path
    this.bytes = bytes
    this.regions = regions
  }

  regionAt(offset: number): Region {
    return this.regions.find(({ to }) => offset < to)!
  }
}

export class LiveTables {
  readonly tables: readonly LiveFile[]
  /** Those with a value that can be read. */
  readonly segments: readonly LiveFile[]
  /** Newest version the tables hold. */
  readonly version: number
  readonly #keys: readonly string[]
  readonly #content: Content
  readonly #files: Map<string, Buffer>
  readonly #machine: KernelHeap
  readonly #open: OpenTables
  readonly #views: ReadViews
  readonly #points: PointRead
  readonly #ranges: RangeReads
  readonly #values: SeparatedValues
  readonly #openSegments: OpenSegments

  constructor({ image, history, keys }: Specimen) {
    this.#files = new Map(
      [...image].map(([name, bytes]) => [`${DIRECTORY}/${name}`, Buffer.from(bytes)]),
    )
    const fs = imageFileSystem(this.#files)
    const { levels, segments } = readManifest(fs, DIRECTORY)!.state
    this.tables = levels.flat().map((meta) => {
      const path = tablePath(DIRECTORY, meta.number)
      const bytes = this.#files.get(path)!
      return new LiveFile(meta.number, path, bytes, regionsOf(bytes, meta))
    })
    this.version = Math.max(...levels.flat().map(({ largestVersion }) => largestVersion))
    this.#keys = keys
    this.#content = history.content(this.version)
    const heap = new HeapPool().acquire(HEAP_BYTES)
    this.#machine = { heap, kernels: wasmKernels(heap.memory) }
    const allocator = new HeapAllocator(heap)
    const cacheRegion = allocator.allocate(MIB, 64)!
    const cache = new BlockCache(this.#machine, cacheRegion, OPTIONS.blockSize)
    this.#open = new OpenTables(this.#machine, {
      fs,
      directory: DIRECTORY,
      allocator,
      capacityBytes: MIB,
      cache,
    })
    this.#views = viewOf(levels, new LevelFences(heap, allocator))
    const parts = { ...this.#machine, allocator, clock: systemClock, tables: this.#open, cache }
    this.#points = new PointRead(parts)
    const options = resolveOptions(OPTIONS)
    this.#openSegments = new OpenSegments({
      fs,
      directory: DIRECTORY,
      metaOf: (number) => segments.find((segment) => segment.number === number),
      filesMax: 64,
      closeOthers: () => false,
    })
    const reading = { ...parts, segments: this.#openSegments, noteReadMs: () => undefined }
    this.#values = new SeparatedValues(reading)
    const views = () => this.#views
    this.#ranges = new RangeReads({ ...parts, options, views, values: this.#values })
    this.segments = segments
      .map(({ number }) => this.#liveSegment(number))
      .filter(({ regions }) => regions.length > 0)
  }

  #liveSegment(number: number): LiveFile {
    const path = segmentPath(DIRECTORY, number)
    const bytes = this.#files.get(path)!
    const live = (key: string, offset: number): boolean => {
      const place = this.#content.has(key) ? this.placeOf(key) : undefined
      return place?.segment === number && place.offset === offset
    }
    return new LiveFile(number, path, bytes, segmentRegionsOf(bytes, this.#keys, live))
  }

  /** Where a key says its value lies; undefined: in its table. */
  placeOf(key: string): WantedValue | undefined {
    const found = this.#points.find(this.#views.current, key, this.version, true) === FOUND
    return found && this.#points.separated ? this.#wanted() : undefined
  }

  /** What is read where a pointer leads. */
  valueAt(wanted: WantedValue): string {
    return this.#values.take(wanted, 'utf8') as string
  }

  #wanted(): WantedValue {
    const { valueAddress, keyAddress, keyLength } = this.#points
    const pointer = { bytes: this.#machine.heap.bytes, at: valueAddress }
    return this.#values.wanted(pointer, keyAddress, keyLength)
  }

  /** Flips a bit, asks for what it concerns and its neighbours, and flips it back. True: some read failed. */
  flip(table: LiveFile, offset: number, bit: number): boolean {
    const turn = (): void => {
      table.bytes[offset]! ^= 1 << bit
    }
    return this.damage(table, {
      what: `bit ${bit} of byte ${offset}`,
      at: offset,
      turn,
      back: turn,
    })
  }

  /** Other bytes in the place of a region's first ones, for one look at them. True: some read failed. */
  overwrite(table: LiveFile, region: Region, bytes: Buffer): boolean {
    const before = Buffer.from(table.bytes)
    return this.damage(table, {
      what: `${bytes.length} bytes at ${region.from}`,
      at: region.from,
      turn: () => void bytes.copy(table.bytes, region.from),
      back: () => void before.copy(table.bytes),
    })
  }

  damage(
    table: LiveFile,
    harm: { what: string; at: number; turn: () => void; back: () => void },
  ): boolean {
    const region = table.regionAt(harm.at)
    harm.turn()
    try {
      return this.check(table, region) > 0
    } catch (error) {
      if (!(error instanceof WrongAnswer)) throw error
      const where = `${harm.what} (${region.kind}) of ${table.path}`
      throw new WrongAnswer(`${where}: ${error.message}`, { cause: error })
    } finally {
      harm.back()
      this.#forget(table)
    }
  }

  /** Reads what the region concerns from a table opened anew; returns how many reads failed. */
  check(table: LiveFile, region: Region): number {
    const { kind, first, last } = region
    this.#forget(table)
    const keys = this.#keys
    const least = lowerBound(keys, first)
    // Of a block, all its keys and their neighbours; a table that cannot be read at all shows at its first key.
    const from = kind === 'data block' ? Math.max(0, least - 1) : least
    const to = kind === 'data block' ? lowerBound(keys, `${last}\0`) + 1 : least + 1
    return checkWindow(this, keys.slice(from, to), this.#content, keys[to], ({ file, offset }) => {
      if (file === table.path && offset >= (region.start ?? region.from) && offset < region.to)
        return
      throw new WrongAnswer(`an error names offset ${offset} of ${file}`)
    })
  }

  getSync(key: Data, at: ReadPoint | undefined, form: DataForm): Data | undefined {
    const points = this.#points
    if (points.find(this.#views.current, key, at?.version ?? this.version, true) !== FOUND) {
      return undefined
    }
    if (points.separated) return this.#values.take(this.#wanted(), form)
    return takeData(this.#machine.heap.bytes, points.valueAddress, points.valueLength, form)
  }

  range(options: RangeOptions): RangeReader {
    return this.#ranges.open(options, 0)
  }

  #forget({ number }: LiveFile): void {
    this.#ranges.invalidate()
    this.#open.close(number)
    this.#openSegments.closeIdle()
  }
}

function viewOf(levels: Levels, fences: LevelFences): ReadViews {
  return new ReadViews({ memtables: [], levels, fences: fences.of(levels) })
}

/** Index of the first key that is not below. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

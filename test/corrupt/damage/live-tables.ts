// The read path of an open database over files that rot under it: thousands of flipped bits a second, since only the
// damaged table is opened anew for each.

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
import { takeData } from '../../../src/engine/values.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import { tablePath } from '../../../src/io/file-names.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import type { Levels } from '../../../src/manifest/levels.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import { HeapAllocator } from '../../../src/memory/heap-allocator.ts'
import { HeapPool } from '../../../src/memory/heap-pool.ts'
import { BlockCache } from '../../../src/sstable/block-cache.ts'
import { OpenTables } from '../../../src/sstable/open-tables.ts'
import type { Content } from '../../crash/history.ts'
import { OPTIONS } from '../damaged-directories.ts'
import { DIRECTORY } from '../image.ts'
import { imageFileSystem } from './image-file-system.ts'
import { checkWindow, WrongAnswer } from './judge.ts'
import { type Region, regionsOf } from './regions.ts'
import type { Specimen } from './specimen.ts'

const MIB = 1024 * 1024
const HEAP_BYTES = 32 * MIB

export class LiveTable {
  readonly meta: TableMeta
  readonly path: string
  /** What is read now. */
  readonly bytes: Buffer
  readonly regions: readonly Region[]

  constructor(meta: TableMeta, bytes: Buffer) {
    this.meta = meta
    this.path = tablePath(DIRECTORY, meta.number)
    this.bytes = bytes
    this.regions = regionsOf(bytes, meta)
  }

  regionAt(offset: number): Region {
    return this.regions.find(({ to }) => offset < to)!
  }
}

export class LiveTables {
  readonly tables: readonly LiveTable[]
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

  constructor({ image, history, keys }: Specimen) {
    this.#files = new Map(
      [...image].map(([name, bytes]) => [`${DIRECTORY}/${name}`, Buffer.from(bytes)]),
    )
    const fs = imageFileSystem(this.#files)
    const { levels } = readManifest(fs, DIRECTORY)!.state
    this.tables = levels.flat().map((meta) => {
      return new LiveTable(meta, this.#files.get(tablePath(DIRECTORY, meta.number))!)
    })
    this.version = Math.max(...this.tables.map(({ meta }) => meta.largestVersion))
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
    this.#ranges = new RangeReads({ ...parts, options, views: () => this.#views })
  }

  /** Flips a bit, asks for what it concerns and its neighbours, and flips it back. True: some read failed. */
  flip(table: LiveTable, offset: number, bit: number): boolean {
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
  overwrite(table: LiveTable, region: Region, bytes: Buffer): boolean {
    const before = Buffer.from(table.bytes)
    return this.damage(table, {
      what: `${bytes.length} bytes at ${region.from}`,
      at: region.from,
      turn: () => void bytes.copy(table.bytes, region.from),
      back: () => void before.copy(table.bytes),
    })
  }

  damage(
    table: LiveTable,
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
  check(table: LiveTable, region: Region): number {
    const { kind, first, last } = region
    this.#forget(table)
    const keys = this.#keys
    const least = lowerBound(keys, first)
    // Of a block, all its keys and their neighbours; a table that cannot be read at all shows at its first key.
    const from = kind === 'data block' ? Math.max(0, least - 1) : least
    const to = kind === 'data block' ? lowerBound(keys, `${last}\0`) + 1 : least + 1
    return checkWindow(this, keys.slice(from, to), this.#content, keys[to], ({ file, offset }) => {
      if (file === table.path && offset >= region.from && offset < region.to) return
      throw new WrongAnswer(`an error names offset ${offset} of ${file}`)
    })
  }

  getSync(key: Data, at: ReadPoint | undefined, form: DataForm): Data | undefined {
    const points = this.#points
    if (points.find(this.#views.current, key, at?.version ?? this.version, true) !== FOUND) {
      return undefined
    }
    return takeData(this.#machine.heap.bytes, points.valueAddress, points.valueLength, form)
  }

  range(options: RangeOptions): RangeReader {
    return this.#ranges.open(options, 0)
  }

  #forget({ meta }: LiveTable): void {
    this.#ranges.invalidate()
    this.#open.close(meta.number)
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

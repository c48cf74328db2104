// Tables made from plain entries, and read back to plain entries, over a heap of the test's own.
import { LazyValues } from '../../../src/cursor/lazy-values.ts'
import type { RunSource, SpareMemory } from '../../../src/cursor/run-source.ts'
import { noSpareMemory } from '../../../src/cursor/run-source.ts'
import { loadU32, loadU64, storeU32, storeU64 } from '../../../src/cursor/words.ts'
import { filterShape } from '../../../src/format/sstable-filter.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import * as layout from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { HeapAllocator } from '../../../src/memory/heap-allocator.ts'
import { HeapPool } from '../../../src/memory/heap-pool.ts'
import type { Region, SharedHeap } from '../../../src/memory/shared-heap.ts'
import { BlockCache } from '../../../src/sstable/block-cache.ts'
import { OpenTables } from '../../../src/sstable/open-tables.ts'
import {
  TableSource,
  type TableSourceOptions,
  tableSourceBytes,
} from '../../../src/sstable/table-source.ts'
import { TablesWriter } from '../../../src/sstable/tables-writer.ts'
import { type WriterShape, writerBytes } from '../../../src/sstable/writer-workspace.ts'
import { twinKernels } from '../../twins/twin-kernels.ts'

export interface PlainEntry {
  readonly key: Buffer
  readonly version: number
  /** undefined: a tombstone */
  readonly value: Buffer | undefined
  readonly expiresAt?: number
  readonly meta?: number
  /** `value` is a value pointer. */
  readonly pointer?: true
}

export const DIRECTORY = '/db'
export const SHAPE: WriterShape = {
  blockSize: 512,
  tableSize: 16_384,
  filter: filterShape(0.01),
  compression: 'lz4',
}

export type KernelKind = 'wasm' | 'twin'

export class Bench {
  readonly heap: SharedHeap
  readonly kernels: Kernels
  readonly allocator: HeapAllocator
  readonly fs: FileSystem
  readonly lazy: LazyValues = new LazyValues()
  /** Sources may borrow memory for large blocks. */
  spare = true
  #salt = 1

  constructor(heapBytes: number, kind: KernelKind = 'wasm', fs: FileSystem = memoryFileSystem()) {
    this.heap = new HeapPool().acquire(heapBytes)
    this.kernels = kind === 'wasm' ? wasmKernels(this.heap.memory) : twinKernels(this.heap.memory)
    this.allocator = new HeapAllocator(this.heap)
    this.fs = fs
    fs.makeDirectorySync(DIRECTORY)
  }

  take(bytes: number): Region {
    const region = this.allocator.allocate(bytes)
    if (region === undefined) throw new Error(`the test heap has no ${bytes} bytes left`)
    return region
  }

  readonly randomFill = (target: Uint8Array): void => {
    for (let i = 0; i < target.length; i++) target[i] = (this.#salt * 31 + i * 7) & 0xff
    this.#salt += 1
  }

  /** Puts an entry into the heap and describes it. */
  describe(entry: PlainEntry, descriptor: number, bytes: Region, used: number): number {
    const { u32, bytes: heap } = this.heap
    const { key, value } = entry
    const keyAt = bytes.address + used
    key.copy(heap, keyAt)
    value?.copy(heap, keyAt + key.length)
    const prefix = Buffer.alloc(8)
    key.copy(prefix, 0, 0, 8)
    const put = entry.pointer === true ? layout.KIND_POINTER : layout.KIND_PUT
    const kind = value === undefined ? layout.KIND_DELETE : put
    const meta = entry.meta === undefined ? 0 : layout.TAG_META
    const expiry = entry.expiresAt === undefined ? 0 : layout.TAG_EXPIRY
    storeU32(u32, descriptor + layout.DESC_PREFIX, prefix.readUInt32BE(4))
    storeU32(u32, descriptor + layout.DESC_PREFIX + 4, prefix.readUInt32BE(0))
    storeU32(u32, descriptor + layout.DESC_KEY, keyAt)
    storeU32(u32, descriptor + layout.DESC_KEY_LENGTH, key.length)
    storeU32(u32, descriptor + layout.DESC_VALUE, keyAt + key.length)
    storeU32(u32, descriptor + layout.DESC_VALUE_LENGTH, value?.length ?? 0)
    storeU64(u32, descriptor + layout.DESC_VERSION, entry.version)
    storeU64(u32, descriptor + layout.DESC_EXPIRES_AT, entry.expiresAt ?? 0)
    storeU32(u32, descriptor + layout.DESC_TAG, kind | meta | expiry | ((entry.meta ?? 0) << 8))
    storeU32(u32, descriptor + layout.DESC_FLAGS, 0)
    return used + key.length + (value?.length ?? 0)
  }

  /** Reads a descriptor as a plain entry. */
  entryAt(at: number): PlainEntry {
    const { u32, bytes } = this.heap
    const keyAt = loadU32(u32, at + layout.DESC_KEY)
    const key = Buffer.from(
      bytes.subarray(keyAt, keyAt + loadU32(u32, at + layout.DESC_KEY_LENGTH)),
    )
    const tag = bytes[at + layout.DESC_TAG] as number
    const length = loadU32(u32, at + layout.DESC_VALUE_LENGTH)
    const where = loadU32(u32, at + layout.DESC_VALUE)
    const lazy = (loadU32(u32, at + layout.DESC_FLAGS) & layout.DESC_LAZY) !== 0
    const value = lazy
      ? this.lazy.get(where).readBytes()
      : Buffer.from(bytes.subarray(where, where + length))
    const expiresAt = loadU64(u32, at + layout.DESC_EXPIRES_AT)
    return {
      key,
      version: loadU64(u32, at + layout.DESC_VERSION),
      value: (tag & layout.KIND_MASK) === layout.KIND_DELETE ? undefined : value,
      ...(expiresAt === 0 ? {} : { expiresAt }),
      ...((tag & layout.KIND_MASK) === layout.KIND_POINTER ? { pointer: true as const } : {}),
      ...((tag & layout.TAG_META) === 0 ? {} : { meta: bytes[at + layout.DESC_META] as number }),
    }
  }

  /** Writes sorted entries as tables, `batch` at a time. */
  write(
    entries: readonly PlainEntry[],
    shape: WriterShape = SHAPE,
    first = 1,
  ): readonly TableMeta[] {
    const size = (entry: PlainEntry) => entry.key.length + (entry.value?.length ?? 0)
    const largest = entries.reduce((most, entry) => Math.max(most, size(entry)), 0)
    const workspace = this.take(writerBytes(shape, largest))
    const batch = 64
    const descriptors = this.take(batch * layout.DESC_SIZE)
    let next = first
    const writer = new TablesWriter(this, workspace, {
      fs: this.fs,
      directory: DIRECTORY,
      shape,
      takeNumber: () => next++,
      baseVersion: entries.reduce((least, { version }) => Math.min(least, version), 2 ** 50),
      newestWal: 0,
      lazy: this.lazy,
      randomFill: this.randomFill,
      finished: () => undefined,
    })
    for (let i = 0; i < entries.length; i += batch) {
      const part = entries.slice(i, i + batch)
      const bytes = this.take(part.reduce((sum, entry) => sum + size(entry), 8))
      let used = 0
      for (const [j, entry] of part.entries()) {
        used = this.describe(entry, descriptors.address + j * layout.DESC_SIZE, bytes, used)
      }
      writer.append(descriptors.address, part.length)
      this.allocator.free(bytes)
    }
    const tables = writer.finish()
    this.allocator.free(workspace)
    this.allocator.free(descriptors)
    return tables
  }

  open(cache?: BlockCache): OpenTables {
    const { fs, allocator } = this
    return new OpenTables(this, {
      fs,
      directory: DIRECTORY,
      allocator,
      capacityBytes: 64 * 1024 * 1024,
      cache,
    })
  }

  source(
    tables: readonly TableMeta[],
    opener: TableSourceOptions['opener'],
    more: Partial<TableSourceOptions> = {},
    spanBytes = 65_536,
  ): { source: TableSource; memory: Region } {
    const largest = tables.reduce((most, table) => Math.max(most, table.largestBlock), 0)
    const memory = this.take(tableSourceBytes(largest, spanBytes))
    const spare: SpareMemory = this.spare ? spareOf(this) : noSpareMemory
    const options: TableSourceOptions = {
      tables,
      opener,
      cache: undefined,
      lazy: this.lazy,
      spare,
      reverse: false,
      inlineMax: 65_536,
      ...more,
    }
    return { source: new TableSource(this, memory, options), memory }
  }

  /** All a source has to give. */
  drain(source: RunSource): PlainEntry[] {
    const slot = this.take(layout.SOURCE_SIZE)
    const entries: PlainEntry[] = []
    for (;;) {
      source.refill(slot.address)
      const { u32 } = this.heap
      const end = loadU32(u32, slot.address + layout.SOURCE_END)
      for (
        let at = loadU32(u32, slot.address + layout.SOURCE_NEXT);
        at < end;
        at += layout.DESC_SIZE
      ) {
        entries.push(this.entryAt(at))
      }
      if (loadU32(u32, slot.address + layout.SOURCE_LAST) === 1) break
    }
    source.close()
    this.allocator.free(slot)
    return entries
  }

  cache(slots: number, blockSize = 512): BlockCache {
    return new BlockCache(this, this.take(slots * (blockSize + 64) + 64), blockSize)
  }
}

function spareOf({ allocator }: Bench): SpareMemory {
  const lent = new Map<number, Region>()
  return {
    borrow: (bytes) => {
      const region = allocator.allocate(bytes)
      if (region !== undefined) lent.set(region.address, region)
      return region?.address ?? 0
    },
    giveBack: (address) => {
      const region = lent.get(address)
      if (region === undefined) throw new Error('memory comes back that was not lent')
      allocator.free(region)
      lent.delete(address)
    },
  }
}

/** mulberry32 */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function compareEntries(a: PlainEntry, b: PlainEntry): number {
  return Buffer.compare(a.key, b.key) || b.version - a.version
}

export interface EntryPlan {
  readonly keys: number
  readonly keyBytes: () => number
  readonly valueBytes: () => number
  /** Versions per key. */
  readonly versions: () => number
}

/** Sorted random entries, no two of the same key and version. */
export function randomEntries(random: () => number, plan: EntryPlan): PlainEntry[] {
  const entries: PlainEntry[] = []
  const seen = new Set<string>()
  let version = 1000
  for (let i = 0; i < plan.keys; i++) {
    const key = Buffer.alloc(plan.keyBytes())
    for (let j = 0; j < key.length; j++) key[j] = 97 + Math.floor(random() * (j < 12 ? 3 : 26))
    if (seen.has(key.toString('latin1'))) continue
    seen.add(key.toString('latin1'))
    for (let v = plan.versions(); v > 0; v--) {
      version += 1 + Math.floor(random() * 50)
      const value = random() < 0.1 ? undefined : Buffer.alloc(plan.valueBytes(), version & 0xff)
      const entry: PlainEntry = { key, version, value }
      const expiresAt = Math.floor(random() * 2 ** 42) + 1
      const meta = Math.floor(random() * 256)
      const extra = random()
      if (extra < 0.1) entries.push({ ...entry, expiresAt })
      else if (extra < 0.2) entries.push({ ...entry, meta })
      else entries.push(entry)
    }
  }
  return entries.sort(compareEntries)
}

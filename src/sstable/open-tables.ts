// The tables a thread has open, by number: opened on demand, kept while there is room for their indexes and
// filters, closed least recently used first. Main thread. A pinned handle is never closed under its user.
import { assert } from '../base/assert.ts'
import type { KernelHeap } from '../cursor/words.ts'
import type { TableMeta } from '../format/table-meta.ts'
import type { FileSystem } from '../io/file-system.ts'
import { leastRecentlyUsed, withDescriptors } from '../io/open-files.ts'
import type { Region } from '../memory/shared-heap.ts'
import type { BlockCache } from './block-cache.ts'
import { openTable, type RegionAllocator, type TableHandle } from './table-reader.ts'
import type { TableOpener } from './table-source.ts'

export interface OpenTablesOptions {
  readonly fs: FileSystem
  readonly directory: string
  /** Where indexes and filters go. */
  readonly allocator: RegionAllocator
  /** indexCacheSize: most bytes of them; the oldest unpinned tables are closed to stay below. */
  readonly capacityBytes: number
  /** The cache whose slots a closing table gives back. */
  readonly cache: BlockCache | undefined
  /** Closes what else holds descriptors and is idle; false: nothing did. */
  readonly closeOthers?: () => boolean
}

export class OpenTables implements TableOpener {
  readonly #machine: KernelHeap
  readonly #options: OpenTablesOptions
  readonly #handles = new Map<number, TableHandle>()
  /** Closed by number while pinned; closed for good at their last release. */
  readonly #doomed = new Set<TableHandle>()
  #bytes = 0
  #tick = 0

  constructor(machine: KernelHeap, options: OpenTablesOptions) {
    this.#machine = machine
    this.#options = options
  }

  /** Tables open now. */
  get count(): number {
    return this.#handles.size
  }

  /** Heap bytes of indexes and filters. */
  get bytes(): number {
    return this.#bytes
  }

  /** The handle of a table, opened if need be; good until the next get() or acquire() unless it is pinned.
   * Throws CorruptionError, SETT_OUT_OF_MEMORY, or what the file system throws. */
  get(meta: TableMeta): TableHandle {
    const handle = this.#handles.get(meta.number) ?? this.#open(meta)
    this.#tick += 1
    handle.lastUse = this.#tick
    return handle
  }

  /** get() and pin: the handle stays open until release(). */
  acquire(meta: TableMeta): TableHandle {
    const handle = this.get(meta)
    handle.pins += 1
    return handle
  }

  release(handle: TableHandle): void {
    assert(handle.pins > 0, 'a table is released once per acquire')
    handle.pins -= 1
    if (handle.pins === 0 && this.#doomed.delete(handle)) this.#shut(handle)
  }

  /** The table is obsolete: closes it, now or at its last release. Idempotent. */
  close(number: number): void {
    const handle = this.#handles.get(number)
    if (handle === undefined) return
    this.#handles.delete(number)
    if (handle.pins > 0) this.#doomed.add(handle)
    else this.#shut(handle)
  }

  /** Closes every table nobody is using, so that their descriptors are free; false: there was none. */
  closeIdle(): boolean {
    const idle = [...this.#handles.values()].filter(({ pins }) => pins === 0)
    for (const { meta } of idle) this.close(meta.number)
    return idle.length > 0
  }

  /** Closes every table; none may be pinned. Idempotent. */
  closeAll(): void {
    for (const number of [...this.#handles.keys()]) this.close(number)
    assert(this.#doomed.size === 0, 'no table is in use when all are closed')
  }

  #open(meta: TableMeta): TableHandle {
    const { fs, directory } = this.#options
    const allocator: RegionAllocator = {
      allocate: (length) => this.#allocate(length),
      free: (region) => this.#free(region),
    }
    const opening = { fs, directory, meta, allocator }
    const openNew = (): TableHandle => openTable(this.#machine, opening)
    const handle = withDescriptors(openNew, () => this.#closeAnyIdle())
    this.#handles.set(meta.number, handle)
    return handle
  }

  #closeAnyIdle(): boolean {
    const mine = this.closeIdle()
    return this.#options.closeOthers?.() === true || mine
  }

  /** Closes unpinned tables, least recently used first, until the piece fits. When all that is left is pinned, the
   * capacity gives way as long as the allocator has room: a read must not fail for it. */
  #allocate(length: number): Region | undefined {
    for (;;) {
      const victim = leastRecentlyUsed(this.#handles.values())
      if (victim === undefined || this.#bytes + length <= this.#options.capacityBytes) {
        const region = this.#options.allocator.allocate(length)
        if (region !== undefined) this.#bytes += region.length
        if (region !== undefined || victim === undefined) return region
      }
      this.close(victim.meta.number)
    }
  }

  #free(region: Region): void {
    this.#bytes -= region.length
    this.#options.allocator.free(region)
  }

  #shut(handle: TableHandle): void {
    this.#options.cache?.forget(handle)
    this.#free(handle.memory)
    handle.file.closeSync()
  }
}

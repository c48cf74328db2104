// Runs the flush and compaction code once over made-up data, in memory, so that a thread's first real job does not
// pay for compiling it (research: a first run is up to ten times slower). Any thread; leaves nothing behind.
import type { Random } from '../base/random.ts'
import { filterShape } from '../format/sstable-filter.ts'
import { memoryFileSystem } from '../io/memory-file-system.ts'
import type { Kernels } from '../kernel/kernels.ts'
import { KIND_PUT, TAG_COMMIT_END } from '../kernel/layout.ts'
import { HeapAllocator } from '../memory/heap-allocator.ts'
import { HeapPool } from '../memory/heap-pool.ts'
import type { Region, SharedHeap } from '../memory/shared-heap.ts'
import { arenaBytes, Memtable, recordBytes } from '../memtable/memtable.ts'
import type { JobContext, JobResult, JobSpec, TableShape } from './job.ts'
import { runJob } from './run-job.ts'
import { compactWorkspaceBytes, flushWorkspaceBytes } from './workspace.ts'

const RECORDS = 3000
const VALUE = 'v'.repeat(100)
const DIRECTORY = '/warm-up'

export function warmUp(kernelsOf: (heap: SharedHeap) => Kernels, random: Random): void {
  const filter = filterShape(0.01)
  const shape: TableShape = { blockSize: 4096, tableSize: 1 << 20, filter, compression: 'lz4' }
  const memory = arenaBytes(RECORDS * recordBytes(16, VALUE.length), RECORDS, 0)
  const flushBytes = flushWorkspaceBytes(shape, VALUE.length + 16)
  const compactBytes = compactWorkspaceBytes(shape, 1, shape.blockSize * 2)
  const heap = new HeapPool().acquire(memory + flushBytes + compactBytes + (1 << 20))
  const kernels = kernelsOf(heap)
  const allocator = new HeapAllocator(heap)
  const take = (bytes: number): Region => allocator.allocate(bytes, 64)!
  const memtable = Memtable.create(heap, kernels, take(memory))
  fill(memtable)
  const fs = memoryFileSystem()
  fs.makeDirectorySync(DIRECTORY)
  const context: JobContext = {
    fs,
    kernels,
    heap,
    randomFill: (target) => random.fill(target),
    report: () => undefined,
    cancelled: () => false,
  }
  const common = { directory: DIRECTORY, shape, snapshots: [RECORDS] }
  const run = (spec: JobSpec): JobResult => runJob(spec, context)
  const flushed = run({
    kind: 'flush',
    ...common,
    arena: memtable.arena.address,
    numbers: { first: 1, count: 50 },
    workspace: take(flushBytes),
    newestWal: 0,
  })
  if (flushed.kind !== 'tables') return
  run({
    kind: 'compact',
    ...common,
    sources: [flushed.tables],
    outputLevel: 1,
    numbers: { first: 100, count: 50 },
    workspace: take(compactBytes),
    dropTombstones: true,
  })
}

/** Keys in an order that is neither rising nor falling. */
function fill(memtable: Memtable): void {
  const first = memtable.recordEnd
  for (let i = 0; i < RECORDS; i++) {
    const key = `key ${((i * 7919) % RECORDS).toString().padStart(12, '0')}`
    memtable.encode(KIND_PUT | TAG_COMMIT_END, i + 1, key, VALUE)
  }
  memtable.link(first, memtable.recordEnd, RECORDS)
}

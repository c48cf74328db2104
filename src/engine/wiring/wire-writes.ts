// The write queue, and what holds commits back. Main thread.
import type { ResolvedOptions } from '../../base/options.ts'
import { FillAhead } from '../../wal/fill-ahead.ts'
import { WAL_SCRATCH_BYTES } from '../../wal/wal-file.ts'
import { DiskReserve } from '../disk/disk-reserve.ts'
import type { Foundation } from '../foundation.ts'
import { StallWatch } from '../pressure/stall-watch.ts'
import { WritePressure } from '../pressure/write-pressure.ts'
import type { Environment } from '../types.ts'
import { WriteQueue } from '../write-queue.ts'
import { takeRegion } from './take-region.ts'
import type { Output, Stores, Wiring } from './wire-stores.ts'

/** What holds commits back. */
export interface WriteLimits {
  readonly reserve: DiskReserve
  readonly stalls: StallWatch
  readonly pressure: WritePressure
}

export function wireLimits({ foundation, output }: Wiring, stores: Stores): WriteLimits {
  const { options, environment } = foundation
  const reserve = wireReserve(output, foundation, stores)
  return { ...wirePressure(environment, options, stores), reserve }
}

export function wireWrites(
  { foundation, allocator, output }: Pick<Wiring, 'foundation' | 'allocator' | 'output'>,
  { oracle, memtables, walSyncer, health }: Stores,
  { reserve, stalls, pressure }: WriteLimits,
): WriteQueue {
  const { options, environment, machine } = foundation
  return new WriteQueue({
    ...machine,
    walScratch: takeRegion(allocator, WAL_SCRATCH_BYTES).address,
    clock: environment.clock,
    oracle,
    memtables,
    syncer: walSyncer,
    fillAhead: new FillAhead({
      get memtableSize() {
        return options.memtableSize
      },
      spend: (bytes) => reserve.spend(bytes),
    }),
    health,
    reserve,
    watch: output.watch,
    pressure,
    stalls,
    get durability() {
      return options.durability
    },
    commitBytesMax: Math.floor(options.memoryBudget / 4),
    get ownMemtableBytes() {
      return Math.floor(options.memtableSize / 4)
    },
    get waitingBytesMax() {
      return waitingBytesMax(options)
    },
  })
}

/** What the budget leaves beside memtables and caches, but room for the longest commit. */
function waitingBytesMax(options: ResolvedOptions): number {
  const { memoryBudget, memtableSize, memtableCount, blockCacheSize, indexCacheSize } = options
  const beside = memoryBudget - memtableSize * memtableCount - blockCacheSize - indexCacheSize
  return Math.max(beside, memoryBudget / 4)
}

function wirePressure(
  { clock, notify }: Environment,
  options: ResolvedOptions,
  { memtables, tree }: Stores,
): { stalls: StallWatch; pressure: WritePressure } {
  const stalls = new StallWatch({ clock, notify })
  const pressure = new WritePressure({
    clock,
    options,
    memory: () => memtables.fill,
    levels: () => tree.levels,
    watch: stalls,
  })
  return { stalls, pressure }
}

function wireReserve(
  output: Output,
  { options, environment }: Foundation,
  { memtables, health, diskBytes }: Stores,
): DiskReserve {
  const { maxDiskBytes } = options
  return new DiskReserve({
    fs: output.fs,
    directory: output.directory,
    logger: environment.logger,
    unflushed: () => memtables.usedBytes,
    quota: maxDiskBytes === undefined ? undefined : { maxDiskBytes, used: diskBytes },
    lost: (cause) => {
      health.directoryLost(cause)
      return health.tell()!
    },
  })
}

// The write queue, and what holds commits back. Main thread.
import { MIB } from '../../base/limits.ts'
import type { ResolvedOptions } from '../../base/options.ts'
import { PART_PAYLOAD_MAX } from '../../format/segments/segment-part.ts'
import { PART_SCRATCH_BYTES } from '../../value-log/value-stream-writer.ts'
import { FillAhead } from '../../wal/fill-ahead.ts'
import { WAL_SCRATCH_BYTES } from '../../wal/wal-file.ts'
import { DiskReserve } from '../disk/disk-reserve.ts'
import { errorCode, lacksDescriptors, lacksDirectory, writeError } from '../disk/failures.ts'
import { StallWatch } from '../pressure/stall-watch.ts'
import { WritePressure } from '../pressure/write-pressure.ts'
import type { Environment } from '../types.ts'
import { LargeValues } from '../value-log/large-values.ts'
import type { NewSegmentParts } from '../value-log/new-segment.ts'
import { ValueStreams } from '../value-log/value-streams.ts'
import { WriteQueue } from '../write-queue.ts'
import { takeRegion } from './take-region.ts'
import type { Stores, Wiring } from './wire-stores.ts'

/** What holds commits back. */
export interface WriteLimits {
  readonly reserve: DiskReserve
  readonly stalls: StallWatch
  readonly pressure: WritePressure
}

/** What is not wired yet. */
export interface LimitParts {
  /** A put is about to be refused for want of room. */
  readonly refused: () => void
  /** What the files are to grow by, for what is on its way to them. */
  readonly growth: () => number
}

export function wireLimits(wiring: Wiring, stores: Stores, later: LimitParts): WriteLimits {
  const { options, environment } = wiring.foundation
  const reserve = wireReserve(wiring, stores, later)
  return { ...wirePressure(environment, options, stores), reserve }
}

export interface Writes {
  readonly writes: WriteQueue
  readonly streams: ValueStreams
}

export function wireWrites(wiring: Wiring, stores: Stores, limits: WriteLimits): Writes {
  const { options, environment } = wiring.foundation
  const segment = wireSegments(wiring, stores, limits)
  const values = new LargeValues({
    segment,
    get segmentSize() {
      return options.segmentSize
    },
  })
  const writes = wireQueue(wiring, stores, { ...limits, values })
  const streams = new ValueStreams({
    clock: environment.clock,
    segment,
    writes,
    reserve: limits.reserve,
    health: stores.health,
    get plainBytes() {
      return Math.min(PART_PAYLOAD_MAX, heldValueBytes(options))
    },
    parallel: clamp(Math.floor(options.memoryBudget / STREAM_SHARE_BYTES), 2, 16),
  })
  return { writes, streams }
}

/** For each so many bytes of the budget one stream may hold a part of its value. */
const STREAM_SHARE_BYTES = 32 * MIB

function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}

/** Longer values lie in segments before their commit. */
function heldValueBytes({ memtableSize, valueThreshold }: ResolvedOptions): number {
  const held = Math.floor(memtableSize / 4)
  return valueThreshold === 'auto' ? held : Math.max(held, valueThreshold - 1)
}

function wireSegments(
  { foundation, allocator, numbering, manifest, output }: Wiring,
  { health, obsolete, segments, tables, tree }: Stores,
  { reserve }: WriteLimits,
): NewSegmentParts {
  const { environment, machine } = foundation
  return {
    ...output,
    random: environment.random,
    numbering,
    manifest,
    health,
    obsolete,
    segments,
    memory: { ...machine, scratch: takeRegion(allocator, PART_SCRATCH_BYTES).address },
    dropUnused: () => void tree.dropUnused(),
    failed(error) {
      if (errorCode(error) === 'SETT_POISONED') health.poison('Making a value durable', error)
      else if (lacksDirectory(error)) health.directoryLost(error)
      // The next try finds the descriptors that idle tables held.
      else if (lacksDescriptors(error)) tables.closeIdle()
      reserve.forget()
      return health.tell() ?? writeError(error, 'Writing a value')
    },
  }
}

function wireQueue(
  { foundation, allocator, output }: Wiring,
  { oracle, memtables, walSyncer, health }: Stores,
  { reserve, stalls, pressure, values }: WriteLimits & { readonly values: LargeValues },
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
    get heldValueBytes() {
      return heldValueBytes(options)
    },
    values,
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
  { output, foundation }: Wiring,
  { memtables, health, diskBytes }: Stores,
  { refused, growth }: LimitParts,
): DiskReserve {
  const { options, environment } = foundation
  const { maxDiskBytes } = options
  return new DiskReserve({
    fs: output.fs,
    directory: output.directory,
    logger: environment.logger,
    spokenFor: () => memtables.usedBytes + growth(),
    quota:
      maxDiskBytes === undefined ? undefined : { maxDiskBytes, used: () => diskBytes() + growth() },
    refused,
    lost: (cause) => {
      health.directoryLost(cause)
      return health.tell()!
    },
  })
}

// What an engine is made of, wired by assemble.ts. Types only.
import type { ResolvedOptions } from '../base/options.ts'
import type { KernelHeap } from '../cursor/words.ts'
import type { Oracle } from '../mvcc/oracle.ts'
import type { Pins } from '../mvcc/pins.ts'
import type { ReadTime } from '../mvcc/read-time.ts'
import type { Executor } from '../pool/executor.ts'
import type { BlockCache } from '../sstable/block-cache.ts'
import type { OpenTables } from '../sstable/open-tables.ts'
import type { PlanMerges } from './compaction/plan-merges.ts'
import type { CompactionScheduler } from './compaction-scheduler.ts'
import type { DiskWatch } from './disk/disk-watch.ts'
import type { FlushScheduler } from './flush-scheduler.ts'
import type { Health } from './health.ts'
import type { HealthMonitor } from './maintenance/health-monitor.ts'
import type { Tuning } from './maintenance/tuning.ts'
import type { Upkeep } from './maintenance/upkeep.ts'
import type { Memtables } from './memtables.ts'
import type { PointRead } from './point-read.ts'
import type { StallWatch } from './pressure/stall-watch.ts'
import type { WritePressure } from './pressure/write-pressure.ts'
import type { Progress } from './progress.ts'
import type { RangeReads } from './range-read.ts'
import type { TreeState } from './tree-state.ts'
import type { Environment } from './types.ts'
import type { ValueCollector } from './value-log/collector.ts'
import type { Segments } from './value-log/segments.ts'
import type { SeparatedValues } from './value-log/separated-values.ts'
import type { ValueStreams } from './value-log/value-streams.ts'
import type { Verifier } from './verify/verifier.ts'
import type { WalSyncer } from './wal-syncer.ts'
import type { WriteQueue } from './write-queue.ts'

export interface EngineParts {
  readonly options: ResolvedOptions
  readonly environment: Environment
  readonly machine: KernelHeap
  readonly health: Health
  readonly oracle: Oracle
  readonly pins: Pins
  readonly time: ReadTime
  readonly memtables: Memtables
  readonly writes: WriteQueue
  readonly streams: ValueStreams
  readonly walSyncer: WalSyncer
  readonly tree: TreeState
  readonly segments: Segments
  readonly flushes: FlushScheduler
  readonly compactions: CompactionScheduler
  readonly merges: PlanMerges
  readonly collector: ValueCollector
  readonly points: PointRead
  readonly ranges: RangeReads
  readonly values: SeparatedValues
  readonly cache: BlockCache
  readonly tables: OpenTables
  readonly progress: Progress
  /** Reads that wait for the disk; they use heap and files. */
  readonly coldReads: Set<Promise<unknown>>
  readonly executor: Executor
  readonly verifier: Verifier
  readonly stalls: StallWatch
  readonly pressure: WritePressure
  /** Bytes of all files. */
  readonly diskBytes: () => number
  readonly watch: DiskWatch
  readonly upkeep: Upkeep
  readonly monitor: HealthMonitor
  readonly tuning: Tuning
  /** Torn log ends that this open cut off. */
  readonly tornTailsCut: number
  /** Nothing is looked after any more; what is still done is done without a limit. */
  readonly stopCare: () => void
  /** Takes everything down, in order. */
  readonly shutDown: () => Promise<void>
}

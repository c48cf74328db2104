// What the write queue works with. Main thread. Options among it are read anew each time: tune() may change them.
import type { Clock } from '../../base/clock.ts'
import type { Kernels } from '../../kernel/kernels.ts'
import type { SharedHeap } from '../../memory/shared-heap.ts'
import type { Oracle } from '../../mvcc/oracle.ts'
import type { FillAhead } from '../../wal/fill-ahead.ts'
import type { DiskReserve } from '../disk/disk-reserve.ts'
import type { DiskWatch } from '../disk/disk-watch.ts'
import type { Health } from '../health.ts'
import type { Memtables } from '../memtables.ts'
import type { StallWatch } from '../pressure/stall-watch.ts'
import type { WritePressure } from '../pressure/write-pressure.ts'
import type { Durability } from '../types.ts'
import type { LargeValues } from '../value-log/large-values.ts'
import type { WalSyncer } from '../wal-syncer.ts'

export interface WriteQueueParts {
  readonly heap: SharedHeap
  readonly kernels: Kernels
  /** WAL_SCRATCH_BYTES of the heap. */
  readonly walScratch: number
  readonly clock: Clock
  readonly oracle: Oracle
  readonly memtables: Memtables
  readonly syncer: WalSyncer
  readonly fillAhead: FillAhead
  readonly health: Health
  readonly reserve: DiskReserve
  readonly watch: DiskWatch
  readonly pressure: WritePressure
  readonly stalls: StallWatch
  readonly durability: Durability
  /** Longest commit in encoded bytes. */
  readonly commitBytesMax: number
  /** Commits longer than this get a memtable of their own. */
  readonly ownMemtableBytes: number
  /** Values longer than this go to segments, and the commit points to them. */
  readonly heldValueBytes: number
  readonly values: LargeValues
  /** Bytes that may be copied for commits that wait for room, beside the first. Strings are not copied. */
  readonly waitingBytesMax: number
}

// abstract-level's database with the types of the events that the engine adds. Main thread. Nothing of what happens
// when an event is emitted is changed.
import { AbstractLevel } from 'abstract-level'
import type { DiskNotice } from '../../engine/disk/disk-watch.ts'
import type { StallNotice } from '../../engine/pressure/stall-watch.ts'
import type {
  CollectionNotice,
  CompactionNotice,
  Data,
  FlushNotice,
  MaintenanceNotice,
  WarningNotice,
} from '../../engine/types.ts'

/** What `db.on()` may listen for beside abstract-level's own events; each listener gets one plain object. */
export interface DatabaseEvents {
  /** A memtable is being written to tables: phases `begin`, then `end` or `failed`, with the same `job`. */
  readonly flush: readonly [notice: FlushNotice]
  /** Tables are being merged, or only moved; phases as of `flush`. */
  readonly compaction: readonly [notice: CompactionNotice]
  /** A table is being rewritten so that segments of the value log become free; phases as of `flush`. */
  readonly collection: readonly [notice: CollectionNotice]
  /** Writers are slowed or stopped because flush or compaction is behind, or no longer. */
  readonly stall: readonly [notice: StallNotice]
  /** Work of the engine's own accord, such as reading all files back; phases as of `flush`. */
  readonly maintenance: readonly [notice: MaintenanceNotice]
  /** The warnings of `health()` are others than before. */
  readonly warning: readonly [notice: WarningNotice]
  /** One call to the disk has taken five seconds, and may still hang. */
  readonly 'disk-slow': readonly [notice: DiskNotice]
}

type Listener<Event extends keyof DatabaseEvents> = (...notice: DatabaseEvents[Event]) => void
type Level = AbstractLevel<Data>
/** Of any other event. */
type OtherListener = Parameters<Level['on']>[1]

export abstract class EventedLevel<K, V> extends AbstractLevel<Data, K, V> {
  override on<Event extends keyof DatabaseEvents>(event: Event, listener: Listener<Event>): this
  override on(event: string | symbol, listener: OtherListener): this
  override on(event: string | symbol, listener: OtherListener): this {
    return super.on(event, listener)
  }

  override once<Event extends keyof DatabaseEvents>(event: Event, listener: Listener<Event>): this
  override once(event: string | symbol, listener: OtherListener): this
  override once(event: string | symbol, listener: OtherListener): this {
    return super.once(event, listener)
  }

  override off<Event extends keyof DatabaseEvents>(event: Event, listener: Listener<Event>): this
  override off(event: string | symbol, listener: OtherListener): this
  override off(event: string | symbol, listener: OtherListener): this {
    return super.off(event, listener)
  }
}

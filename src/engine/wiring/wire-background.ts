// Write queue and schedulers, and what each tells the others. Main thread.

import { expiredBytes, mayExpire } from '../../compaction/expiry.ts'
import type { ManifestLog } from '../../manifest/manifest-log.ts'
import { PlanMerges } from '../compaction/plan-merges.ts'
import { CompactionScheduler } from '../compaction-scheduler.ts'
import { BackgroundOutcomes } from '../disk/background-outcomes.ts'
import { FlushScheduler } from '../flush-scheduler.ts'
import type { Foundation } from '../foundation.ts'
import { JobRunner } from '../job-runner.ts'
import { type Files, flushPays } from '../maintenance/adapt.ts'
import type { HealthMonitor } from '../maintenance/health-monitor.ts'
import { Notices } from '../maintenance/notices.ts'
import { RateLimiter } from '../maintenance/rate-limiter.ts'
import { Upkeep, type UpkeepParts } from '../maintenance/upkeep.ts'
import { pickOptions } from '../maintenance/wire-care.ts'
import { flushesAtOnce } from '../memory-plan.ts'
import type { StallWatch } from '../pressure/stall-watch.ts'
import type { WritePressure } from '../pressure/write-pressure.ts'
import { ValueCollector } from '../value-log/collector.ts'
import type { Stores, Wiring } from './wire-stores.ts'
import { type Writes, wireLimits, wireWrites } from './wire-writes.ts'

export interface Background extends Writes {
  readonly runner: JobRunner
  readonly flushes: FlushScheduler
  readonly compactions: CompactionScheduler
  readonly merges: PlanMerges
  readonly collector: ValueCollector
  readonly stalls: StallWatch
  readonly pressure: WritePressure
  readonly upkeep: Upkeep
  readonly limiter: RateLimiter
  readonly notices: Notices
}

export function wireBackground(
  wiring: Wiring,
  stores: Stores,
  monitor: () => HealthMonitor,
): Background {
  const { foundation, allocator, manifest } = wiring
  const { options, environment, machine, executor, jobBytes } = foundation
  const { clock, logger, splitting } = environment
  const { health, memtables, tables, tree, progress, obsolete } = stores
  wireFailures(manifest, stores)
  const halted = (): boolean => !manifest.usable || !manifest.stillOwned()
  const easing = easings(stores, () => writes.closeOpenGroup())
  const growth = (): number => writes.growth
  const limits = wireLimits(wiring, stores, { refused: easing.refused, growth })
  const { pressure, reserve } = limits
  const runner = new JobRunner({ executor, heap: machine.heap, allocator, obsolete })
  const written = wireWrites(wiring, stores, limits)
  const { writes } = written
  const outcomes = new BackgroundOutcomes({ health, logger, progress, writes, reserve, tables })
  const notices = new Notices(environment)
  const limiter: RateLimiter = new RateLimiter({ clock, rate: () => upkeep.rate })
  const kick = (): void => compactions.kick()
  const upkeep: Upkeep = new Upkeep({
    ...upkeepSees(stores, foundation, easing),
    written: () => writes.walBytes,
    compacting: () => compactions.busy,
    kick,
    shareChanged: () => limiter.changed(),
    look: () => void monitor().look(),
  })
  const installed = (): void => {
    outcomes.succeeded()
    upkeep.stir()
  }
  const both = { tree, clock, notices, halted, failed: outcomes.failed, enabled: !options.readOnly }
  const flushing = (): boolean => flushes.busy || memtables.immutables.length > 0
  const merges = new PlanMerges({ ...both, runner, executor, pace: limiter, flushing, splitting })
  const load = { rest: () => upkeep.rest, deferred: () => upkeep.deferred }
  const collector = new ValueCollector({ ...stores, ...load, clock, kick, reserve })
  const compactions = new CompactionScheduler({
    ...both,
    merges,
    collector,
    get pick() {
      return { ...pickOptions(options), l0CompactTrigger: upkeep.l0CompactTrigger }
    },
    get maxLevels() {
      return options.maxLevels
    },
    get parallel() {
      return upkeep.parallel
    },
    compacted: installed,
    runningChanged: () => pressure.changed(),
    leftOut: outcomes.leftOut,
    idle: () => outcomes.roomChanged(),
    expired: () => upkeep.stir(),
  })
  const flushes = new FlushScheduler({
    ...both,
    runner,
    get parallel() {
      return flushesAtOnce(executor.workers, options.memtableCount)
    },
    aheadBytes: jobBytes,
    writtenSizes: stores.writtenSizes,
    due: () => memtables.flushable,
    flushed: ({ memtable }) => {
      pressure.flushed(memtable.recordEnd - memtable.arena.address)
      pressure.changed()
      merges.flushed()
      installed()
      if (tree.levels[0]!.length + 2 >= options.l0CompactTrigger) executor.warmUp(2)
      kick()
    },
  })
  pressure.watchSpace({
    space: () => collector.freeable,
    written: () => compactions.bytesCompacted,
    underWay: () => compactions.underWay,
  })
  bindEvents({ foundation, stores, flushes, compactions, outcomes, pressure, upkeep })
  const schedulers = { compactions, merges, collector, flushes }
  return { ...written, ...limits, ...schedulers, runner, upkeep, limiter, notices }
}

function wireFailures(manifest: ManifestLog, { health, progress }: Stores): void {
  manifest.onFailure((error) => health.poison('Writing the manifest', error))
  health.onPoison((error) => manifest.stop(error))
  // Whoever waits for a background job would wait for ever: most of them end here.
  health.onPoison(() => progress.signal())
}

type Seen = Pick<UpkeepParts, 'clock' | 'options' | 'levels' | 'pinned' | 'closing' | 'rested'>

function upkeepSees(
  { tree, pins, health }: Stores,
  { options, environment }: Foundation,
  { rested }: Easings,
): Seen {
  return {
    rested,
    clock: environment.clock,
    options,
    levels: () => tree.levels,
    pinned: () => pins.count > 0,
    closing: () => health.closing,
  }
}

/** When the active memtable makes way for another, though nobody needs its room. */
function easings(stores: Stores, closeGroup: () => void): Easings {
  const { memtables } = stores
  return {
    rested: () => !flushPays(filesOf(stores)) || memtables.ease(closeGroup),
    refused() {
      if (memtables.active.keeps.length > 0) memtables.ease(closeGroup)
    },
  }
}

interface Easings extends Pick<UpkeepParts, 'rested'> {
  /** A put is about to be refused for want of room. */
  readonly refused: () => void
}

function filesOf({ diskBytes, memtables, tree }: Stores): Files {
  const logs = memtables.logs.reduce((sum, { length, zeros }) => sum + length + zeros, 0)
  // No reader begins before a time that was asked for.
  const expired = mayExpire(tree.levels) ? expiredBytes(tree.levels, tree.readers()) : 0
  const garbage = tree.segmentSums.garbage + expired
  const entries = tree.levels.flat().reduce((sum, table) => sum + table.entries, 0)
  const { memtable, keptBytes: kept } = memtables.active
  const hidden = entries === 0 ? 0 : memtable.entries / entries
  return { bytes: diskBytes(), logs, garbage, kept, hidden }
}

interface Bound {
  readonly foundation: Foundation
  readonly stores: Stores
  readonly flushes: FlushScheduler
  readonly compactions: CompactionScheduler
  readonly outcomes: BackgroundOutcomes
  readonly pressure: WritePressure
  readonly upkeep: Upkeep
}

/** What memtables tell of. */
function bindEvents(bound: Bound): void {
  const { foundation, stores, flushes, compactions, outcomes, pressure, upkeep } = bound
  const { options, executor } = foundation
  const { tree } = stores
  stores.bindings.bind({
    changed: () => {
      tree.publishMemtables()
      pressure.changed()
    },
    flushable: () => flushes.kick(),
    flushComes() {
      executor.warmUp(1)
      flushes.kick()
      upkeep.watch()
    },
    roomChanged: () => outcomes.roomChanged(),
    blocked: (cause) => outcomes.blocked(cause),
    stalled() {
      if (tree.levels[0]!.length < options.l0StallTrigger) return false
      // Level 0 will not get shorter: to wait would be for ever.
      if (compactions.damage !== undefined) throw compactions.damage
      return true
    },
  })
}

// Write queue and schedulers, and what each tells the others. Main thread.
import type { ManifestLog } from '../../manifest/manifest-log.ts'
import { PlanMerges } from '../compaction/plan-merges.ts'
import { CompactionScheduler } from '../compaction-scheduler.ts'
import { BackgroundOutcomes } from '../disk/background-outcomes.ts'
import { FlushScheduler } from '../flush-scheduler.ts'
import type { Foundation } from '../foundation.ts'
import { JobRunner } from '../job-runner.ts'
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
  const { clock, logger } = environment
  const { health, memtables, tables, tree, progress, obsolete } = stores
  wireFailures(manifest, stores)
  const halted = (): boolean => !manifest.usable || !manifest.stillOwned()
  const limits = wireLimits(wiring, stores)
  const { stalls, pressure, reserve } = limits
  const runner = new JobRunner({ executor, heap: machine.heap, allocator, obsolete })
  const written = wireWrites(wiring, stores, limits)
  const { writes } = written
  const outcomes = new BackgroundOutcomes({ health, logger, progress, writes, reserve, tables })
  const notices = new Notices(environment)
  const limiter: RateLimiter = new RateLimiter({ clock, rate: () => upkeep.rate })
  const upkeep: Upkeep = new Upkeep({
    ...upkeepSees(stores, foundation),
    written: () => writes.walBytes,
    compacting: () => compactions.busy,
    kick: () => compactions.kick(),
    shareChanged: () => limiter.changed(),
    look: () => void monitor().look(),
  })
  const installed = (): void => {
    pressure.changed()
    outcomes.succeeded()
    upkeep.stir()
  }
  const both = { tree, clock, notices, halted, failed: outcomes.failed, enabled: !options.readOnly }
  const flushing = (): boolean => flushes.busy || memtables.immutables.length > 0
  const { splitting } = environment
  const merges = new PlanMerges({ ...both, runner, executor, pace: limiter, flushing, splitting })
  const load = { rest: () => upkeep.rest, deferred: () => upkeep.deferred }
  const collector = new ValueCollector({ ...stores, ...load })
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
    idle: () => outcomes.roomChanged(),
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
      merges.flushed()
      installed()
      if (tree.levels[0]!.length + 2 >= options.l0CompactTrigger) executor.warmUp(2)
      compactions.kick()
    },
  })
  bindEvents({ foundation, stores, flushes, compactions, outcomes, pressure })
  return {
    ...written,
    compactions,
    merges,
    collector,
    flushes,
    runner,
    stalls,
    pressure,
    upkeep,
    limiter,
    notices,
  }
}

function wireFailures(manifest: ManifestLog, { health, progress }: Stores): void {
  manifest.onFailure((error) => health.poison('Writing the manifest', error))
  health.onPoison((error) => manifest.stop(error))
  // Whoever waits for a background job would wait for ever: most of them end here.
  health.onPoison(() => progress.signal())
}

type Seen = Pick<UpkeepParts, 'clock' | 'options' | 'levels' | 'pinned' | 'closing'>

function upkeepSees({ tree, pins, health }: Stores, { options, environment }: Foundation): Seen {
  return {
    clock: environment.clock,
    options,
    levels: () => tree.levels,
    pinned: () => pins.count > 0,
    closing: () => health.closing,
  }
}

interface Bound {
  readonly foundation: Foundation
  readonly stores: Stores
  readonly flushes: FlushScheduler
  readonly compactions: CompactionScheduler
  readonly outcomes: BackgroundOutcomes
  readonly pressure: WritePressure
}

/** What memtables tell of. */
function bindEvents({ foundation, stores, flushes, compactions, outcomes, pressure }: Bound): void {
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

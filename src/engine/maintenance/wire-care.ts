// Builds what looks after a running database: health, scrubbing, tuning. Main thread.
import type { ResolvedOptions } from '../../base/options.ts'
import { baseLevelSize, debtBytes, levelBytes } from '../../compaction/level-targets.ts'
import type { PickOptions } from '../../compaction/pick.ts'
import type { DiskWatch } from '../disk/disk-watch.ts'
import type { EngineParts } from '../engine-parts.ts'
import type { Foundation } from '../foundation.ts'
import { weigh } from '../value-log/table-weights.ts'
import { HealthMonitor, type PlainFacts } from './health-monitor.ts'
import type { Notices } from './notices.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { Scrubber } from './scrubber.ts'
import { Tuning } from './tuning.ts'

export interface CareParts
  extends Pick<
    EngineParts,
    | 'health'
    | 'pins'
    | 'cache'
    | 'tree'
    | 'writes'
    | 'walSyncer'
    | 'compactions'
    | 'collector'
    | 'upkeep'
    | 'verifier'
    | 'pressure'
    | 'diskBytes'
  > {
  readonly foundation: Foundation
  readonly watch: DiskWatch
  readonly notices: Notices
  readonly limiter: RateLimiter
}

export interface Care {
  readonly monitor: HealthMonitor
  readonly tuning: Tuning
  readonly scrubber: Scrubber
}

export function wireCare(parts: CareParts): Care {
  const { foundation, notices, limiter, pressure, health, walSyncer } = parts
  const { writes, compactions, upkeep } = parts
  const { environment, options, live } = foundation
  const { clock, logger } = environment
  const scrubber = new Scrubber({
    clock,
    logger,
    intervalMs: () => options.scrubInterval,
    verify: () => parts.verifier.verify({}),
    tell: (notice) => notices.tell(notice),
    ended: () => void monitor.look(),
  })
  const monitor = new HealthMonitor({
    clock,
    logger,
    facts: () => plainFacts(parts, scrubber.problems),
    oldestPin: () => parts.pins.oldest,
    cache: () => parts.cache.stats,
    cacheBytes: options.blockCacheSize,
    tell: (notice) => notices.tell(notice),
  })
  const tuning = new Tuning({
    live,
    durabilityChanged() {
      // What was written under the old durability gets no worse than what it was promised.
      walSyncer.stop()
      walSyncer.syncAll().catch((error: unknown) => health.poison('Syncing the log', error))
    },
    scrubIntervalChanged: () => scrubber.arm(),
    changed() {
      limiter.changed()
      pressure.changed()
      writes.resume()
      compactions.kick()
      upkeep.stir()
    },
  })
  scrubber.arm()
  return { monitor, tuning, scrubber }
}

/** Level 0 and the base level of equal size cost the least to merge. */
export function pickOptions(options: ResolvedOptions): PickOptions {
  return { ...options, baseLevelSize: baseLevelSize(options), weigh }
}

function plainFacts(parts: CareParts, scrubProblems: number): PlainFacts {
  const { foundation, health, compactions, collector, tree, upkeep, watch, pressure } = parts
  const { options } = foundation
  const { maxDiskBytes } = options
  const { levels } = tree
  const values = tree.segmentSums
  const bytes =
    values.garbage + levels.reduce((sum, _, level) => sum + levelBytes(levels, level, weigh), 0)
  const deepest = levels.findLastIndex((tables) => tables.length > 0)
  return {
    readOnly: options.readOnly,
    poison: health.poisoned?.message,
    failing: health.background?.message,
    compactionStopped: compactions.damage !== undefined,
    scrubProblems,
    spoiledSegments: collector.spoiled,
    garbageBytes: values.garbage,
    triggers: options,
    deferred: upkeep.deferred,
    level0: levels[0]!.length,
    bytes,
    deepestBytes: deepest < 0 ? 0 : levelBytes(levels, deepest, weigh),
    debtBytes: debtBytes(levels, { ...options, weigh }),
    garbageDebtBytes: pressure.garbageDebt,
    smallBytes: 4 * options.memtableSize * options.l0CompactTrigger,
    volume: volumeOf(foundation),
    quota: maxDiskBytes === undefined ? undefined : { usedBytes: parts.diskBytes(), maxDiskBytes },
    slowCall: watch.longest,
  }
}

/** undefined: the system does not tell. */
function volumeOf({ environment, directory }: Foundation): PlainFacts['volume'] {
  try {
    return environment.fs.spaceSync(directory)
  } catch {
    // Whether the directory is lost is the business of whoever writes.
    return undefined
  }
}

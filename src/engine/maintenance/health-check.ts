// What is not well with a database, and what to do about it. Pure: facts in, warnings out. Messages hold figures, never
// keys.
import { formatSize } from '../../base/option-table.ts'
import type { HealthReport, HealthWarning } from '../types.ts'
import { type Triggers, urgentDepth } from './adapt.ts'

export interface HealthFacts {
  readonly readOnly: boolean
  /** Why writes are refused for good. */
  readonly poison: string | undefined
  /** Last failure of background work that is tried again. */
  readonly failing: string | undefined
  /** Compaction met damage and has stopped. */
  readonly compactionStopped: boolean
  /** Segments in which a collection met damage: they are left alone. */
  readonly spoiledSegments: number
  /** Damaged places the last scrub found. */
  readonly scrubProblems: number
  readonly triggers: Triggers
  /** Compaction waits for the end of a load, as it was told to. */
  readonly deferred: boolean
  readonly level0: number
  /** Of `bytes`, those of segments that no table points to. */
  readonly garbageBytes: number
  /** Of tables and segments. */
  readonly bytes: number
  /** Of `bytes`, those in the deepest level that has any, and those it refers to. */
  readonly deepestBytes: number
  /** Of `bytes`, those above the level they belong in. */
  readonly debtBytes: number
  /** Bytes beyond twice what is live: writers are slowed for them. */
  readonly garbageDebtBytes: number
  /** Below this many bytes shares of them say nothing. */
  readonly smallBytes: number
  readonly volume: { readonly freeBytes: number; readonly totalBytes: number } | undefined
  /** The option maxDiskBytes. */
  readonly quota: { readonly usedBytes: number; readonly maxDiskBytes: number } | undefined
  /** The longest call to the disk under way. */
  readonly slowCall: { readonly operation: string; readonly elapsedMs: number } | undefined
  /** The oldest version a snapshot or an iterator keeps has been kept for so long, in ms. */
  readonly oldestPinMs: number
  readonly cache: {
    /** Lookups since the last look with enough of them, and how many hit. */
    readonly lookups: number
    readonly hits: number
    readonly full: boolean
  }
}

export const PIN_LONG_MS: number = 10 * 60_000
export const CACHE_LOOKUPS = 20_000
const CALL_SLOW_MS = 5_000
const SPACE_FACTOR = 2.5
const DEBT_SHARE = 0.5
/** Of all bytes, beyond twice the live ones: at 2.25 times those. */
const GARBAGE_DEBT_SHARE = 1 / 9
const HIT_RATIO = 0.5
/** Of the volume, or the quota, and bytes at most: four times what puts must leave (disk-reserve.ts). */
const FREE_SHARE = 0.08
const FREE_BYTES = 256 * 1024 * 1024

export function checkHealth(facts: HealthFacts): HealthReport {
  const warnings = [...failures(facts), ...treeWarnings(facts), ...resourceWarnings(facts)]
  if (facts.readOnly || facts.poison !== undefined) return { status: 'readOnly', warnings }
  return { status: warnings.length > 0 ? 'warning' : 'ok', warnings }
}

function failures(facts: HealthFacts): HealthWarning[] {
  const warnings: HealthWarning[] = []
  if (facts.poison !== undefined) {
    warnings.push({
      code: 'writes-refused',
      message: facts.poison,
      nextStep: 'Check the disk, then close and reopen the database.',
    })
  }
  if (facts.failing !== undefined) {
    warnings.push({
      code: 'background-failing',
      message: facts.failing,
      nextStep: 'It is tried again by itself. Check the disk and its free space.',
    })
  }
  if (facts.compactionStopped || facts.spoiledSegments > 0 || facts.scrubProblems > 0) {
    const found = facts.compactionStopped
      ? 'A compaction met a damaged file, so nothing is compacted until the database is reopened.'
      : facts.spoiledSegments > 0
        ? `${facts.spoiledSegments} segments of the value log hold damaged values; they are not collected.`
        : `The last reading of all files found ${facts.scrubProblems} damaged places.`
    warnings.push({
      code: 'damage-found',
      message: found,
      nextStep: 'Run verify() for the places. Restore the files from a backup, or run repair.',
    })
  }
  return warnings
}

function treeWarnings(facts: HealthFacts): HealthWarning[] {
  if (facts.deferred) return []
  const warnings: HealthWarning[] = []
  if (facts.level0 >= urgentDepth(facts.triggers)) {
    warnings.push({
      code: 'level0-deep',
      message: `Level 0 has ${facts.level0} tables; compaction starts at ${facts.triggers.l0CompactTrigger}.`,
      nextStep: 'Write less for a while, raise compactionRateLimit, or give it more workers.',
    })
  }
  if (facts.garbageDebtBytes > facts.bytes * GARBAGE_DEBT_SHARE) {
    warnings.push({
      code: 'garbage-debt',
      message:
        `Files take ${formatSize(facts.garbageDebtBytes)} more than twice what is live: writers are slowed until ` +
        'collections and compactions have freed it.',
      nextStep: 'Write less for a while, raise compactionRateLimit, or give it more workers.',
    })
  }
  if (facts.bytes < facts.smallBytes) return warnings
  if (facts.debtBytes > facts.bytes * DEBT_SHARE) {
    warnings.push({
      code: 'compaction-debt',
      message: `${formatSize(facts.debtBytes)} of ${formatSize(facts.bytes)} wait for compaction.`,
      nextStep: 'Write less for a while, raise compactionRateLimit, or give it more workers.',
    })
  }
  if (facts.bytes > facts.deepestBytes * SPACE_FACTOR) {
    warnings.push({
      code: 'space-amplification',
      message:
        `Tables and segments take ${formatSize(facts.bytes)}, ${formatSize(facts.garbageBytes)} of it garbage of ` +
        `segments; what the deepest level holds, ${formatSize(facts.deepestBytes)}.`,
      nextStep:
        facts.garbageBytes > facts.bytes / 4
          ? 'Wait for collections, raise compactionRateLimit, or call collectGarbage() at a quiet time.'
          : 'Wait for compaction, or call compactRange() at a quiet time.',
    })
  }
  return warnings
}

/** Of the volume, or else of the quota. */
function diskWarnings({ volume, quota }: HealthFacts): HealthWarning[] {
  const code = 'disk-nearly-full'
  if (volume !== undefined && isLittle(volume.freeBytes, volume.totalBytes)) {
    const message = `The volume has ${formatSize(volume.freeBytes)} left.`
    return [{ code, message, nextStep: 'Free some space: at a quarter of that puts stop.' }]
  }
  if (quota === undefined) return []
  const { usedBytes, maxDiskBytes } = quota
  if (!isLittle(maxDiskBytes - usedBytes, maxDiskBytes)) return []
  return [
    {
      code,
      message: `The files take ${formatSize(usedBytes)} of the ${formatSize(maxDiskBytes)} of maxDiskBytes.`,
      nextStep:
        'Delete entries and call compactRange(), or open the database with more: at the end puts stop.',
    },
  ]
}

function isLittle(left: number, all: number): boolean {
  return left < Math.min(all * FREE_SHARE, FREE_BYTES)
}

function resourceWarnings(facts: HealthFacts): HealthWarning[] {
  const warnings = diskWarnings(facts)
  const { slowCall, cache } = facts
  if (slowCall !== undefined && slowCall.elapsedMs >= CALL_SLOW_MS) {
    warnings.push({
      code: 'disk-slow',
      message: `A ${slowCall.operation} of the log has been under way for ${Math.round(slowCall.elapsedMs)} ms.`,
      nextStep: 'Check the disk: until it answers, what was written last is not durable.',
    })
  }
  if (facts.oldestPinMs >= PIN_LONG_MS) {
    warnings.push({
      code: 'snapshot-held',
      message: `A snapshot or an iterator has been open for ${Math.round(facts.oldestPinMs / 60_000)} minutes.`,
      nextStep: 'Close it: what it could still read cannot be dropped.',
    })
  }
  if (cache.full && cache.lookups >= CACHE_LOOKUPS && cache.hits < cache.lookups * HIT_RATIO) {
    const percent = Math.round((100 * cache.hits) / cache.lookups)
    warnings.push({
      code: 'cache-small',
      message: `The block cache is full, and ${percent} % of lookups find their block there.`,
      nextStep: 'Open the database with a larger blockCacheSize, or read less at random.',
    })
  }
  return warnings
}

// Gathers the figures stats() shows. Main thread; reads only.
import { debtBytes } from '../compaction/level-targets.ts'
import { storedBytes } from '../format/table-meta.ts'
import type { EngineParts } from './engine-parts.ts'
import type { EngineStats, LevelStats } from './types.ts'
import { weigh } from './value-log/table-weights.ts'

export function engineStats(parts: EngineParts): EngineStats {
  const {
    memtables,
    tree,
    flushes,
    compactions,
    collector,
    writes,
    walSyncer,
    cache,
    pins,
    stalls,
  } = parts
  const levels: LevelStats[] = tree.levels.map((tables, level) => ({
    level,
    tables: tables.length,
    bytes: storedBytes(tables),
    entries: tables.reduce((sum, { entries }) => sum + entries, 0),
  }))
  const { count, bytes, liveBytes } = tree.segmentSums
  const logged = [...memtables.immutables, memtables.active]
  return {
    version: parts.oracle.visibleVersion,
    levels,
    segments: { count, bytes, liveBytes },
    memtables: logged.map(({ memtable }) => ({
      entries: memtable.entries,
      bytes: memtable.usedBytes,
    })),
    wals: logged.length,
    flushes: flushes.flushes,
    compactions: compactions.compactions,
    compactionParts: parts.merges.parts,
    bytesFlushed: flushes.bytesFlushed,
    bytesCompacted: compactions.bytesCompacted,
    collections: collector.collections,
    bytesCollected: parts.segments.removedBytes,
    walBytes: writes.walBytes,
    walWrites: writes.walWrites,
    walSyncs: walSyncer.syncs,
    stallMs: stalls.stallMs,
    delayMs: stalls.delayMs,
    delays: stalls.delays,
    diskBytes: parts.diskBytes(),
    valueThreshold: tree.shape.separation?.threshold ?? Number.POSITIVE_INFINITY,
    tornTailsCut: parts.tornTailsCut,
    cache: cache.stats,
    workers: parts.executor.stats(),
    snapshots: pins.count,
    debtBytes: debtBytes(tree.levels, { ...parts.options, weigh }),
    garbageDebtBytes: parts.pressure.garbageDebt,
  }
}

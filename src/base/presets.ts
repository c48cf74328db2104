// The presets: frozen plain objects, one value per tunable. Explicit options win over them.
import { GIB, KIB, MIB } from './limits.ts'
import type { PresetName, PresetValues } from './option-table.ts'

/** Memory budgets are whole MiB near 1.2 and 1.6 GiB. */
const READ_HEAVY_BUDGET = 1229 * MIB
const BULK_LOAD_BUDGET = 1638 * MIB

const OFF = Number.POSITIVE_INFINITY
const DAY_MS = 86_400_000

const balanced: PresetValues = Object.freeze({
  memtableSize: 64 * MIB,
  memtableCount: 3,
  memoryBudget: 512 * MIB,
  durability: 'sync',
  l0CompactTrigger: 5,
  l0StallTrigger: 15,
  blockSize: 4 * KIB,
  compression: 'lz4',
  valueThreshold: KIB,
  segmentSize: GIB,
  segmentMaxEntries: 1_000_000,
  bloomFalsePositiveRate: 0.01,
  blockCacheSize: 128 * MIB,
  indexCacheSize: 64 * MIB,
  workers: 'cores',
  tableSize: 64 * MIB,
  scanPageSize: 1000,
  levelSizeMultiplier: 10,
  maxLevels: 7,
  compactionRateLimit: OFF,
  idleAfter: 5_000,
  deferCompaction: false,
  scrubInterval: OFF,
  cacheGrowth: 'misses',
})

const everyTenth = Object.freeze({ interval: 100 })

export const PRESETS: Readonly<Record<PresetName, PresetValues>> = Object.freeze({
  balanced,
  throughput: Object.freeze({
    ...balanced,
    memtableSize: 256 * MIB,
    memtableCount: 5,
    memoryBudget: 2 * GIB,
    durability: everyTenth,
    l0CompactTrigger: 10,
    blockSize: 16 * KIB,
    bloomFalsePositiveRate: 0.001,
    blockCacheSize: 256 * MIB,
    indexCacheSize: 128 * MIB,
    tableSize: 128 * MIB,
    segmentSize: 2 * GIB,
    segmentMaxEntries: 10_000_000,
  }),
  readHeavy: Object.freeze({
    ...balanced,
    memtableSize: 128 * MIB,
    memtableCount: 5,
    memoryBudget: READ_HEAVY_BUDGET,
    durability: everyTenth,
    l0StallTrigger: 10,
    blockSize: 16 * KIB,
    blockCacheSize: 256 * MIB,
    indexCacheSize: 100 * MIB,
  }),
  // What a flush or a compaction wrote is read back before it counts, under every preset.
  durable: Object.freeze({ ...balanced, scrubInterval: DAY_MS }),
  lowMemory: Object.freeze({
    ...balanced,
    memtableSize: 8 * MIB,
    memtableCount: 2,
    memoryBudget: 64 * MIB,
    l0CompactTrigger: 4,
    l0StallTrigger: 12,
    blockCacheSize: 8 * MIB,
    indexCacheSize: 8 * MIB,
    workers: 1,
    tableSize: 16 * MIB,
    valueThreshold: 512,
    segmentSize: 64 * MIB,
    segmentMaxEntries: 100_000,
    scanPageSize: 100,
    cacheGrowth: 'hits',
  }),
  bulkLoad: Object.freeze({
    ...balanced,
    memtableSize: 256 * MIB,
    memtableCount: 5,
    memoryBudget: BULK_LOAD_BUDGET,
    durability: 'none',
    l0CompactTrigger: 20,
    l0StallTrigger: OFF,
    deferCompaction: true,
    blockSize: 16 * KIB,
    blockCacheSize: 64 * MIB,
    tableSize: 128 * MIB,
    segmentSize: 2 * GIB,
    segmentMaxEntries: 10_000_000,
  }),
})

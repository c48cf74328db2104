// DESIGN §10 as data: what Sett is held to (reach) and what one would be proud of (stretch), row by row.
import { presets } from 'sett'
import type { DatasetSpec } from '../data/dataset.ts'

/** Whom a rate is compared with: the best Node peer, the better of Badger's option sets, or one engine by its name. */
export type Rival =
  | 'peer'
  | 'best badger'
  | 'badger'
  | 'badger:tuned'
  | 'classic-level'
  | 'raw-append'
  | 'raw-overwrite'

export type Bar =
  /** Operations per second: at least `times` those of the rival in the same run (in another workload, if given). */
  | {
      readonly measure: 'rate'
      readonly times: number
      readonly of: Rival
      readonly workload?: string
    }
  /** 99th percentile: at most that of the best peer. */
  | { readonly measure: 'p99' }
  /** ms: event-loop delay p99 at most this above that of the control. */
  | { readonly measure: 'loop'; readonly aboveControl: number }
  /** MiB, at most. */
  | { readonly measure: 'peak'; readonly most: number }
  /** MiB that the process grew by, at most this beside its memory budget. */
  | { readonly measure: 'memory'; readonly beside: number }
  /** Bytes on disk over bytes of keys and values, at most. */
  | { readonly measure: 'space'; readonly most: number }
  /** Bytes the engine wrote (log, flush, compaction) over bytes of keys and values, at most. */
  | { readonly measure: 'written'; readonly most: number }
  /** The slowest second of a fill over the mean of its seconds, at least. */
  | { readonly measure: 'second'; readonly least: number }
  /** The last half of a fill over its second tenth, at least. */
  | { readonly measure: 'lasting'; readonly least: number }
  /** The last tenth of a fill: at least `times` that of the rival in the same run. */
  | { readonly measure: 'last tenth'; readonly times: number; readonly of: Rival }

/** Which data a target is for: 100 B values; the same, 10 M keys or more; 1 KiB and 16 KiB. Keys: random, 16 B. */
export type TargetData = 'small values' | 'many keys' | 'large values'

export interface Target {
  readonly workload: string
  /** Set: for this preset instead of the row without one. */
  readonly engine?: string
  /** Default: small values, however many keys. */
  readonly data?: TargetData
  readonly reach: readonly Bar[]
  readonly stretch: readonly Bar[]
}

export type Measure = Bar['measure']

function times(factor: number, of: Rival = 'peer', workload?: string): Bar {
  const bar = { measure: 'rate', times: factor, of } as const
  return workload === undefined ? bar : { ...bar, workload }
}

function row(workload: string, reach: readonly Bar[], stretch: readonly Bar[]): Target {
  return { workload, reach, stretch }
}

function on(data: TargetData, workload: string, bar: Bar): Target {
  return { workload, data, reach: [bar], stretch: [] }
}

const NO_SLOWER_P99: Bar = { measure: 'p99' }

export const TARGETS: readonly Target[] = [
  row('fillrandom', [times(2)], [times(3)]),
  row('fillseq', [times(1.3)], [times(2)]),
  row('put256', [times(3), times(2, 'best badger')], [times(8)]),
  row('put1', [times(3), times(1.4, 'best badger')], [times(2, 'best badger')]),
  // 64 committers share a sync: 0.6 of what 64 records for each turn of the raw loop would give.
  row('fillsync64', [times(3), times(0.6 * 64, 'raw-append', 'fillsync1')], [times(5)]),
  row('fillsync1', [times(1.1), times(0.62, 'raw-overwrite')], [times(0.8, 'raw-overwrite')]),
  row('readrandom-sync', [times(1.3)], [times(2)]),
  { ...row('readrandom-sync', [times(1.6)], [times(2)]), engine: 'sett:readHeavy' },
  row('readrandom-await64', [times(1.3)], [times(2)]),
  row('getMany100', [times(1.3)], [times(2)]),
  row('readmissing', [times(1.5)], [times(2)]),
  row('readseq', [times(2.5), times(1, 'best badger')], [times(4), times(1.3, 'badger:tuned')]),
  row('readseq-keys', [times(1)], [times(2)]),
  row('seekrandom10', [times(1.3), times(1.5, 'badger')], [times(2), times(1.2, 'badger:tuned')]),
  row('readwhilewriting', [times(1), NO_SLOWER_P99], [times(1.5), NO_SLOWER_P99]),
  row('fillrandom', [{ measure: 'loop', aboveControl: 2 }], [{ measure: 'loop', aboveControl: 1 }]),
  row('fillrandom', [{ measure: 'peak', most: 400 }], [{ measure: 'peak', most: 300 }]),
  {
    ...row('fillrandom', [{ measure: 'peak', most: 150 }], [{ measure: 'peak', most: 110 }]),
    engine: 'sett:lowMemory',
  },
  row('compact', [{ measure: 'space', most: 0.85 }], [{ measure: 'space', most: 0.8 }]),
  on('many keys', 'fillrandom', { measure: 'lasting', least: 0.7 }),
  on('many keys', 'fillrandom', { measure: 'last tenth', times: 1.5, of: 'classic-level' }),
  on('many keys', 'fillrandom', { measure: 'second', least: 0.3 }),
  on('many keys', 'fillrandom', { measure: 'written', most: 12 }),
  { ...on('many keys', 'fillrandom', { measure: 'memory', beside: 64 }), engine: 'sett' },
  on('large values', 'fillrandom', times(1.5)),
  // Into the log and into its segment, no compaction moves it; keys and pointers, which it does, are few beside it.
  on('large values', 'fillrandom', { measure: 'written', most: 2 }),
  ...['ycsb-b', 'ycsb-c', 'ycsb-d'].map((name) => row(name, [times(1.1)], [times(2)])),
  ...['ycsb-a', 'ycsb-f'].map((name) => row(name, [times(1.5)], [times(2)])),
  row('ycsb-e', [times(1.5)], [times(3)]),
]

const YCSB = /^ycsb-/

/** Rows of DESIGN §10 that no workload here measures. */
export const UNMEASURED: readonly string[] = [
  'update of 2 reads + 2 writes',
  'data 10 × the caches',
  '124 k entries of 60 B',
]

export interface Asked {
  readonly engine: string
  readonly workload: string
  readonly dataset: DatasetSpec
  readonly measure: Measure
}

const MANY_KEYS = 10_000_000
const LARGE_VALUES = [1_024, 16_384]
/** MiB, of Sett without a preset. */
export const MEMORY_BUDGET: number = presets.balanced.memoryBudget / 2 ** 20

function dataOf({ count, keys, keyBytes, valueBytes }: DatasetSpec): readonly TargetData[] {
  if (keyBytes !== 16 || keys !== 'random') return []
  if (LARGE_VALUES.includes(valueBytes)) return ['large values']
  if (valueBytes !== 100) return []
  return count >= MANY_KEYS ? ['small values', 'many keys'] : ['small values']
}

/** undefined: DESIGN §10 has no such row, or has it for other data. */
export function targetOf({ engine, workload, dataset, measure }: Asked): Target | undefined {
  const itsData = dataOf(dataset)
  const rows = TARGETS.filter(
    (one) =>
      one.workload === workload &&
      one.reach.some((bar) => bar.measure === measure) &&
      (YCSB.test(workload) || itsData.includes(one.data ?? 'small values')),
  )
  return rows.find((one) => one.engine === engine) ?? rows.find((one) => one.engine === undefined)
}

/** `3 ×, 2 × Badger`; empty for no bars. */
export function describeBars(bars: readonly Bar[]): string {
  return bars.map(describeBar).join(', ')
}

const RIVALS: { readonly [Name in Rival]?: string } = {
  'best badger': 'Badger',
  badger: 'Badger default',
  'badger:tuned': 'Badger tuned',
  'classic-level': 'classic-level',
  'raw-append': 'raw-append',
  'raw-overwrite': 'raw-overwrite',
}

function describeBar(bar: Bar): string {
  switch (bar.measure) {
    case 'rate': {
      const factor = `${Number(bar.times.toFixed(2))} ×`
      if (bar.of === 'peer') return factor
      return [factor, RIVALS[bar.of], bar.workload].filter((part) => part !== undefined).join(' ')
    }
    case 'p99':
      return 'p99 ≤ its'
    case 'loop':
      return `control + ${bar.aboveControl} ms`
    case 'peak':
      return `≤ ${bar.most} MiB`
    case 'memory':
      return `≤ ${MEMORY_BUDGET} + ${bar.beside} MiB`
    case 'space':
    case 'written':
      return `≤ ${bar.most}`
    case 'second':
    case 'lasting':
      return `≥ ${bar.least}`
    case 'last tenth':
      return `${bar.times} × ${RIVALS[bar.of] ?? ''}`.trim()
  }
}

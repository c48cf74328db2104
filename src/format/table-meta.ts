// What the manifest records of an SSTable: plain data, cloneable between threads.
import { EXPIRY_STEPS_MAX } from '../base/limits.ts'
import type { SegmentUse } from './segments/segment-meta.ts'

export interface TableMeta {
  readonly number: number
  readonly size: number
  /** The 8 salt bytes as 16 hex digits. */
  readonly salt: string
  readonly entries: number
  readonly tombstones: number
  /** ms since 1970; 0: no entry expires. */
  readonly earliestExpiry: number
  /** ms since 1970; 0: some entry never expires. */
  readonly latestExpiry: number
  readonly smallestVersion: number
  readonly largestVersion: number
  readonly baseVersion: number
  /** Length of the largest block, with trailer, before compression: no block needs more room, stored or read. */
  readonly largestBlock: number
  /** Newest WAL whose records the table holds; 0 unknown. */
  readonly newestWal: number
  readonly smallestKey: Uint8Array
  readonly largestKey: Uint8Array
  /** How blocks are compressed; undefined: none is. */
  readonly packing?: TablePacking
  /** Segments its values lie in, by number, each above 0 bytes; undefined: none. At most SEGMENTS_PER_TABLE_MAX. */
  readonly segments?: readonly SegmentUse[]
  /** What expires when, by time, 1 to EXPIRY_STEPS_MAX; undefined: nothing does, or the table is from before it was
   * counted. */
  readonly expiring?: readonly ExpiryStep[]
}

/** Entries that expire after those of the step before. */
export interface ExpiryStep {
  /** The last of them expires then, in ms since 1970. */
  readonly until: number
  readonly entries: number
  /** Keys and values as they lie in the table, before compression, and 8 for each entry. */
  readonly bytes: number
  /** Stored bytes of their values in segments. */
  readonly referred: number
}

/** In the order in which files have them. */
export const STEP_FIELDS = ['until', 'entries', 'bytes', 'referred'] as const

export interface TablePacking {
  /** 1 LZ4, 2 zstd (FORMAT §6). */
  readonly codec: number
  /** Payloads of all data blocks before compression. */
  readonly payloadBytes: number
}

/** Bytes of the data blocks before compression; for a table without, its size. */
export function plainBytes({ size, packing }: TableMeta): number {
  return packing?.payloadBytes ?? size
}

/** Bytes in segments of the values it points to. */
export function referredBytes(table: TableMeta): number {
  const { segments = [] } = table
  let bytes = 0
  for (const use of segments) bytes += use.bytes
  return bytes
}

/** By time, each with entries, and as much as there may be of each. */
export function areExpirySteps(steps: readonly ExpiryStep[]): boolean {
  const follows = ({ until, entries }: ExpiryStep, i: number): boolean =>
    until > (steps[i - 1]?.until ?? 0) && entries > 0
  return steps.length <= EXPIRY_STEPS_MAX && steps.every(follows)
}

export function sameSteps(a: readonly ExpiryStep[], b: readonly ExpiryStep[]): boolean {
  const same = (step: ExpiryStep, i: number): boolean => {
    const other = b[i]
    return STEP_FIELDS.every((field) => step[field] === other?.[field])
  }
  return a.length === b.length && a.every(same)
}

/** Bytes of the table's file, and of the values it points to. */
export function weightOf(table: TableMeta): number {
  return table.size + referredBytes(table)
}

/** Bytes of the tables' files. */
export function storedBytes(tables: readonly TableMeta[]): number {
  return tables.reduce((sum, { size }) => sum + size, 0)
}

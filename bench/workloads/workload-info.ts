// What is known of a workload beside its code: the shape of a row of the vocabularies.

export const GROUPS = ['write', 'sync', 'read', 'scan', 'space'] as const
export type Group = (typeof GROUPS)[number]

export interface WorkloadInfo {
  readonly name: string
  /** YCSB's workloads stand in their own table (ycsb/vocabulary.ts). */
  readonly group: Group | 'ycsb'
  readonly title: string
  /**
   * `empty`: a new directory. `filled`: all keys of the dataset present (value generation 0 or 1), some still in
   * memory. `settled`: filled, written out and compacted before the clock starts.
   */
  readonly begins: 'empty' | 'filled' | 'settled'
  /** True: the database is no longer the whole dataset afterwards. */
  readonly spoils: boolean
  /** True: the store's close is inside the time of the cell, so nothing else runs in that process. */
  readonly closes: boolean
  /** Operations at most, as a function of the dataset's keys; undefined: as many as fit into `seconds`. */
  readonly operations: ((keys: number) => number) | undefined
  /** Ends the cell early; undefined: it always runs to its count. */
  readonly seconds: number | undefined
}

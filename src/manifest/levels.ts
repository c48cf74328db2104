// The immutable picture of all levels: plain data, cloneable between threads.

export interface TableMeta {
  readonly number: number
  readonly size: number
  /** The 8 salt bytes as 16 hex digits. */
  readonly salt: string
  readonly entries: number
  readonly tombstones: number
  readonly smallestVersion: number
  readonly largestVersion: number
  readonly baseVersion: number
  /** Stored length of the largest block, with trailer. */
  readonly largestBlock: number
  /** Newest WAL whose records the table holds; 0 unknown. */
  readonly newestWal: number
  readonly smallestKey: Uint8Array
  readonly largestKey: Uint8Array
}

/** levels[0]: newest first, ranges may overlap. levels[1..6]: by key, no user key in two tables. */
export type Levels = readonly (readonly TableMeta[])[]

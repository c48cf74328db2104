// What the manifest records of an SSTable: plain data, cloneable between threads.

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
  /** Stored length of the largest block, with trailer. */
  readonly largestBlock: number
  /** Newest WAL whose records the table holds; 0 unknown. */
  readonly newestWal: number
  readonly smallestKey: Uint8Array
  readonly largestKey: Uint8Array
}

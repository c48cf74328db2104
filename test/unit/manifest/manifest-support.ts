// Tables and edits that several manifest tests start from.
import type { ManifestEdit } from '../../../src/format/manifest-edit.ts'
import type { ManifestState } from '../../../src/manifest/apply-edit.ts'
import type { TableMeta } from '../../../src/manifest/levels.ts'

export function table(
  number: number,
  from: string,
  to: string,
  version: number = number,
): TableMeta {
  return {
    number,
    size: 1000,
    salt: '0011223344556677',
    entries: 10,
    tombstones: 0,
    earliestExpiry: 0,
    latestExpiry: 0,
    smallestVersion: version,
    largestVersion: version,
    baseVersion: version,
    largestBlock: 500,
    newestWal: 1,
    smallestKey: Buffer.from(from),
    largestKey: Buffer.from(to),
  }
}

/** A short life of a database. */
export const EDITS: readonly ManifestEdit[] = [
  { walsAdded: [{ number: 2, salt: 'aaaaaaaaaaaaaaaa' }], nextFileNumber: 3 },
  { tablesAdded: [{ level: 0, table: table(3, 'a', 'm') }], lastVersion: 50 },
  { walsAdded: [{ number: 4, salt: 'bbbbbbbbbbbbbbbb' }] },
  { walsSealed: [{ number: 2, length: 500, lastVersion: 40, digest: '1'.repeat(16) }] },
  { walsDropped: [2], tablesAdded: [{ level: 0, table: table(5, 'c', 'z') }] },
  {
    tablesRemoved: [
      { level: 0, number: 3 },
      { level: 0, number: 5 },
    ],
    tablesAdded: [
      { level: 6, table: table(6, 'a', 'k') },
      { level: 6, table: table(7, 'l', 'z') },
    ],
    historyFloor: 33,
  },
  { retentionFloors: [{ name: 'backup', version: 30 }] },
]

/** A state that compares by value. */
export function plain(state: ManifestState | undefined): object {
  return {
    ...state,
    retentionFloors: [...(state?.retentionFloors ?? [])],
  }
}

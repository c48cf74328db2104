// The input of all cases: 16-byte random keys and 100-byte values, as in the large workloads.
import type { TestEntry } from '../../test/unit/kernel/block-support.ts'
import { Dataset } from '../data/dataset.ts'

export const KEY_BYTES = 16
export const VALUE_BYTES = 100
export const FIRST_VERSION = 1_000
const PUT = 1

/** The same keys for the same count. */
export function dataset(count: number): Dataset {
  return new Dataset({
    count,
    keys: 'random',
    keyBytes: KEY_BYTES,
    valueBytes: VALUE_BYTES,
    seed: 42,
  })
}

/** Puts in key order, versions in the order of writing. */
export function sortedEntries(count: number): TestEntry[] {
  const data = dataset(count)
  return Array.from(data.ascending(), (index) => ({
    key: data.key(index),
    value: data.value(index),
    version: FIRST_VERSION + index,
    tag: PUT,
    meta: 0,
    expiresAt: 0,
  }))
}

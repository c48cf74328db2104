// A commit with values too large for a memtable: they go to a segment first, and it carries pointers in their places.
// Main thread.
import { VALUE_POINTER_BYTES } from '../../format/segments/value-pointer.ts'
import { dataLength } from '../../memtable/memtable.ts'
import type { WriteOptions } from '../types.ts'
import type { LargeValues } from '../value-log/large-values.ts'
import {
  type CommitOperation,
  checkCommitBytes,
  checkHeldCommit,
  checkHeldValue,
  commitBytes,
  copiedBytes,
  copyOperation,
  type Expiries,
  holdsLarge,
} from './commit-operations.ts'
import type { Commit } from './waiting-commits.ts'

export interface CommitLimits {
  /** Values longer than this are large. */
  readonly heldValueBytes: number
  /** Longest value, and longest commit without its large values, in bytes. */
  readonly commitBytesMax: number
  /** Most bytes that may be copied. */
  readonly waitingBytesMax: number
}

/** As long as every pointer. */
const NO_POINTER = Buffer.alloc(VALUE_POINTER_BYTES)

export class LargeCommit {
  /** Copied for it while it waits. */
  readonly bytes: number
  /** Of its large values. */
  readonly valueBytes: number
  readonly #operations: readonly CommitOperation[]
  readonly #expiries: Expiries
  /** Places of the large values among the operations. */
  readonly #large: readonly number[]
  readonly #lengths: readonly number[]

  /** Throws SETT_TOO_LARGE. */
  constructor(operations: readonly CommitOperation[], expiries: Expiries, limits: CommitLimits) {
    const { heldValueBytes, commitBytesMax, waitingBytesMax } = limits
    const places = [...operations.keys()]
    this.#large = places.filter((place) => holdsLarge(operations[place]!, heldValueBytes))
    this.#lengths = this.#large.map((place) => dataLength(operations[place]!.value!))
    for (const length of this.#lengths) checkHeldValue(length, commitBytesMax)
    const empty = this.#large.map(() => NO_POINTER)
    const carried = commitBytes(withPointers(operations, this.#large, empty), expiries)
    checkCommitBytes(carried, commitBytesMax)
    this.valueBytes = this.#lengths.reduce((sum, length) => sum + length, 0)
    checkHeldCommit(this.valueBytes, waitingBytesMax)
    this.bytes = copiedBytes(operations)
    this.#operations = operations
    this.#expiries = expiries
  }

  /** Copies the operations and has the large values stored; resolves with what is left to commit. */
  async store(values: LargeValues, options: WriteOptions): Promise<Commit> {
    const copies = this.#operations.map(copyOperation)
    const large = this.#large
    const stored = await values.store(
      large.map((place, i) => {
        const { key, value } = copies[place]!
        return { key, value: value!, bytes: this.#lengths[i]! }
      }),
    )
    const operations = withPointers(copies, large, stored.pointers)
    return { operations, expiries: this.#expiries, options, stored }
  }
}

/** The operations, those at `places` pointing to their values. */
function withPointers(
  operations: readonly CommitOperation[],
  places: readonly number[],
  pointers: readonly Buffer[],
): readonly CommitOperation[] {
  const pointing = [...operations]
  for (const [i, place] of places.entries()) {
    pointing[place] = { type: 'pointer', key: operations[place]!.key, value: pointers[i]! }
  }
  return pointing
}

// The contract of a merge input: a sorted run of entries, handed over as batches of descriptors.
// One thread drives a source and its merge; a source owns the memory its descriptors point into.

/** Puts the next descriptors of the run where the merge kernel looks for them. */
export interface RunSource {
  /** `slot` is the address of this source's SOURCE_* fields: sets SOURCE_NEXT and SOURCE_END to the next
   * batch and SOURCE_LAST to 1 when no further batch will come (the batch may then be empty). The batch
   * before is gone. */
  refill(slot: number): void
  /** Entries handed over so far. */
  readonly entries: number
  /** Bytes read from files so far. */
  readonly bytesRead: number
  /** Lets go of what the source holds (cache slots, tables). Idempotent. */
  close(): void
}

/** Memory of the heap for a moment: for blocks that no fixed buffer holds. */
export interface SpareMemory {
  /** Address (8-aligned) of `bytes` bytes, or 0 when there are none to spare. */
  borrow(bytes: number): number
  /** Gives back what borrow answered. */
  giveBack(address: number): void
}

/** There is never any: large blocks then go through ordinary buffers, slower but as correct. */
export const noSpareMemory: SpareMemory = {
  borrow: () => 0,
  giveBack: () => undefined,
}

// Parts of values in the heap (FORMAT §9): sealed for a place in a segment, or held against the checksum they have
// there. Any thread.
import type { KernelHeap } from '../cursor/words.ts'
import { PART_COVERED, PART_HEADER_BYTES } from '../format/segments/segment-part.ts'

/** What the checksum of a part is bound to. */
export interface PartPlace {
  readonly fileNumber: number
  /** Address of the 8 salt bytes. */
  readonly saltAddress: number
  /** File offset of the part. */
  readonly position: number
}

/** Writes the checksum of a part whose other fields and stored bytes lie at the address. */
export function sealPart(
  { kernels }: KernelHeap,
  { fileNumber, saltAddress, position }: PartPlace,
  address: number,
  storedLength: number,
): void {
  const covered = PART_HEADER_BYTES - PART_COVERED + storedLength
  kernels.checksum(address + PART_COVERED, covered, saltAddress, fileNumber, position, address)
}

/** Whether the part at the address is the one that was sealed for this place. */
export function isSealed(
  { kernels }: KernelHeap,
  { fileNumber, saltAddress, position }: PartPlace,
  address: number,
  storedLength: number,
): boolean {
  const data = address + PART_COVERED
  const covered = PART_HEADER_BYTES - PART_COVERED + storedLength
  return kernels.checksumMatches(data, covered, saltAddress, fileNumber, position, address) === 1
}

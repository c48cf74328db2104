// Commit `number` of seed `seed`, derived from the two alone: the writer makes it, the parent's oracle makes it
// again from the number it was told, and nothing of it has to cross the pipe.
import { prng, seededBytes } from '../model/prng.ts'

export interface KillOperation {
  readonly type: 'put' | 'del'
  readonly key: string
  /** Position in the commit; part of the value's tag. */
  readonly index: number
  /** Value length in bytes; 0 for a delete. */
  readonly length: number
}

export interface Commit {
  readonly number: number
  readonly single: boolean
  readonly operations: readonly KillOperation[]
}

/** Shortest value: commit number u32, operation index u16, length u32. */
export const VALUE_HEADER_BYTES = 10
const KEY_COUNT = 2_000
/** More than a quarter of a memtable, of any size they have. */
const LENGTH_MAX = 48 * 1024

export function commitOf(seed: number, number: number): Commit {
  const random = prng(seed, number)
  const single = random.chance(0.6)
  const count = single ? 1 : 2 + random.below(random.chance(0.25) ? 49 : 10)
  const operations: KillOperation[] = []
  for (let index = 0; index < count; index++) {
    const type = random.chance(0.25) ? 'del' : 'put'
    const key = keyOf(random.below(KEY_COUNT))
    operations.push({ type, key, index, length: type === 'del' ? 0 : lengthOf(random.u32()) })
  }
  return { number, single, operations }
}

function keyOf(ordinal: number): string {
  const digits = String(ordinal).padStart(5, '0')
  if (ordinal % 3 === 0) return digits
  if (ordinal % 3 === 1) return `shared/prefix/of/some/length/${digits}`
  return `${digits}/${'x'.repeat(ordinal % 300)}`
}

function lengthOf(draw: number): number {
  const share = draw % 100
  const spread = Math.floor(draw / 100)
  if (share < 70) return VALUE_HEADER_BYTES + (spread % 90)
  if (share < 95) return 100 + (spread % 500)
  if (share < 99) return 1_000 + (spread % 4_000)
  return 5_000 + (spread % (LENGTH_MAX - 5_000 + 1))
}

/** One number per written value; compared instead of bytes once the bytes were checked. */
export function tagOf(number: number, index: number): number {
  return number * 64 + index
}

export function bytesFor(number: number, operation: KillOperation): Buffer {
  const value = seededBytes(tagOf(number, operation.index), operation.length)
  value.writeUInt32LE(number, 0)
  value.writeUInt16LE(operation.index, 4)
  value.writeUInt32LE(operation.length, 6)
  return value
}

/** The tag of a value that is byte for byte what a commit wrote; -1 for any other bytes. */
export function tagOfValue(value: Uint8Array): number {
  if (value.length < VALUE_HEADER_BYTES || value.length > LENGTH_MAX) return -1
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length)
  const number = bytes.readUInt32LE(0)
  const index = bytes.readUInt16LE(4)
  const length = bytes.readUInt32LE(6)
  if (length !== bytes.length) return -1
  const expected = bytesFor(number, { type: 'put', key: '', index, length })
  return expected.equals(bytes) ? tagOf(number, index) : -1
}

// Numbers at the edges, put where a structure has fields.
import type { Prng } from '../../model/prng.ts'

export interface Field {
  readonly at: number
  readonly size: 1 | 2 | 4 | 8
}

const EDGES: readonly bigint[] = [
  0n,
  1n,
  2n,
  7n,
  8n,
  15n,
  16n,
  63n,
  64n,
  127n,
  128n,
  255n,
  256n,
  65_535n,
  65_536n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
]

/** Near the honest number, at an edge, or anything. */
export function oddNumber(random: Prng, honest: bigint): bigint {
  const kind = random.below(10)
  if (kind < 3) return honest + BigInt(random.below(9) - 4)
  if (kind === 3) return honest * 2n
  if (kind < 9) return EDGES[random.below(EDGES.length)]!
  return (BigInt(random.u32()) << 32n) | BigInt(random.u32())
}

/** The same for numbers that a double holds. */
export function oddSafe(random: Prng, honest: number): number {
  const odd = oddNumber(random, BigInt(honest))
  return Number(BigInt.asUintN(53, odd < 0n ? 0n : odd))
}

export function readField(bytes: Buffer, { at, size }: Field): bigint {
  return size === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUIntLE(at, size))
}

export function writeField(bytes: Buffer, { at, size }: Field, value: bigint): void {
  const fitted = BigInt.asUintN(8 * size, value)
  if (size === 8) bytes.writeBigUInt64LE(fitted, at)
  else bytes.writeUIntLE(Number(fitted), at, size)
}

/** Changes one to three of the fields, or now and then any byte. */
export function mutate(bytes: Buffer, fields: readonly Field[], random: Prng): void {
  for (let count = 1 + random.below(3); count > 0; count--) {
    const field = fields[random.below(fields.length)]
    if (field === undefined || random.chance(0.1)) {
      if (bytes.length > 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
    } else if (field.at + field.size <= bytes.length) {
      writeField(bytes, field, oddNumber(random, readField(bytes, field)))
    }
  }
}

/** The bytes, sometimes shorter or longer than they should be. */
export function resized(bytes: Buffer, random: Prng): Buffer {
  const luck = random.below(40)
  if (luck === 0) return bytes.subarray(0, random.below(bytes.length + 1))
  if (luck === 1) return Buffer.concat([bytes, Buffer.alloc(1 + random.below(40))])
  return bytes
}

export function randomBytes(random: Prng, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) bytes[i] = random.below(256)
  return bytes
}

export function pick<T>(random: Prng, list: readonly T[]): T {
  return list[random.below(list.length)]!
}

/** u64 fields from `at` on. */
export function u64s(at: number, count: number): Field[] {
  return Array.from({ length: count }, (_, i) => ({ at: at + 8 * i, size: 8 }))
}

export function u32s(at: number, count: number): Field[] {
  return Array.from({ length: count }, (_, i) => ({ at: at + 4 * i, size: 4 }))
}

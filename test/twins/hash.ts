// Twin of the hash kernels: XXH64 as its specification words it, on BigInt.
import type { Kernels } from '../../src/kernel/kernels.ts'

const MASK = 0xffff_ffff_ffff_ffffn
const P1 = 0x9e3779b185ebca87n
const P2 = 0xc2b2ae3d27d4eb4fn
const P3 = 0x165667b19e3779f9n
const P4 = 0x85ebca77c2b2ae63n
const P5 = 0x27d4eb2f165667c5n

function rotate(value: bigint, by: bigint): bigint {
  return ((value << by) | (value >> (64n - by))) & MASK
}

function round(accumulator: bigint, lane: bigint): bigint {
  return (rotate((accumulator + lane * P2) & MASK, 31n) * P1) & MASK
}

function stripes(bytes: Buffer, seed: bigint): bigint {
  const lanes = [seed + P1 + P2, seed + P2, seed, seed - P1].map((lane) => lane & MASK)
  for (let at = 0; at + 32 <= bytes.length; at += 32) {
    for (let i = 0; i < 4; i++) lanes[i] = round(lanes[i]!, bytes.readBigUInt64LE(at + 8 * i))
  }
  const turns = [1n, 7n, 12n, 18n]
  let hash = lanes.reduce((sum, lane, i) => sum + rotate(lane, turns[i]!), 0n) & MASK
  for (const lane of lanes) hash = ((hash ^ round(0n, lane)) * P1 + P4) & MASK
  return hash
}

export function xxh64Twin(bytes: Buffer, seed: bigint): bigint {
  let hash = bytes.length >= 32 ? stripes(bytes, seed) : (seed + P5) & MASK
  hash = (hash + BigInt(bytes.length)) & MASK
  let at = bytes.length - (bytes.length % 32)
  for (; at + 8 <= bytes.length; at += 8) {
    hash = (rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4) & MASK
  }
  if (at + 4 <= bytes.length) {
    const word = (BigInt(bytes.readUInt32LE(at)) * P1) & MASK
    hash = (rotate(hash ^ word, 23n) * P2 + P3) & MASK
    at += 4
  }
  for (; at < bytes.length; at++) {
    hash = (rotate(hash ^ ((BigInt(bytes[at]!) * P5) & MASK), 11n) * P1) & MASK
  }
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK
  return hash ^ (hash >> 32n)
}

/** FORMAT §1. */
export function checksumTwin(
  bytes: Buffer,
  salt: bigint,
  fileNumber: number,
  position: number,
): bigint {
  const place = Buffer.alloc(24)
  place.writeBigUInt64LE(salt, 0)
  place.writeBigUInt64LE(BigInt(fileNumber), 8)
  place.writeBigUInt64LE(BigInt(position), 16)
  return xxh64Twin(bytes, xxh64Twin(place, 0n))
}

export type HashKernels = Pick<Kernels, 'hash64' | 'checksum' | 'checksumMatches'>

export function hashTwin(memory: WebAssembly.Memory): HashKernels {
  const bytes = Buffer.from(memory.buffer)
  const slice = (at: number, length: number) => bytes.subarray(at, at + length)
  return {
    hash64(data, length, seed, out) {
      const start = seed === 0 ? 0n : bytes.readBigUInt64LE(seed)
      bytes.writeBigUInt64LE(xxh64Twin(slice(data, length), start), out)
    },
    checksum(data, length, salt, fileNumber, position, out) {
      const saltValue = bytes.readBigUInt64LE(salt)
      const sum = checksumTwin(slice(data, length), saltValue, fileNumber, position)
      bytes.writeBigUInt64LE(sum, out)
    },
    checksumMatches(data, length, salt, fileNumber, position, expected) {
      const saltValue = bytes.readBigUInt64LE(salt)
      const sum = checksumTwin(slice(data, length), saltValue, fileNumber, position)
      return sum === bytes.readBigUInt64LE(expected) ? 1 : 0
    },
  }
}

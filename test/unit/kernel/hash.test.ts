import { beforeAll, describe, expect, it } from 'vitest'
import xxhash from 'xxhash-wasm'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { hashTwin } from '../../twins/hash.ts'
import { randomBytes, seeded, sharedMemory } from './memtable-fixture.ts'

type H64 = (input: Uint8Array, seed?: bigint) => bigint

const memory = sharedMemory(262_144)
const bytes = Buffer.from(memory.buffer)
const wasm = wasmKernels(memory)
const twin = hashTwin(memory)
const SEED_AT = 8
const SALT_AT = 16
const OUT_AT = 32
const DATA_AT = 1000

describe('xxh64', () => {
  let h64: H64
  beforeAll(async () => {
    h64 = (await xxhash()).h64Raw
  })

  it('equals xxhash-wasm at every length up to 300, at any alignment and seed', () => {
    const random = seeded(1)
    randomBytes(random, 400).copy(bytes, DATA_AT)
    for (let length = 0; length <= 300; length++) {
      const at = DATA_AT + random(16)
      const seed = randomBytes(random, 8).readBigUInt64LE()
      bytes.writeBigUInt64LE(seed, SEED_AT)
      const data = Buffer.from(bytes.subarray(at, at + length))
      for (const kernel of [wasm, twin]) {
        kernel.hash64(at, length, SEED_AT, OUT_AT)
        expect(bytes.readBigUInt64LE(OUT_AT)).toBe(h64(data, seed))
        kernel.hash64(at, length, 0, OUT_AT)
        expect(bytes.readBigUInt64LE(OUT_AT)).toBe(h64(data, 0n))
      }
    }
  })

  it('equals xxhash-wasm on large inputs', () => {
    const random = seeded(2)
    randomBytes(random, 100_000).copy(bytes, DATA_AT)
    for (const length of [4096, 16_384, 65_537, 99_999]) {
      wasm.hash64(DATA_AT, length, 0, OUT_AT)
      const data = Buffer.from(bytes.subarray(DATA_AT, DATA_AT + length))
      expect(bytes.readBigUInt64LE(OUT_AT)).toBe(h64(data, 0n))
    }
  })
})

describe('placed checksums', () => {
  const places = [
    [1, 0],
    [7, 64],
    [2 ** 40, 2 ** 52],
    [2 ** 53 - 1, 2 ** 53 - 1],
  ] as const

  it('equal the twin, and match only in their place', () => {
    const random = seeded(3)
    randomBytes(random, 200).copy(bytes, DATA_AT)
    randomBytes(random, 8).copy(bytes, SALT_AT)
    for (const [file, position] of places) {
      for (const length of [0, 7, 40, 200]) {
        wasm.checksum(DATA_AT, length, SALT_AT, file, position, OUT_AT)
        twin.checksum(DATA_AT, length, SALT_AT, file, position, OUT_AT + 8)
        const sum = bytes.readBigUInt64LE(OUT_AT)
        expect(sum).toBe(bytes.readBigUInt64LE(OUT_AT + 8))
        for (const kernel of [wasm, twin]) {
          const matches = (f: number, p: number, n: number) =>
            kernel.checksumMatches(DATA_AT, n, SALT_AT, f, p, OUT_AT)
          expect(matches(file, position, length)).toBe(1)
          expect(matches(file - 1, position, length)).toBe(0)
          expect(matches(file, position + 1, length)).toBe(0)
          expect(matches(file, position, length + 1)).toBe(0)
        }
      }
    }
  })

  it('see a change in salt, bytes and sum', () => {
    for (const at of [SALT_AT + 3, DATA_AT + 17, OUT_AT, OUT_AT + 7]) {
      wasm.checksum(DATA_AT, 40, SALT_AT, 5, 64, OUT_AT)
      bytes[at] = bytes[at]! ^ 0x10
      expect(wasm.checksumMatches(DATA_AT, 40, SALT_AT, 5, 64, OUT_AT)).toBe(0)
      expect(twin.checksumMatches(DATA_AT, 40, SALT_AT, 5, 64, OUT_AT)).toBe(0)
      bytes[at] = bytes[at]! ^ 0x10
      expect(wasm.checksumMatches(DATA_AT, 40, SALT_AT, 5, 64, OUT_AT)).toBe(1)
    }
  })
})

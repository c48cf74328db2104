import { describe, expect, it } from 'vitest'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { fencePrefix, fenceTwin, sharedLength } from '../../twins/fence.ts'
import { randomBytes, seeded, sharedMemory } from './memtable-fixture.ts'

type Random = (below: number) => number

const INDEX_AT = 4096
const KEY_AT = 16
const FILE_LIMIT = 10_000_000
const memory = sharedMemory(2 * 1024 * 1024)
const bytes = Buffer.from(memory.buffer)
const wasm = wasmKernels(memory)
const twin = fenceTwin(memory)

/** An index payload (FORMAT §6.2) whose blocks have these first and last keys. */
function encodeIndex(keys: readonly Buffer[], random: Random): Buffer {
  const n = keys.length / 2
  const tableEnd = 16 + 20 * n + 4 * (2 * n + 1)
  const keysAt = Math.ceil(tableEnd / 8) * 8
  const keyBytes = keys.reduce((sum, key) => sum + key.length, 0)
  const index = Buffer.alloc(keysAt + keyBytes)
  const common = n === 0 ? 0 : sharedLength(keys[1]!, keys[2 * n - 1]!)
  index.writeUInt32LE(n, 0)
  index.writeUInt32LE(keyBytes, 4)
  index.writeUInt32LE(common, 8)
  let offset = 64
  for (let i = 0; i < n; i++) {
    const stored = 20 + random(4000)
    index.writeBigUInt64LE(fencePrefix(keys[2 * i + 1]!, common), 16 + 8 * i)
    index.writeBigUInt64LE(BigInt(offset), 16 + 8 * n + 8 * i)
    index.writeUInt32LE(stored, 16 + 16 * n + 4 * i)
    offset += stored
  }
  let boundary = 0
  keys.forEach((key, i) => {
    index.writeUInt32LE(boundary, 16 + 20 * n + 4 * i)
    boundary += key.copy(index, keysAt + boundary)
  })
  index.writeUInt32LE(boundary, 16 + 20 * n + 8 * n)
  return index
}

const shapes: Record<string, (random: Random) => Buffer> = {
  'random 16 bytes': (random) => randomBytes(random, 16),
  'random 1 to 20 bytes': (random) => randomBytes(random, 1 + random(20)),
  'prefix of 50 bytes': (random) =>
    Buffer.concat([Buffer.alloc(50, 'p'), randomBytes(random, 1 + random(12))]),
  'zeros and ones': (random) => randomBytes(random, 1 + random(14)).map((b) => b & 1) as Buffer,
  'equal beyond the prefix': (random) =>
    Buffer.concat([
      Buffer.of(random(3)),
      Buffer.alloc(12, 'm'),
      randomBytes(random, 1 + random(3)),
    ]),
}

/** Ascending keys; with `touching`, a block may begin with the key the one before ended with. */
function ascending(make: (random: Random) => Buffer, n: number, random: Random): Buffer[] {
  const distinct = new Map<string, Buffer>()
  while (distinct.size < 2 * n) {
    const key = Buffer.from(make(random))
    distinct.set(key.toString('hex'), key)
  }
  const keys = [...distinct.values()].sort(Buffer.compare)
  for (let i = 2; i < keys.length; i += 2) {
    if (random(4) === 0) keys[i] = keys[i - 1]!
    if (random(6) === 0) keys[i + 1] = keys[i]!
  }
  return keys.sort(Buffer.compare)
}

function place(index: Buffer): void {
  bytes.fill(0xa5, 0, INDEX_AT)
  bytes.fill(0xa5, INDEX_AT, INDEX_AT + index.length + 64)
  index.copy(bytes, INDEX_AT)
}

describe('fence kernels equal their twin', () => {
  for (const [name, make] of Object.entries(shapes)) {
    it(name, () => {
      const random = seeded(name.length * 101)
      for (const n of [1, 2, 3, 5, 17, 64, 200]) {
        const keys = ascending(make, n, random)
        const index = encodeIndex(keys, random)
        place(index)
        expect(wasm.fenceValidate(INDEX_AT, index.length, FILE_LIMIT)).toBe(1)
        expect(twin.fenceValidate(INDEX_AT, index.length, FILE_LIMIT)).toBe(1)
        for (let i = 0; i < 200; i++) {
          const known = Buffer.from(keys[random(keys.length)]!)
          if (random(3) === 0) known[random(known.length)]! += 1
          const key = random(3) === 0 ? Buffer.from(make(random)) : known
          key.copy(bytes, KEY_AT)
          const found = wasm.fenceSearch(INDEX_AT, KEY_AT, key.length)
          expect(found).toBe(twin.fenceSearch(INDEX_AT, KEY_AT, key.length))
        }
      }
    })
  }

  it('no blocks, and keys of 65,535 bytes', () => {
    const random = seeded(4)
    place(encodeIndex([], random))
    expect(wasm.fenceValidate(INDEX_AT, 24, FILE_LIMIT)).toBe(1)
    expect(wasm.fenceSearch(INDEX_AT, KEY_AT, 3)).toBe(-1)
    const long = (last: number) => Buffer.concat([Buffer.alloc(65_534, 'x'), Buffer.of(last)])
    const index = encodeIndex([long(1), long(4), long(4), long(9)], random)
    place(index)
    expect(wasm.fenceValidate(INDEX_AT, index.length, FILE_LIMIT)).toBe(1)
    const keyAt = 1024 * 1024
    for (const [last, answer] of [
      [0, -1],
      [4, 0],
      [5, 1],
      [10, -3],
    ] as const) {
      long(last).copy(bytes, keyAt)
      expect(wasm.fenceSearch(INDEX_AT, keyAt, 65_535)).toBe(answer)
      expect(twin.fenceSearch(INDEX_AT, keyAt, 65_535)).toBe(answer)
    }
  })
})

describe('fenceValidate', () => {
  const interesting = [0, 1, 0x7f, 0x80, 0xff]

  it('gives the answer of the twin on 20,000 corrupted payloads, and writes nothing', () => {
    const random = seeded(77)
    const names = Object.keys(shapes)
    let refused = 0
    for (let i = 0; i < 20_000; i++) {
      const make = shapes[names[random(names.length)]!]!
      const index = encodeIndex(ascending(make, random(7), random), random)
      for (let j = random(4); j > 0; j--) {
        const at = random(random(2) === 0 ? Math.min(index.length, 24) : index.length)
        index[at] = random(2) === 0 ? random(256) : interesting[random(interesting.length)]!
      }
      place(index)
      const length = random(8) === 0 ? random(index.length + 16) : index.length
      const limit = random(8) === 0 ? random(20_000) : FILE_LIMIT
      const before = Buffer.from(bytes.subarray(0, INDEX_AT + index.length + 64))
      const answer = wasm.fenceValidate(INDEX_AT, length, limit)
      expect(answer).toBe(twin.fenceValidate(INDEX_AT, length, limit))
      expect(before.equals(bytes.subarray(0, before.length))).toBe(true)
      refused += 1 - answer
    }
    expect(refused).toBeGreaterThan(8000)
    expect(refused).toBeLessThan(19_000)
  })

  it('does not read past the end of memory', () => {
    const random = seeded(78)
    for (let i = 0; i < 2000; i++) {
      const index = encodeIndex(ascending(shapes['random 1 to 20 bytes']!, 4, random), random)
      index.writeUInt32LE(random(2) === 0 ? random(2 ** 32) : random(100), 4 * random(4))
      const at = bytes.length - index.length - ((8 - (index.length % 8)) % 8)
      index.copy(bytes, at)
      const length = bytes.length - at
      const answer = wasm.fenceValidate(at, length, FILE_LIMIT)
      expect(answer).toBe(twin.fenceValidate(at, length, FILE_LIMIT))
    }
  })
})

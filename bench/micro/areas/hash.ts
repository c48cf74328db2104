// Hashes: of keys for filters, of blocks for their checksums, and those in plain TypeScript.
import { hash64 } from '../../../src/base/xxh64.ts'
import { checksum } from '../../../src/format/checksum.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { checksumTwin, xxh64Twin } from '../../../test/twins/hash.ts'
import type { Areas } from '../../../test/unit/kernel/block-support.ts'
import { words } from '../../data/random.ts'
import { type Area, type Case, kernelCase, type Side } from '../case.ts'
import { dataset, KEY_BYTES } from '../input.ts'

const BLOCK_BYTES = 4_096
const BLOCKS = 8
const KEYS = 256
const FILE_NUMBER = 7
const DIGEST_BYTES = 8
const MEMORY_BYTES = 2 ** 17

function randomBytes(length: number): Buffer {
  const next = words(3)
  return Buffer.from(Array.from({ length }, () => next() & 0xff))
}

/** `hash` is called for each piece of the input and stores a digest at `out`. */
function digests(
  areas: Areas,
  input: Buffer,
  length: number,
  hash: (data: number, out: number) => void,
): Side {
  const data = areas.bytes(input)
  const count = input.length / length
  const out = areas.take(DIGEST_BYTES * count)
  return {
    run() {
      for (let i = 0; i < count; i++) hash(data + length * i, out + DIGEST_BYTES * i)
    },
    answer: () => Buffer.from(areas.memory.slice(out, DIGEST_BYTES * count)),
  }
}

function keys(): Buffer {
  const data = dataset(KEYS)
  return Buffer.concat(Array.from({ length: KEYS }, (_, index) => data.key(index)))
}

function blocks(kernels: Kernels, areas: Areas, bound: boolean): Side {
  const salt = areas.bytes(randomBytes(8))
  return digests(areas, randomBytes(BLOCKS * BLOCK_BYTES), BLOCK_BYTES, (data, out) =>
    bound
      ? kernels.checksum(data, BLOCK_BYTES, salt, FILE_NUMBER, data, out)
      : kernels.hash64(data, BLOCK_BYTES, 0, out),
  )
}

function matches(kernels: Kernels, areas: Areas): Side {
  const salt = areas.bytes(randomBytes(8))
  const data = areas.bytes(randomBytes(BLOCKS * BLOCK_BYTES))
  const sums = areas.take(DIGEST_BYTES * BLOCKS)
  const at = (i: number): [number, number] => [data + BLOCK_BYTES * i, sums + DIGEST_BYTES * i]
  for (let i = 0; i < BLOCKS; i++) {
    const [block, sum] = at(i)
    kernels.checksum(block, BLOCK_BYTES, salt, FILE_NUMBER, i, sum)
  }
  // The last one is damaged.
  areas.memory.bytes[sums + DIGEST_BYTES * BLOCKS - 1]! ^= 1
  const found: number[] = []
  return {
    run() {
      for (let i = 0; i < BLOCKS; i++) {
        const [block, sum] = at(i)
        found[i] = kernels.checksumMatches(block, BLOCK_BYTES, salt, FILE_NUMBER, i, sum)
      }
    },
    answer: () => [...found],
  }
}

/** Hashes in plain TypeScript, as the manifest and file headers use them. */
function inTypeScript(
  name: string,
  length: number,
  hash: { ours: (bytes: Buffer) => bigint; twin: (bytes: Buffer) => bigint },
): Case {
  const pieces = Array.from({ length: 64 }, (_, i) =>
    randomBytes(64 + length).subarray(i, i + length),
  )
  const side = (one: (bytes: Buffer) => bigint): Side => {
    let found: bigint[] = []
    return {
      run() {
        found = pieces.map(one)
      },
      answer: () => found,
    }
  }
  return {
    name,
    prepare: () => ({ operations: pieces.length, ours: side(hash.ours), twin: side(hash.twin) }),
  }
}

const SALT = randomBytes(8)

export const hashArea: Area = {
  name: 'hash',
  cases: [
    kernelCase(
      'xxh64 of a 16 B key',
      { operations: KEYS, memoryBytes: MEMORY_BYTES },
      (kernels, areas) =>
        digests(areas, keys(), KEY_BYTES, (data, out) => kernels.hash64(data, KEY_BYTES, 0, out)),
    ),
    kernelCase(
      'xxh64 of a 4 KiB block',
      { operations: BLOCKS, memoryBytes: MEMORY_BYTES },
      (kernels, areas) => blocks(kernels, areas, false),
    ),
    kernelCase(
      'checksum of a 4 KiB block',
      { operations: BLOCKS, memoryBytes: MEMORY_BYTES },
      (kernels, areas) => blocks(kernels, areas, true),
    ),
    kernelCase(
      'checksumMatches, 4 KiB block',
      { operations: BLOCKS, memoryBytes: MEMORY_BYTES },
      matches,
    ),
    inTypeScript('xxh64 in TypeScript, 16 B', 16, {
      ours: (bytes) => hash64(bytes, 0n),
      twin: (bytes) => xxh64Twin(bytes, 0n),
    }),
    inTypeScript('checksum in TypeScript, 64 B', 64, {
      ours: (bytes) => checksum(bytes, { salt: SALT, fileNumber: FILE_NUMBER, position: 4_096 }),
      twin: (bytes) => checksumTwin(bytes, SALT.readBigUInt64LE(), FILE_NUMBER, 4_096),
    }),
  ],
}

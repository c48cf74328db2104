// The index of a table: finding the block of a key.
import { type BlockList, decodeBlockList, encodeIndex } from '../../../src/format/sstable-index.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { BLOCK_TRAILER } from '../../../src/kernel/layout.ts'
import type { Areas } from '../../../test/unit/kernel/block-support.ts'
import { type Area, type Case, kernelCase, type Side } from '../case.ts'
import { dataset, KEY_BYTES, sortedEntries } from '../input.ts'

const BLOCKS = 512
const KEYS_PER_BLOCK = 4
const STORED_BYTES = 4_096
const FIRST_OFFSET = 64
const FILE_LIMIT = FIRST_OFFSET + BLOCKS * STORED_BYTES
const SEARCHES = 64
const MEMORY_BYTES = 2 ** 17

const offsetOf = (block: number): number => FIRST_OFFSET + STORED_BYTES * block

/** The blocks of a table of BLOCKS × KEYS_PER_BLOCK keys. */
function indexEntries() {
  const keys = sortedEntries(BLOCKS * KEYS_PER_BLOCK).map(({ key }) => key)
  return Array.from({ length: BLOCKS }, (_, block) => ({
    offset: offsetOf(block),
    length: STORED_BYTES,
    firstKey: keys[KEYS_PER_BLOCK * block]!,
    lastKey: keys[KEYS_PER_BLOCK * (block + 1) - 1]!,
  }))
}

function placeIndex(areas: Areas): { at: number; length: number } {
  const payload = encodeIndex(indexEntries())
  const at = areas.take(payload.length)
  payload.copy(areas.memory.bytes, at)
  return { at, length: payload.length }
}

function search(kernels: Kernels, areas: Areas): Side {
  const { at } = placeIndex(areas)
  const data = dataset(BLOCKS * KEYS_PER_BLOCK)
  const keys = areas.bytes(
    Buffer.concat(Array.from({ length: SEARCHES }, (_, i) => data.key(31 * i))),
  )
  const found = new Int32Array(SEARCHES)
  return {
    run() {
      for (let i = 0; i < SEARCHES; i++) {
        found[i] = kernels.fenceSearch(at, keys + KEY_BYTES * i, KEY_BYTES)
      }
    },
    answer: () => found.slice(),
  }
}

function validate(kernels: Kernels, areas: Areas): Side {
  const { at, length } = placeIndex(areas)
  let valid = -1
  return {
    run() {
      valid = kernels.fenceValidate(at, length, FILE_LIMIT)
    },
    answer: () => valid,
  }
}

function codec(): Case {
  return {
    name: 'encode and list in TypeScript, per block',
    prepare() {
      const entries = indexEntries()
      let list: BlockList | undefined
      const ours: Side = {
        run() {
          list = decodeBlockList(encodeIndex(entries), FILE_LIMIT)
        },
        answer: () => list,
      }
      const expected: BlockList = {
        offsets: Float64Array.from(entries, ({ offset }) => offset),
        lengths: Uint32Array.from(entries, ({ length }) => length),
        payloads: Uint32Array.from(entries, ({ length }) => length - BLOCK_TRAILER),
        smallestKey: Buffer.from(entries[0]!.firstKey),
        largestKey: Buffer.from(entries.at(-1)!.lastKey),
      }
      return { operations: BLOCKS, ours, expected }
    },
  }
}

export const fenceArea: Area = {
  name: 'index',
  cases: [
    kernelCase(
      'search among 512 blocks',
      { operations: SEARCHES, memoryBytes: MEMORY_BYTES },
      search,
    ),
    kernelCase('validate, per block', { operations: BLOCKS, memoryBytes: MEMORY_BYTES }, validate),
    codec(),
  ],
}

// Index and filter payloads with counts, offsets, boundaries and prefixes nobody would write, through the kernels that
// check and search them; what is accepted must be searched rightly.

import { CorruptionError } from '../../../src/base/errors.ts'
import { blockKeys, decodeBlockList, encodeIndex } from '../../../src/format/sstable-index.ts'
import type { OpenFile } from '../../../src/io/file-system.ts'
import { FILTER_HEADER } from '../../../src/kernel/layout.ts'
import { checkFilter } from '../../../src/sstable/table-reader.ts'
import type { Prng } from '../../model/prng.ts'
import { type Decoder, demand } from './decoder.ts'
import { GuardedMemory } from './guarded-memory.ts'
import { type Field, mutate, randomBytes, resized, u32s, u64s } from './mutation.ts'

const KEY_MAX = 32
const FILE_LIMIT = 50_000

function makeIndex(random: Prng): { payload: Buffer; blocks: number } {
  const blocks = 1 + random.below(12)
  const common = 'p'.repeat(random.below(11))
  let offset = 64
  const entries = Array.from({ length: blocks }, (_, i) => {
    const length = 17 + random.below(600)
    const at = offset
    offset += length
    const key = (which: string): Buffer =>
      Buffer.from(`${common}${String(i).padStart(2, '0')}${which}${'z'.repeat(random.below(4))}`)
    return { offset: at, length, firstKey: key('a'), lastKey: key('b') }
  })
  return { payload: encodeIndex(entries), blocks }
}

function indexFields(blocks: number): Field[] {
  return [
    ...u32s(0, 4),
    ...u64s(16, 2 * blocks),
    ...u32s(16 + 16 * blocks, blocks),
    ...u32s(16 + 20 * blocks, 2 * blocks + 1),
    ...u32s(16 + 20 * blocks, 2 * blocks + 1),
  ]
}

/** fenceSearch, the obvious way. */
function search(payload: Buffer, blocks: number, key: Buffer): number {
  for (let i = 0; i < blocks; i++) {
    const { first, last } = blockKeys(payload, i)
    if (Buffer.compare(last, key) < 0) continue
    return Buffer.compare(first, key) <= 0 ? i : -(i + 1)
  }
  return -(blocks + 1)
}

export function indexDecoder(): Decoder {
  const memory = new GuardedMemory(1)
  const keyAt = memory.take(KEY_MAX)
  return {
    name: 'table index (wasm)',
    share: 25,
    run(random) {
      const made = makeIndex(random)
      const payload = Buffer.from(made.payload)
      if (random.chance(0.9)) mutate(payload, indexFields(made.blocks), random)
      const given = resized(payload, random)
      const answers = [0x00, 0xff].map((around) => {
        memory.fill(around)
        const at = memory.place(given)
        const valid = memory.kernels.fenceValidate(at, given.length, FILE_LIMIT)
        memory.check()
        return valid
      })
      demand(answers[0] === answers[1], 'an answer depends on bytes outside')
      const list = decodeBlockList(given, FILE_LIMIT)
      for (let i = 0; i < (list?.offsets.length ?? 0); i++) blockKeys(given, i)
      if (answers[0] !== 1) return false
      const blocks = given.readUInt32LE(0)
      demand((blocks === 0) === (list === undefined), 'a valid index has a block list')
      const at = memory.heap.byteLength - given.length
      for (let i = 0; i < 4; i++) {
        const own = blocks > 0 && random.chance(0.6)
        const found = own ? blockKeys(given, random.below(blocks)) : undefined
        const key = Buffer.from(
          found === undefined ? randomBytes(random, random.below(KEY_MAX)) : found.last,
        ).subarray(0, KEY_MAX)
        key.copy(memory.heap.bytes, keyAt)
        const answer = memory.kernels.fenceSearch(at, keyAt, key.length)
        demand(answer === search(given, blocks, key), 'a key is found where it is')
      }
      memory.check()
      return true
    },
  }
}

export function filterDecoder(): Decoder {
  const memory = new GuardedMemory(1)
  const hash = memory.take(8)
  const file = { path: '/db/000001.sst' } as OpenFile
  return {
    name: 'table filter (wasm)',
    share: 15,
    run(random) {
      const blocks = 1 + random.below(6)
      const payload = randomBytes(random, FILTER_HEADER + 64 * blocks)
      payload.fill(0, 0, FILTER_HEADER)
      payload.writeUInt32LE(1 + random.below(12), 0)
      payload.writeUInt32LE(blocks, 4)
      mutate(payload, [...u32s(0, 2), ...u32s(0, 2), ...u64s(8, 1)], random)
      const given = resized(payload, random)
      const hashed = randomBytes(random, 8)
      if (random.chance(0.2)) hashed.fill(0xff)
      const answers = [0x00, 0xff].map((around) => {
        memory.fill(around)
        const filter = memory.place(given)
        hashed.copy(memory.heap.bytes, hash)
        const footer = { filter: { offset: 64, length: given.length } }
        if (!accepted(memory, { file, footer, filter })) return -1
        const answer = memory.kernels.filterProbe(filter, hash)
        memory.check()
        return answer
      })
      demand(answers[0] === answers[1], 'an answer depends on bytes outside')
      return answers[0] !== -1
    },
  }
}

function accepted(
  { heap, kernels }: GuardedMemory,
  table: {
    file: OpenFile
    footer: { filter: { offset: number; length: number } }
    filter: number
  },
): boolean {
  try {
    checkFilter({ heap, kernels }, table as Parameters<typeof checkFilter>[1])
    return true
  } catch (error) {
    if (error instanceof CorruptionError) return false
    throw error
  }
}

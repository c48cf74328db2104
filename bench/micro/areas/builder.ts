// Making the data blocks of a table.
import type { Kernels } from '../../../src/kernel/kernels.ts'
import * as layout from '../../../src/kernel/layout.ts'
import type { Areas } from '../../../test/unit/kernel/block-support.ts'
import { type Area, kernelCase, type Side } from '../case.ts'
import { FIRST_VERSION, KEY_BYTES, sortedEntries } from '../input.ts'

const ENTRIES = 1_024
const BLOCK_SIZE = 4_096
const OUT_BYTES = 2 ** 18
const BLOCKS_MAX = 256
const ALONE = 128
const FIRST_OFFSET = 64
/** From BUILDER_ENTRIES on. */
const COUNTS_BYTES = 64
const MEMORY_BYTES = 2 ** 20

/** Regions and their fields: address, and right behind it the capacity. */
function takeRegions(areas: Areas, builder: number): void {
  const region = (field: number, count: number, size: number): void => {
    areas.memory.setU32(builder + field, areas.take(count * size))
    areas.memory.setU32(builder + field + 4, count)
  }
  region(layout.BUILDER_OUT, OUT_BYTES, 1)
  region(layout.BUILDER_BLOCKS, BLOCKS_MAX, layout.BLOCK_ENTRY_SIZE)
  region(layout.BUILDER_KEYS, ENTRIES * KEY_BYTES, 1)
  region(layout.BUILDER_HASHES, ENTRIES, 8)
}

interface Builder {
  readonly at: number
  readonly descriptors: number
  /** All that was written. */
  written(): unknown
}

function builderFor(areas: Areas): Builder {
  const { memory } = areas
  const descriptors = areas.descriptors(sortedEntries(ENTRIES))
  const at = areas.take(layout.BUILDER_SIZE)
  takeRegions(areas, at)
  memory.setU32(at + layout.BUILDER_BLOCK_SIZE, BLOCK_SIZE)
  memory.setU32(at + layout.BUILDER_SALT, areas.bytes(Buffer.from('saltsalt')))
  memory.setU64(at + layout.BUILDER_FILE_NUMBER, 9)
  memory.setU64(at + layout.BUILDER_BASE_VERSION, FIRST_VERSION)
  memory.setU64(at + layout.BUILDER_FILE_OFFSET, FIRST_OFFSET)
  const field = (offset: number): number => memory.u32(at + offset)
  const region = (offset: number, bytes: number): Buffer =>
    Buffer.from(memory.slice(field(offset), bytes))
  const written = () => ({
    out: region(layout.BUILDER_OUT, field(layout.BUILDER_OUT_USED)),
    blocks: region(
      layout.BUILDER_BLOCKS,
      layout.BLOCK_ENTRY_SIZE * field(layout.BUILDER_BLOCK_COUNT),
    ),
    keys: region(layout.BUILDER_KEYS, field(layout.BUILDER_KEYS_USED)),
    hashes: region(layout.BUILDER_HASHES, 8 * field(layout.BUILDER_HASH_COUNT)),
    counts: Buffer.from(memory.slice(at + layout.BUILDER_ENTRIES, COUNTS_BYTES)),
  })
  return { at, descriptors, written }
}

/** A table's data blocks from sorted descriptors: shared prefixes, restarts, checksums, key hashes. */
function build(kernels: Kernels, areas: Areas): Side {
  const { at, descriptors, written } = builderFor(areas)
  let taken = 0
  return {
    run() {
      kernels.builderStart(at)
      taken = kernels.builderAppend(at, descriptors, ENTRIES)
      kernels.builderFinishBlock(at)
    },
    answer: () => ({ taken, written: written() }),
  }
}

/** Blocks of one large entry each, which the caller wrote. */
function listAlone(kernels: Kernels, areas: Areas): Side {
  const { at, descriptors, written } = builderFor(areas)
  let listed = 0
  return {
    run() {
      areas.memory.setU64(at + layout.BUILDER_FILE_OFFSET, FIRST_OFFSET)
      kernels.builderStart(at)
      listed = 0
      for (let i = 0; i < ALONE; i++) {
        kernels.builderDrained(at)
        listed += kernels.builderAlone(
          at,
          descriptors + layout.DESC_SIZE * i,
          BLOCK_SIZE,
          BLOCK_SIZE,
        )
      }
    },
    answer: () => ({ listed, written: written() }),
  }
}

export const builderArea: Area = {
  name: 'builder',
  cases: [
    kernelCase(
      'append sorted entries, per entry',
      { operations: ENTRIES, memoryBytes: MEMORY_BYTES },
      build,
    ),
    kernelCase(
      'drain, list a block of one entry',
      { operations: ALONE, memoryBytes: MEMORY_BYTES },
      listAlone,
    ),
  ],
}

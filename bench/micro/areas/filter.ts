// Building and probing a filter of one table.
import { filterBlocks, filterShape } from '../../../src/format/sstable-filter.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { FILTER_HEADER } from '../../../src/kernel/layout.ts'
import type { Areas } from '../../../test/unit/kernel/block-support.ts'
import { words } from '../../data/random.ts'
import { type Area, kernelCase, type Side } from '../case.ts'

const KEYS = 2_048
const HASH_BYTES = 8
const SHAPE = filterShape(0.01)
const BLOCKS = filterBlocks(SHAPE, KEYS)
const FILTER_BYTES = FILTER_HEADER + 64 * BLOCKS
const WORK = { operations: KEYS, memoryBytes: 2 ** 17 }

function hashes(areas: Areas, seed: number): number {
  const next = words(seed)
  const bytes = Buffer.alloc(HASH_BYTES * KEYS)
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(next(), at)
  const at = areas.take(bytes.length)
  bytes.copy(areas.memory.bytes, at)
  return at
}

function build(kernels: Kernels, areas: Areas): Side & { readonly filter: number } {
  const input = hashes(areas, 1)
  const filter = areas.take(FILTER_BYTES, 64)
  return {
    filter,
    run: () => kernels.filterBuild(input, KEYS, SHAPE.k, BLOCKS, filter),
    answer: () => Buffer.from(areas.memory.slice(filter, FILTER_BYTES)),
  }
}

function probe(kernels: Kernels, areas: Areas, seed: number): Side {
  const built = build(kernels, areas)
  built.run()
  const wanted = hashes(areas, seed)
  const found = new Uint8Array(KEYS)
  return {
    run() {
      for (let i = 0; i < KEYS; i++) {
        found[i] = kernels.filterProbe(built.filter, wanted + HASH_BYTES * i)
      }
    },
    answer: () => found.slice(),
  }
}

export const filterArea: Area = {
  name: 'filter',
  cases: [
    kernelCase('build at 1 %, per key', WORK, build),
    kernelCase('probe, key present', WORK, (kernels, areas) => probe(kernels, areas, 1)),
    kernelCase('probe, key absent', WORK, (kernels, areas) => probe(kernels, areas, 2)),
  ],
}

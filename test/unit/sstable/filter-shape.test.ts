import { expect, it } from 'vitest'
import { loadU32 } from '../../../src/cursor/words.ts'
import { filterBlocks, filterShape } from '../../../src/format/sstable-filter.ts'
import { FILTER_HEADER } from '../../../src/kernel/layout.ts'
import { Bench } from './support.ts'

const KEYS = 100_000
const PROBES = 400_000

it.each([
  [0.01, 12],
  [0.001, 18.5],
])(
  'a filter for %f errs at most 1.2 times as often, with at most %f bits per key',
  (rate, bits) => {
    const bench = new Bench(8 * 1024 * 1024)
    const { kernels, heap } = bench
    const shape = filterShape(rate)
    expect(shape.bitsPerKey).toBeLessThanOrEqual(bits)
    const hashes = bench.take(8 * KEYS)
    const key = bench.take(16)
    const hashOf = (i: number, out: number) => {
      heap.bytes.writeUInt32BE(i, key.address)
      kernels.hash64(key.address, 4, 0, out)
    }
    for (let i = 0; i < KEYS; i++) hashOf(i, hashes.address + 8 * i)
    const blocks = filterBlocks(shape, KEYS)
    const filter = bench.take(FILTER_HEADER + 64 * blocks)
    kernels.filterBuild(hashes.address, KEYS, shape.k, blocks, filter.address)
    expect(loadU32(heap.u32, filter.address)).toBe(shape.k)
    for (let i = 0; i < KEYS; i++) {
      if (kernels.filterProbe(filter.address, hashes.address + 8 * i) === 0)
        throw new Error('a key is missing')
    }
    let wrong = 0
    for (let i = 0; i < PROBES; i++) {
      hashOf(KEYS + i, hashes.address)
      if (kernels.filterProbe(filter.address, hashes.address) !== 0) wrong += 1
    }
    expect(wrong / PROBES).toBeLessThanOrEqual(1.2 * rate)
    console.info(
      `rate wanted ${rate}, k ${shape.k}, ${shape.bitsPerKey} bits per key: ${wrong / PROBES}`,
    )
  },
)

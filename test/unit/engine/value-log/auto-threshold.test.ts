import { expect, it } from 'vitest'
import { autoThreshold, WrittenSizes } from '../../../../src/engine/value-log/auto-threshold.ts'
import { BenchEngine } from '../../option-effects/bench-engine.ts'

/** Bytes of so many values of each length, by size. */
function sizes(...values: readonly (readonly [length: number, count: number])[]): number[] {
  const bytes = new Array<number>(31).fill(0)
  for (const [length, count] of values) {
    bytes[Math.floor(Math.log2(length))]! += length * count
  }
  return bytes
}

it('takes the largest power of two above which four fifths of the bytes lie', () => {
  expect(autoThreshold(sizes([2000, 1]))).toBe(1024)
  expect(autoThreshold(sizes([2048, 1]))).toBe(2048)
  expect(autoThreshold(sizes([4096, 80], [100, 819]))).toBe(4096)
  expect(autoThreshold(sizes([4096, 79], [1024, 84]))).toBe(1024)
  expect(autoThreshold(sizes([4096, 40], [600, 1100]))).toBe(512)
})

it('stays between 512 bytes and 64 KiB', () => {
  expect(autoThreshold(sizes([1 << 30, 3]))).toBe(65_536)
  expect(autoThreshold(sizes([600, 3]))).toBe(512)
})

it('is 1 KiB while nothing is known, and when short values hold too much', () => {
  expect(autoThreshold([])).toBe(1024)
  expect(autoThreshold(new Array<number>(31).fill(0))).toBe(1024)
  expect(autoThreshold(sizes([100, 1000], [65_536, 6]))).toBe(1024)
  expect(autoThreshold(sizes([511, 10]))).toBe(1024)
})

it('follows what is written lately', () => {
  const written = new WrittenSizes()
  expect(written.threshold).toBe(1024)
  for (let i = 0; i < 20; i++) written.add(sizes([600, 100]))
  expect(written.threshold).toBe(512)
  const took = []
  for (let i = 0; i < 20; i++) {
    written.add(sizes([70_000, 1], [600, 3]))
    took.push(written.threshold)
  }
  // In between neither kind holds four fifths above its own size.
  expect(took[0]).toBe(512)
  expect(took.at(-1)).toBe(65_536)
  expect([...took].sort((a, b) => a - b)).toEqual(took)
})

it('an engine learns from its flushes which values leave the tree', async () => {
  const bench = await BenchEngine.open({ valueThreshold: 'auto', memtableSize: 256 * 1024 })
  expect(bench.engine.stats().valueThreshold).toBe(1024)
  const segments = () => bench.fs.listSync('/db').filter((name) => name.endsWith('.vlog')).length
  await bench.put(0, 60, 700)
  await bench.engine.flush()
  expect(bench.engine.stats().valueThreshold).toBe(512)
  expect(segments()).toBe(0)
  await bench.put(100, 60, 700)
  await bench.engine.flush()
  expect(segments()).toBe(1)
  await bench.close()
  const fixed = await BenchEngine.open({ valueThreshold: 2000 })
  expect(fixed.engine.stats().valueThreshold).toBe(2000)
  await fixed.close()
})

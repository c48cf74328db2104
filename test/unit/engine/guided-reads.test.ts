// Lookups beside a cache that holds a part of the blocks: each block is found by its own guide, or without one.
import { expect, it } from 'vitest'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { start } from '../../support/small-engine.ts'

const KEYS = 16_000

/** Scattered over all keys there are, so that those of a block share next to nothing. */
function key(i: number): string {
  return (Math.imul(i, 0x9e3779b1) >>> 0).toString(36).padStart(7, '0')
}

it.each([
  [4_096, 'none'],
  [16_384, 'lz4'],
] as const)(
  'every key is found in blocks of %i bytes that come and go',
  async (blockSize, compression) => {
    const options = { blockCacheSize: 256 * 1024, blockSize, compression }
    const engine = await start(memoryFileSystem(), options)
    for (let i = 0; i < KEYS; i += 100) {
      const puts = Array.from({ length: 100 }, (_, j) => i + j)
      await engine.batch(
        puts.map(
          (at) => ({ type: 'put', key: key(at), value: `${at} ${'x'.repeat(20)}` }) as const,
        ),
        {},
      )
    }
    await engine.flush()
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < KEYS; i++) {
        // A few keys over and over, whose blocks stay and get guides, and all the others in between.
        for (const at of [(i * 31) % 64, i]) {
          const found = engine.getSync(key(at), undefined, 'utf8')
          if (found !== `${at} ${'x'.repeat(20)}`) expect([key(at), found]).toEqual([key(at), at])
        }
        const gone = engine.getSync(`${key(i)}0`, undefined, 'utf8')
        if (gone !== undefined) expect([`${key(i)}0`, gone]).toEqual([`${key(i)}0`, undefined])
      }
    }
    const { hits, misses } = engine.stats().cache
    expect(hits).toBeGreaterThan(KEYS)
    expect(misses).toBeGreaterThan(KEYS)
    await engine.close()
  },
)

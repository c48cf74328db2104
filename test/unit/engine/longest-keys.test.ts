import { expect, it } from 'vitest'
import { resolveOptions } from '../../../src/base/options.ts'
import { openEngine } from '../../../src/engine/open.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'

// A key of full length has no successor by appending a byte, so a reverse seek in a table took the block of
// its newest version for the last one and missed the older versions in the blocks behind it.
it.each([0x4c, 0xff])(
  'reverse scans find old versions of the longest keys (byte %i)',
  async (byte) => {
    const options = { workers: 0, memoryBudget: 64 * 1024 * 1024, blockSize: 512 }
    const engine = await openEngine('/db', resolveOptions(options), { fs: memoryFileSystem() })
    const longest = Buffer.alloc(65_535, byte)
    const below = Buffer.from(longest)
    below[65_534] = byte - 1
    await engine.put(below, 'below', {})
    await engine.put(longest, 'first', {})
    const pin = engine.pin()
    await engine.put(longest, 'second', {})
    await engine.put(longest, 'third', {})
    await engine.flush()
    const scan = (bounds: object, version: number): unknown[] =>
      engine
        .range({
          keys: false,
          values: true,
          keyForm: 'buffer',
          valueForm: 'utf8',
          reverse: true,
          version,
          ...bounds,
        })
        .next(10)
        .map(([, value]) => value)
    expect(scan({ lte: longest }, pin.version)).toEqual(['first', 'below'])
    expect(scan({ lte: longest }, engine.version)).toEqual(['third', 'below'])
    expect(scan({ lt: longest }, pin.version)).toEqual(['below'])
    expect(scan({ lte: below }, pin.version)).toEqual(['below'])
    pin.release()
    await engine.close()
  },
)

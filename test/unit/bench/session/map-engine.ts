// An engine over a Map whose calls a test can break, one by one. With `disk` it keeps what it holds from open to open.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeEngine, Store } from '../../../../bench/engines/engine.ts'
import { map } from '../../../../bench/engines/map.ts'

export interface MapEngineOptions {
  readonly persistent?: boolean
  readonly only?: readonly string[]
  /** Replaces calls of the store; gets the whole one. */
  readonly broken?: (whole: Store) => Partial<Store>
}

export interface MapEngine extends NodeEngine {
  readonly counts: { settle: number; close: number }
}

export function mapEngine(options: MapEngineOptions = {}): MapEngine {
  const { persistent = false, only, broken = () => ({}) } = options
  const counts = { settle: 0, close: 0 }
  let kept: Store | undefined
  return {
    ...map,
    name: 'fake',
    durability: { os: 'none', sync: 'none' },
    persistent,
    ...(only && { only }),
    counts,
    load: async () => ({
      version: '1',
      async open(location, settings) {
        const { open } = await map.load()
        kept ??= await open(location, settings)
        if (persistent) writeFileSync(join(location, 'data'), 'x'.repeat(5_000))
        return breakable(kept, counts, broken)
      },
    }),
  }
}

function breakable(
  whole: Store,
  counts: { settle: number; close: number },
  broken: (whole: Store) => Partial<Store>,
): Store {
  return {
    writeBatch: (pairs) => whole.writeBatch(pairs),
    deleteBatch: (keys) => whole.deleteBatch(keys),
    put: (key, value) => whole.put(key, value),
    get: (key) => whole.get(key),
    getSync: (key) => whole.getSync?.(key),
    getMany: (keys) => whole.getMany(keys),
    scan: (visit, how) => whole.scan(visit, how),
    scanKeys: (visit) => whole.scanKeys(visit),
    seek: (from, count) => whole.seek(from, count),
    deleteRange: async (from, to) => whole.deleteRange?.(from, to),
    compact: async () => undefined,
    async settle() {
      counts.settle++
      return whole.settle()
    },
    async close() {
      counts.close++
    },
    ...broken(whole),
  }
}

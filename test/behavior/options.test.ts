import { availableParallelism } from 'node:os'
import { describe, expect, it } from 'vitest'
import { SettError } from '../../src/base/errors.ts'
import { GIB, KIB, MIB } from '../../src/base/limits.ts'
import { OPTION_NAMES, OPTION_TABLE, PRESET_NAMES, parseSize } from '../../src/base/option-table.ts'
import { explain, resolveOptions } from '../../src/base/options.ts'
import { PRESETS } from '../../src/base/presets.ts'
import { createResources } from '../../src/base/shared-resources.ts'

const NO_ENVIRONMENT = {}

function refused(given: unknown, environment: object = NO_ENVIRONMENT): string {
  try {
    resolveOptions(given, environment)
  } catch (error) {
    expect(error).toBeInstanceOf(SettError)
    expect((error as SettError).code).toBe('SETT_INVALID_OPTION')
    return (error as SettError).message
  }
  throw new Error('was accepted')
}

function memoryParts(options: ReturnType<typeof resolveOptions>): number {
  const { memtableSize, memtableCount, blockCacheSize, indexCacheSize } = options
  return memtableSize * memtableCount + blockCacheSize + indexCacheSize
}

describe('defaults', () => {
  it('gives every option, frozen, without a prototype', () => {
    const options = resolveOptions(undefined, NO_ENVIRONMENT)
    for (const name of OPTION_NAMES) expect(Object.hasOwn(options, name), name).toBe(true)
    expect(Object.isFrozen(options)).toBe(true)
    expect(Object.getPrototypeOf(options)).toBeNull()
    expect(options).toMatchObject({
      preset: 'balanced',
      memtableSize: 64 * MIB,
      memtableCount: 3,
      memoryBudget: 512 * MIB,
      durability: 'sync',
      workers: availableParallelism(),
      createIfMissing: true,
      errorIfExists: false,
    })
  })

  it.each(PRESET_NAMES)('preset %s obeys the option table and its own budget', (preset) => {
    expect(Object.isFrozen(PRESETS[preset])).toBe(true)
    for (const [name, value] of Object.entries(PRESETS[preset])) {
      expect(OPTION_TABLE[name as keyof typeof OPTION_TABLE].check(value), name).toBeDefined()
    }
    const options = resolveOptions({ preset }, NO_ENVIRONMENT)
    expect(options.memtableSize).toBe(PRESETS[preset].memtableSize)
    expect(options.memoryBudget).toBe(PRESETS[preset].memoryBudget)
    expect(memoryParts(options)).toBeLessThanOrEqual(options.memoryBudget)
  })

  it('takes the preset from the option, then SETT_PRESET, then STORAGE_OPTIMIZED', () => {
    const environment = { SETT_PRESET: 'lowMemory', STORAGE_OPTIMIZED: 'true' }
    expect(resolveOptions({ preset: 'durable' }, environment).preset).toBe('durable')
    expect(resolveOptions({}, environment).preset).toBe('lowMemory')
    expect(resolveOptions({}, { STORAGE_OPTIMIZED: 'true' }).preset).toBe('throughput')
    expect(resolveOptions({}, { STORAGE_OPTIMIZED: 'false' }).preset).toBe('balanced')
    expect(resolveOptions({}, { SETT_PRESET: '' }).preset).toBe('balanced')
    expect(refused({}, { SETT_PRESET: 'fastest' })).toMatch(/SETT_PRESET.*'balanced'.*'fastest'/)
  })

  it('lets an explicit option win over the preset, and undefined stand for not given', () => {
    const options = resolveOptions(
      { preset: 'throughput', blockSize: 512, tableSize: undefined },
      NO_ENVIRONMENT,
    )
    expect(options.blockSize).toBe(512)
    expect(options.tableSize).toBe(128 * MIB)
  })
})

describe('bad options', () => {
  it.each([
    [{ memtablesize: MIB }, /'memtablesize'.*'memtableSize'/],
    [{ blokSize: MIB }, /'blockSize'/],
    [{ cacheSize: MIB }, /'blockCacheSize'/],
    [{ zzzzzzzz: 1 }, /Known options: preset, /],
    [{ compression: 'gzip' }, /'compression' must be one of 'none', 'lz4', 'zstd'; it is 'gzip'/],
    [{ versionsToKeep: 2 }, /not in this release/],
    [
      { valueThreshold: 1 },
      /whole number of bytes from 64 to 1073741824 \(1 GiB\), 'auto', or 'off'/,
    ],
    [{ valueThreshold: '1KiB' }, /'valueThreshold' must be/],
    [{ segmentMaxEntries: 0 }, /'segmentMaxEntries'/],
    [{ memtableSize: '64mb' }, /'memtableSize' must be a whole number of bytes from 65536/],
    [{ memtableSize: 64 * KIB - 1 }, /65536 \(64 KiB\)/],
    [{ memtableSize: Number.NaN }, /whole number/],
    [{ memtableSize: 65536.5 }, /whole number/],
    [{ memtableSize: null }, /it is null/],
    [{ memoryBudget: 8 * MIB - 1 }, /8388608/],
    [{ memoryBudget: 4 * GIB }, /memoryBudget/],
    [{ blockSize: 511 }, /blockSize/],
    [{ tableSize: 16 * KIB - 1 }, /tableSize/],
    [{ maxDiskBytes: MIB - 1 }, /'maxDiskBytes' must be a whole number of bytes from 1048576/],
    [{ maxDiskBytes: Number.POSITIVE_INFINITY }, /maxDiskBytes/],
    [{ resources: {} }, /'resources' must be what createResources\(\) returned/],
    [{ workers: -1 }, /'workers' must be a whole number from 0/],
    [{ workers: 1.5 }, /workers/],
    [{ durability: 'fsync' }, /'sync', 'none' or \{ interval \}/],
    [{ durability: { interval: 0 } }, /interval/],
    [{ durability: { interval: 10, extra: 1 } }, /interval/],
    [{ bloomFalsePositiveRate: 1 }, /bloomFalsePositiveRate/],
    [{ preset: 'fast' }, /'preset' must be one of/],
    [{ preset: '__proto__' }, /preset/],
    [{ preset: 'toString' }, /preset/],
    [{ readOnly: 'yes' }, /true or false/],
    [{ lock: 'never' }, /'auto', 'none'/],
    [{ logger: { info: () => undefined } }, /debug, info, warn and error/],
    [{ workerUrl: 'worker.js' }, /workerUrl/],
    [
      { compactionRateLimit: 1 },
      /'compactionRateLimit' must be a whole number of bytes per second/,
    ],
    [{ compactionRateLimit: 'none' }, /or 'off' \(0, Infinity\)/],
    [{ idleAfter: -1 }, /'idleAfter' must be a whole number of ms from 1/],
    [{ scrubInterval: 999 }, /'scrubInterval' must be a whole number of ms from 1000/],
    [{ scrubInterval: 2 ** 31 }, /scrubInterval/],
    [{ deferCompaction: 1 }, /true or false/],
    [{ cacheGrowth: 'never' }, /'misses', 'hits'/],
    [[], /must be an object/],
    ['throughput', /must be an object/],
  ])('%j', (given, message) => {
    expect(refused(given)).toMatch(message)
  })

  it.each([
    [{ l0CompactTrigger: 5, l0StallTrigger: 5 }, /l0StallTrigger.*greater than.*l0CompactTrigger/],
    [
      { memtableSize: 64 * MIB, memtableCount: 3, memoryBudget: 64 * MIB },
      /memtableSize × memtableCount \+ blockCacheSize \+ indexCacheSize/,
    ],
    [{ blockCacheSize: 16 * MIB, memoryBudget: 8 * MIB }, /memoryBudget/],
    [{ memtableSize: GIB, memtableCount: 8 }, /memoryBudget/],
    [
      { maxDiskBytes: 10 * MIB, memtableSize: 2 * MIB },
      /'maxDiskBytes' \(10 MiB\) must be at least memtableSize × \(l0CompactTrigger \+ 2\) \(14 MiB\)/,
    ],
    [{ deferCompaction: true }, /'deferCompaction' needs l0StallTrigger 'off'/],
    [{ deferCompaction: true, l0StallTrigger: 'off', idleAfter: 0 }, /'idleAfter' that is not/],
    [{ inMemory: true, workers: 2 }, /workers.*inMemory/],
    [{ inMemory: true, readOnly: true }, /exclude each other/],
    [{ readOnly: true, errorIfExists: true }, /exclude each other/],
    [{ readOnly: true, createIfMissing: true }, /exclude each other/],
  ])('contradiction %j', (given, message) => {
    expect(refused(given)).toMatch(message)
  })

  it('reads own properties only and cannot be fed a prototype', () => {
    const inherited = Object.create({ memtableSize: 1, nonsense: true })
    expect(resolveOptions(inherited, NO_ENVIRONMENT).memtableSize).toBe(64 * MIB)
    expect(refused(JSON.parse('{"__proto__": {"readOnly": true}}'))).toMatch(/__proto__/)
    expect(refused({ constructor: 1 })).toMatch(/constructor/)
    expect(Object.hasOwn(Object.prototype, 'readOnly')).toBe(false)
  })

  it('does not repeat long values', () => {
    expect(refused({ preset: 'x'.repeat(5000) }).length).toBeLessThan(300)
    expect(refused({ ['y'.repeat(5000)]: 1 }).length).toBeLessThan(600)
  })
})

describe('values that follow', () => {
  it.each([8, 9, 16, 50, 64, 100, 512, 1024, 3000])(
    'budget %i MiB alone fits every preset',
    (mib) => {
      for (const preset of PRESET_NAMES) {
        const memoryBudget = mib * MIB
        const options = resolveOptions({ preset, memoryBudget }, NO_ENVIRONMENT)
        expect(options.memoryBudget).toBe(memoryBudget)
        expect(memoryParts(options)).toBeLessThanOrEqual(memoryBudget)
        expect(options.memtableSize).toBeGreaterThanOrEqual(64 * KIB)
      }
    },
  )

  it('a small memtable alone changes nothing else; a large one raises the budget', () => {
    const small = resolveOptions({ memtableSize: 64 * KIB }, NO_ENVIRONMENT)
    expect(small).toMatchObject({ memtableSize: 64 * KIB, memoryBudget: 512 * MIB })
    const large = resolveOptions({ memtableSize: 512 * MIB }, NO_ENVIRONMENT)
    expect(memoryParts(large)).toBeLessThan(large.memoryBudget)
    expect(large.sources.memoryBudget).toBe('sum of memtables and caches')
  })

  it('scales only what was not given', () => {
    const options = resolveOptions(
      { memoryBudget: 16 * MIB, memtableSize: 4 * MIB },
      NO_ENVIRONMENT,
    )
    expect(options.memtableSize).toBe(4 * MIB)
    expect(options.sources.blockCacheSize).toBe('scaled to memoryBudget')
    expect(memoryParts(options)).toBeLessThanOrEqual(16 * MIB)
  })

  it('a larger budget grows the caches, not the memtables', () => {
    const options = resolveOptions({ memoryBudget: GIB }, NO_ENVIRONMENT)
    expect(options.memtableSize).toBe(64 * MIB)
    expect(options.blockCacheSize).toBe(256 * MIB)
  })

  it('a quota makes memtables small enough to be compacted under it', () => {
    const { memtableSize, l0CompactTrigger, sources } = resolveOptions(
      { maxDiskBytes: 70 * MIB },
      NO_ENVIRONMENT,
    )
    expect(memtableSize * (l0CompactTrigger + 2)).toBeLessThanOrEqual(70 * MIB)
    expect(memtableSize).toBeGreaterThan(9 * MIB)
    expect(sources.memtableSize).toBe('scaled to maxDiskBytes')
    const roomy = resolveOptions({ maxDiskBytes: 100 * GIB }, NO_ENVIRONMENT)
    expect(roomy.memtableSize).toBe(64 * MIB)
  })

  it('shared resources decide workers and budget that were not given', () => {
    const resources = createResources({ memoryBudget: GIB, workers: 3 })
    const options = resolveOptions({ resources }, NO_ENVIRONMENT)
    expect(options).toMatchObject({ workers: 3, memoryBudget: 256 * MIB })
    expect(memoryParts(options)).toBeLessThanOrEqual(256 * MIB)
    expect(options.sources.workers).toBe('resources')
    const given = resolveOptions({ resources, workers: 1, memoryBudget: 512 * MIB }, NO_ENVIRONMENT)
    expect(given).toMatchObject({ workers: 1, memoryBudget: 512 * MIB })
    const low = resolveOptions({ resources, preset: 'lowMemory' }, NO_ENVIRONMENT)
    expect(low.memoryBudget).toBe(64 * MIB)
    expect(resolveOptions({ resources, inMemory: true }, NO_ENVIRONMENT).workers).toBe(0)
    const small = createResources({ memoryBudget: 8 * MIB, workers: 0 })
    expect(resolveOptions({ resources: small }, NO_ENVIRONMENT).memoryBudget).toBe(8 * MIB)
    expect(explain(options)).toMatch(/resources +shared +given/)
  })

  it('in memory works on the calling thread; read-only never creates', () => {
    expect(resolveOptions({ inMemory: true }, NO_ENVIRONMENT).workers).toBe(0)
    expect(resolveOptions({ readOnly: true }, NO_ENVIRONMENT).createIfMissing).toBe(false)
  })

  it("'off' stops no writer; a lone compaction trigger moves the stall with it", () => {
    const off = resolveOptions({ l0StallTrigger: 'off' }, NO_ENVIRONMENT)
    expect(off.l0StallTrigger).toBe(Number.POSITIVE_INFINITY)
    expect(resolveOptions({ l0CompactTrigger: 30 }, NO_ENVIRONMENT).l0StallTrigger).toBe(90)
    expect(resolveOptions({ l0StallTrigger: 3 }, NO_ENVIRONMENT).l0CompactTrigger).toBe(1)
  })
})

describe('options that may be off', () => {
  it.each(['compactionRateLimit', 'idleAfter', 'scrubInterval'] as const)('%s', (name) => {
    for (const off of ['off', 0, Number.POSITIVE_INFINITY]) {
      expect(resolveOptions({ [name]: off }, NO_ENVIRONMENT)[name]).toBe(Number.POSITIVE_INFINITY)
    }
    const { parse, check } = OPTION_TABLE[name]
    expect(check(parse('off'))).toBe(Number.POSITIVE_INFINITY)
    expect(check(parse('70000'))).toBe(70_000)
    expect(check(parse(''))).toBe(undefined)
    const line = explain(resolveOptions({ [name]: 'off' }, NO_ENVIRONMENT))
    expect(line).toMatch(new RegExp(`${name} +off +(bytes/s|ms) +given`))
  })

  it('a rate is read as a size; a preset with compaction deferred yields to a stall trigger', () => {
    expect(OPTION_TABLE.compactionRateLimit.parse('8MiB')).toBe(8 * MIB)
    const load = resolveOptions({ preset: 'bulkLoad' }, NO_ENVIRONMENT)
    expect(load.deferCompaction).toBe(true)
    const stalled = resolveOptions({ preset: 'bulkLoad', l0StallTrigger: 40 }, NO_ENVIRONMENT)
    expect(stalled.deferCompaction).toBe(false)
  })
})

describe('explain', () => {
  it('prints every option once with value, unit and source', () => {
    const lines = explain(resolveOptions({ blockSize: 512 }, { SETT_PRESET: 'bulkLoad' })).split(
      '\n',
    )
    expect(lines).toHaveLength(OPTION_NAMES.length + 1)
    expect(lines[0]).toMatch(/^option +value +unit +source$/)
    const line = (name: string): string | undefined =>
      lines.find((one) => one.startsWith(`${name} `))
    expect(line('blockSize')).toMatch(/512 \(512 B\) +bytes +given$/)
    expect(line('preset')).toMatch(/bulkLoad +SETT_PRESET$/)
    expect(line('memtableSize')).toMatch(/268435456 \(256 MiB\) +bytes +preset bulkLoad$/)
    expect(line('l0StallTrigger')).toMatch(/off +tables/)
  })
})

describe('sizes as text', () => {
  it.each([
    ['4096', 4096],
    ['64KiB', 64 * KIB],
    ['8m', 8 * MIB],
    ['1.5 GiB', 1.5 * GIB],
    ['2kb', 2000],
    ['', undefined],
    ['-1', undefined],
    ['12 parsecs', undefined],
  ])('%j', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })
})

// The option maxDiskBytes: puts stop before the files pass it, everything that gives room back goes on, and so do puts
// when there is some.
import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, start, turns } from '../../../support/small-engine.ts'

const MIB = 2 ** 20
const VALUE = 'v'.repeat(15_000)
const key = (i: number): string => `k${String(i).padStart(5, '0')}`

function bytesOnDisk(fs: FaultFileSystem): number {
  return fs
    .listSync('/db')
    .filter((name) => /\.(sst|wal|vlog)$|^MANIFEST/.test(name))
    .reduce((sum, name) => sum + fs.statSync(`/db/${name}`)!.size, 0)
}

async function put(engine: StorageEngine, name: string): Promise<string> {
  return ends(codeOf((async () => engine.put(name, VALUE, {}))()))
}

/** Distinct keys until one is refused; how many were stored. */
async function fill(engine: StorageEngine): Promise<number> {
  for (let i = 0; i < 10_000; i++) {
    const code = await put(engine, key(i))
    if (code === 'no error') continue
    expect(code).toBe('SETT_DISK_FULL')
    return i
  }
  throw new Error('it never got full')
}

/** Large values, all at once; what became of each. */
function flood(engine: StorageEngine): Promise<string[]> {
  return Promise.all(
    Array.from({ length: 40 }, (_, i) => {
      return codeOf((async () => engine.put(`large ${i}`, Buffer.alloc(100_000, i), {}))())
    }),
  )
}

describe('maxDiskBytes', () => {
  it('stops puts with an error that names it; deletes and compaction go on, and then puts', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, {
      maxDiskBytes: 4 * MIB,
      l0CompactTrigger: 2,
      compression: 'none',
    })
    const stored = await fill(engine)
    expect(stored).toBeGreaterThan(180)
    expect(stored).toBeLessThan(280)
    await ends(engine.settle())
    await expect((async () => engine.put('more', VALUE, {}))()).rejects.toThrow(/maxDiskBytes/)
    const { status, warnings } = engine.health()
    expect([status, ...warnings.map(({ code }) => code)]).toEqual(['warning', 'disk-nearly-full'])
    expect(warnings[0]!.message).toContain('4 MiB of maxDiskBytes')
    const mixed = [
      { type: 'del', key: key(0) },
      { type: 'put', key: 'more', value: VALUE },
    ] as const
    expect(await codeOf((async () => engine.batch(mixed, {}))())).toBe('SETT_DISK_FULL')
    expect(engine.getSync(key(0), undefined, 'utf8')).toBe(VALUE)
    for (let i = 0; i < stored; i += 2) await engine.del(key(i), {})
    await engine.compactRange(undefined, undefined)
    expect(await put(engine, 'more')).toBe('no error')
    await ends(engine.settle())
    const codes = engine.health().warnings.map(({ code }) => code)
    expect(codes).not.toContain('disk-nearly-full')
    expect(engine.getSync(key(1), undefined, 'utf8')).toBe(VALUE)
    await engine.close()
  })

  it('counts what the files take, to the byte, and never looks at them', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { maxDiskBytes: 4 * MIB, compression: 'none' })
    for (let i = 0; i < 60; i++) expect(await put(engine, key(i))).toBe('no error')
    await ends(engine.settle())
    // Removals go one turn later; a log that was born ahead has its header only.
    await turns()
    const { diskBytes } = engine.stats()
    expect(bytesOnDisk(fs) - diskBytes).toBeGreaterThanOrEqual(0)
    expect(bytesOnDisk(fs) - diskBytes).toBeLessThanOrEqual(64)
    const stats = fs.calls.filter(({ kind }) => kind === 'stat').length
    for (let i = 0; i < 20; i++) await put(engine, key(i))
    const after = fs.calls.filter(({ kind, path }) => kind === 'stat' && /sst|wal/.test(path))
    expect(after.length).toBeLessThanOrEqual(stats)
    await engine.close()
    const again = await start(fs, { maxDiskBytes: 4 * MIB, compression: 'none' })
    expect(again.stats().diskBytes).toBeGreaterThan(MIB / 2)
    await again.close()
  })

  it('lets the same keys be written again and again within it: compaction frees what is old', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, {
      maxDiskBytes: 4 * MIB,
      l0CompactTrigger: 2,
      compression: 'none',
    })
    for (let i = 0; i < 1_500; i++) {
      if ((await put(engine, key(i % 20))) === 'no error') continue
      await ends(engine.settle())
      expect(await put(engine, key(i % 20))).toBe('no error')
    }
    expect(bytesOnDisk(fs)).toBeLessThan(6 * MIB)
    await engine.close()
  })

  it('counts logs that an earlier open left behind', async () => {
    const fs = new FaultFileSystem()
    const first = await start(fs, { durability: 'sync' })
    for (let i = 0; i < 3; i++) await put(first, key(i))
    const image = fs.image({ rule: 'strict', survives: () => 'none' })
    await first.close()
    const second = new FaultFileSystem({ files: image })
    const again = await start(second, { maxDiskBytes: MIB })
    expect(again.stats().diskBytes).toBeGreaterThan(45_000)
    await again.close()
  })

  it('counts what was made in this turn and is not in the log yet', async () => {
    const maxDiskBytes = MIB
    const options = { maxDiskBytes, l0CompactTrigger: 2, compression: 'none', memtableCount: 8 }
    const engine = await start(new FaultFileSystem(), options)
    const spare = (): number => maxDiskBytes - engine.stats().diskBytes
    for (let i = 0; spare() > 60_000; i += 1) {
      await engine.put(key(i), Buffer.alloc(1_000), {})
      await ends(engine.settle())
    }
    const flood = Array.from({ length: 40 }, async (_, i) => {
      return await codeOf((async () => engine.put(`flood ${i}`, Buffer.alloc(4_000), {}))())
    })
    const codes = await ends(Promise.all(flood))
    const stored = codes.filter((code) => code === 'no error').length
    expect(codes.filter((code) => code === 'SETT_DISK_FULL')).toHaveLength(40 - stored)
    expect(stored).toBeGreaterThan(2)
    // A flush may have ended meanwhile: its table has an index, a filter and an edit that its log had not.
    expect(spare()).toBeGreaterThanOrEqual(-4_000)
    await engine.close()
  })

  it('is not used up by what the manifest says of files that are gone', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { maxDiskBytes: MIB, l0CompactTrigger: 2, compression: 'none' })
    // The manifest has the first and the last key of each table.
    const long = (i: number): string => `${'k'.repeat(6_000)}${i % 2}`
    for (let i = 0; i < 200; i += 1) {
      await engine.put(long(i), `${i}`, {})
      await ends(engine.flush())
    }
    await ends(engine.settle())
    expect((await engine.verify({})).problems).toEqual([])
    expect(engine.stats().diskBytes).toBeLessThan(MIB / 2)
    await turns()
    expect(fs.listSync('/db').filter((name) => name.startsWith('MANIFEST'))).toHaveLength(1)
    const image = fs.image({ rule: 'strict', survives: () => 'none' })
    await engine.close()
    for (const files of [new FaultFileSystem({ files: image }), fs]) {
      const again = await start(files)
      expect(again.getSync(long(198), undefined, 'utf8')).toBe('198')
      expect(again.getSync(long(199), undefined, 'utf8')).toBe('199')
      await again.close()
    }
  })

  it('counts large values that wait for those before them', async () => {
    const maxDiskBytes = 2 * MIB
    const fs = new FaultFileSystem()
    const engine = await start(fs, { maxDiskBytes, memoryBudget: 64 * MIB })
    const codes = await ends(flood(engine))
    const stored = codes.filter((code) => code === 'no error').length
    expect(codes.filter((code) => code === 'SETT_DISK_FULL')).toHaveLength(40 - stored)
    expect(stored).toBeGreaterThan(15)
    expect(bytesOnDisk(fs)).toBeLessThanOrEqual(maxDiskBytes)
    await engine.close()
  })

  it.each([
    ['puts', false],
    ['batches', true],
  ])('takes text for the bytes it is written as: %s', async (_, batched) => {
    const fs = new FaultFileSystem()
    const maxDiskBytes = MIB
    const engine = await start(fs, { maxDiskBytes, l0CompactTrigger: 2, compression: 'none' })
    const spare = (): number => maxDiskBytes - engine.stats().diskBytes
    for (let i = 0; spare() > 14_000; i += 1) {
      await engine.put(key(i), Buffer.alloc(1_000), {})
      await ends(engine.settle())
    }
    expect(spare()).toBeGreaterThan(6_000)
    const value = 'v'.repeat(5_000)
    const store = async (name: string): Promise<void> => {
      if (batched) await engine.batch([{ type: 'put', key: name, value }], {})
      else await engine.put(name, value, {})
    }
    // Three times as many bytes would not fit.
    expect(await codeOf(store('text'))).toBe('no error')
    let more = 0
    while (more < 1_000 && (await codeOf(store(`more ${more}`))) === 'no error') more += 1
    expect(more).toBeLessThan(1_000)
    await ends(engine.settle())
    expect(engine.stats().diskBytes).toBeLessThanOrEqual(maxDiskBytes)
    await engine.close()
  })
})

it('large values that wait for those before them leave the reserve of the volume alone', async () => {
  const fs = new FaultFileSystem()
  const engine = await start(fs, { memoryBudget: 64 * MIB })
  const capacity = 3 * MIB
  fs.setCapacity(capacity)
  const codes = await ends(flood(engine))
  expect(codes).toContain('SETT_DISK_FULL')
  expect(fs.spaceSync('/db').freeBytes).toBeGreaterThanOrEqual(capacity * 0.02)
  await engine.close()
})

it('the volume is looked at as often for text as for the same bytes', async () => {
  const looks = async (value: string | Buffer): Promise<number> => {
    const fs = new FaultFileSystem()
    // How often zeros are written ahead for syncs depends on how slow the machine is.
    const roomy = { memtableSize: 8 * MIB, memoryBudget: 64 * MIB, durability: 'none' }
    const engine = await start(fs, roomy)
    const batch = Array.from(
      { length: 40 },
      (_, i) => ({ type: 'put', key: key(i), value }) as const,
    )
    const before = fs.calls.length
    for (let i = 0; i < 160; i += 1) {
      await engine.batch(batch, {})
      await engine.put('alone', value, {})
    }
    const count = fs.calls.slice(before).filter(({ kind }) => kind === 'space').length
    await engine.close()
    return count
  }
  const forBytes = await looks(Buffer.alloc(1_000, 'v'))
  expect(forBytes).toBeGreaterThan(1)
  expect(await looks('v'.repeat(1_000))).toBe(forBytes)
})

// A damaged table met by a compaction: the job fails and says where, leaves nothing behind and takes nothing away; what
// is not damaged stays readable, and nobody tries again and again.
import { expect, it } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import { tablePath } from '../../../src/io/file-names.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { halfNoise } from '../../support/half-noise.ts'
import { codeOf, ends, start, turns } from '../../support/small-engine.ts'
import { JobBench } from '../../unit/jobs/support.ts'
import { Bench, DIRECTORY, type PlainEntry, SHAPE } from '../../unit/sstable/support.ts'
import { takeApart, withOneMore } from '../fuzz/forged-table.ts'

const MIB = 1024 * 1024
/** Longer than the pause after which a failed compaction is tried again. */
const PAUSE_MS = 1_300
/** Every second byte, each with another bit. */
const STEP = Number(process.env['SETT_CORRUPT_STEP'] ?? 2)

function entries(round: number): PlainEntry[] {
  return Array.from({ length: 40 }, (_, i) => ({
    key: Buffer.from(`key ${String(i).padStart(3, '0')}`),
    version: 100 * round + i + 1,
    value: i % 9 === 8 ? undefined : Buffer.from(halfNoise(70, 100 * round + i)),
  }))
}

function read(fs: FileSystem, path: string): Buffer {
  const file = fs.openSync(path, 'read')
  const bytes = Buffer.alloc(file.sizeSync())
  file.readSync(bytes, 0)
  file.closeSync()
  return bytes
}

function replace(fs: FileSystem, path: string, bytes: Buffer): void {
  fs.removeSync(path)
  const file = fs.openSync(path, 'create')
  file.writeSync(bytes, 0)
  file.closeSync()
}

it('fails wherever an input is damaged, names it, and leaves only the inputs', () => {
  const bench = new Bench(16 * MIB)
  const jobs = new JobBench(bench)
  const older = bench.write(entries(1), SHAPE, 9_001)
  const newer = bench.write(entries(2), SHAPE, 9_101)
  const path = tablePath(DIRECTORY, 9_101)
  const whole = read(bench.fs, path)
  const compact = (): void => {
    jobs.compact([newer, older], { snapshots: [1_000], dropTombstones: true })
  }
  expect(whole.length).toBeGreaterThan(2_000)
  let unread = 0
  const filter = filterOf(whole)
  for (let i = 0; i < whole.length; i += STEP) {
    const bytes = Buffer.from(whole)
    bytes[i]! ^= 1 << (Math.floor(i / STEP) % 8)
    replace(bench.fs, path, bytes)
    const names = bench.fs.listSync(DIRECTORY)
    let error: unknown
    try {
      compact()
    } catch (reason) {
      error = reason
    }
    if (error === undefined && i >= filter.from && i < filter.to) {
      // A compaction looks nothing up, so it does not read the filter; the new table has one of its own.
      unread += 1
      for (const name of bench.fs.listSync(DIRECTORY)) {
        if (!names.includes(name)) bench.fs.removeSync(`${DIRECTORY}/${name}`)
      }
      continue
    }
    expect(error, `byte ${i}`).toBeInstanceOf(CorruptionError)
    expect((error as CorruptionError).file).toBe(path)
    expect(bench.fs.listSync(DIRECTORY)).toEqual(names)
    expect(read(bench.fs, path).equals(bytes)).toBe(true)
  }
  expect(unread).toBeLessThanOrEqual(filter.to - filter.from)
  replace(bench.fs, path, whole)
  compact()
})

it('names an input whose checksums are right and whose content is not', () => {
  const bench = new Bench(16 * MIB)
  const jobs = new JobBench(bench)
  const older = bench.write(entries(1), SHAPE, 9_001)
  const [newer] = bench.write(entries(2), SHAPE, 9_101)
  const path = tablePath(DIRECTORY, 9_101)
  const forged = withOneMore(takeApart(newer!, read(bench.fs, path)), 'entries')
  replace(bench.fs, path, forged.bytes)
  const names = bench.fs.listSync(DIRECTORY)
  const compact = (): void => {
    jobs.compact([[forged.meta], older], { snapshots: [1_000], dropTombstones: true })
  }
  // Any other error would be taken for one that passes, and the compaction be tried for ever.
  expect(compact).toThrow(expect.objectContaining({ code: 'LEVEL_CORRUPTION', file: path }))
  expect(bench.fs.listSync(DIRECTORY)).toEqual(names)
})

function filterOf(table: Buffer): { from: number; to: number } {
  const from = Number(table.readBigUInt64LE(table.length - 128))
  return { from, to: from + Number(table.readBigUInt64LE(table.length - 120)) + 16 }
}

it('fails once, keeps the rest readable and writable, and closes', async () => {
  const fs = new FaultFileSystem()
  const engine = await start(fs, { blockSize: 512, l0CompactTrigger: 10 })
  const key = (i: number): string => `key ${String(i).padStart(3, '0')}`
  const round = async (value: string): Promise<void> => {
    for (let i = 0; i < 200; i++) await engine.put(key(i), value.repeat(50), { durability: 'none' })
    await engine.flush()
  }
  await round('a')
  const [first] = fs.listSync('/db').filter((name) => name.endsWith('.sst'))
  await round('b')
  const path = `/db/${first}`
  const bytes = read(fs, path)
  bytes[2_000]! ^= 1
  replace(fs, path, bytes)
  expect(await codeOf(engine.compactRange(undefined, undefined))).toBe('LEVEL_CORRUPTION')
  // What the failed job had written goes a little later.
  await turns()
  const inputs = fs.listSync('/db').filter((name) => name.endsWith('.sst'))
  expect(inputs).toContain(first)
  // What looks after the database asks for the room on the disk now and then.
  const made = (): number => fs.calls.filter(({ kind }) => kind !== 'space').length
  const calls = made()
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  expect(made()).toBe(calls)
  expect(fs.listSync('/db').filter((name) => name.endsWith('.sst'))).toEqual(inputs)
  for (let i = 0; i < 200; i++) {
    expect(engine.getSync(key(i), undefined, 'utf8')).toBe('b'.repeat(50))
  }
  await engine.put('another', 'value', {})
  await engine.flush()
  await ends(engine.settle())
  expect(engine.getSync('another', undefined, 'utf8')).toBe('value')
  await ends(engine.close())
  const again = await start(fs, { blockSize: 512, l0CompactTrigger: 10 })
  expect(again.getSync(key(7), undefined, 'utf8')).toBe('b'.repeat(50))
  expect(again.getSync('another', undefined, 'utf8')).toBe('value')
  expect((await again.verify({})).problems.map(({ file }) => file)).toEqual([path])
  await again.close()
})

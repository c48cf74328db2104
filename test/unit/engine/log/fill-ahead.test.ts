// Zeros ahead of the frames of a log that is synced group by group: they keep the file's length, they end every log
// without counting as damage, they go when the log ends, and no commit fails for want of them.
import { describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '../../../../src/base/clock.ts'
import { resolveOptions } from '../../../../src/base/options.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import { repairDirectory } from '../../../../src/engine/repair/repair.ts'
import { FILE_HEADER_BYTES } from '../../../../src/format/file-header.ts'
import { judgeLogs } from '../../../../src/inspect/judge-logs.ts'
import { readManifest } from '../../../../src/manifest/read-manifest.ts'
import type { Survival } from '../../../faults/disk.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import type { Call } from '../../../faults/fault-rules.ts'
import { codeOf, small, turns } from '../../../support/small-engine.ts'

/** Whether a write blocks the thread depends on how long the last one took: here no time passes. */
const STILL: Clock = { ...systemClock, monotonicMs: () => 0 }
const LOG = /\.wal$/
const KILLED: Survival = { rule: 'strict', survives: () => 'all' }
/** Of a memtable of 64 KiB. */
const AHEAD = 16_384

function start(fs: FaultFileSystem, options: object = {}): Promise<StorageEngine> {
  return openEngine('/db', resolveOptions({ ...small, ...options }), { fs, clock: STILL })
}

interface Log {
  readonly path: string
  readonly bytes: Buffer
  /** Behind the last byte that is not zero, rounded up as frames are. */
  readonly framesEnd: number
}

function logsIn(files: ReadonlyMap<string, Buffer>): Log[] {
  return [...files]
    .filter(([path]) => LOG.test(path))
    .map(([path, bytes]) => {
      const end = bytes.findLastIndex((byte) => byte !== 0) + 1
      return { path, bytes, framesEnd: Math.ceil(end / 8) * 8 }
    })
}

function onlyLog(fs: FaultFileSystem): Log {
  const [log, ...others] = logsIn(fs.image(KILLED))
  expect(others).toEqual([])
  return log!
}

function writesTo(calls: readonly Call[], path: string): Call[] {
  return calls.filter((call) => call.kind === 'write' && call.path === path)
}

async function putRow(engine: StorageEngine, from: number, to: number, length = 40): Promise<void> {
  for (let i = from; i < to; i++) await engine.put(`k${i}`, 'v'.repeat(length), {})
}

function keysFrom(engine: StorageEngine, from: number, to: number): boolean[] {
  return Array.from({ length: to - from }, (_, i) => engine.hasSync(`k${from + i}`, undefined))
}

/** Opens it as it is after a kill: every key, no torn end, no problem, nothing that a repair would lose. */
async function checkKilled(fs: FaultFileSystem, from: number, to: number): Promise<void> {
  const files = fs.image(KILLED)
  const state = readManifest(new FaultFileSystem({ files }), '/db')!.state
  const { problems, tornEnds } = judgeLogs(new FaultFileSystem({ files }), '/db', state)
  expect([problems, tornEnds]).toEqual([[], []])
  const again = await start(new FaultFileSystem({ files }))
  expect(keysFrom(again, from, to)).not.toContain(false)
  expect(again.stats().tornTailsCut).toBe(0)
  expect((await again.verify({})).problems).toEqual([])
  await again.close()
  const options = resolveOptions({ workers: 0, memtableSize: 65_536, memoryBudget: 2 ** 23 })
  const report = await repairDirectory('/db', options, { fs: new FaultFileSystem({ files }) })
  expect(report.lost).toEqual([])
}

describe('a log of durable commits', () => {
  it('is filled by the second of them, and the next ones change no length', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await putRow(engine, 0, 1)
    const first = onlyLog(fs)
    expect(first.bytes.length).toBe(first.framesEnd)
    await putRow(engine, 1, 2)
    const { path, bytes } = onlyLog(fs)
    expect(bytes.length).toBeGreaterThanOrEqual(AHEAD)
    expect(bytes.length % 4096).toBe(0)
    const before = fs.calls.length
    await putRow(engine, 2, 30)
    expect(onlyLog(fs).bytes.length).toBe(bytes.length)
    expect(writesTo(fs.calls.slice(before), path).length).toBe(28)
    await checkKilled(fs, 0, 30)
    await engine.close()
  })

  it('is filled again where the zeros end; frames never meet them', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await putRow(engine, 0, 150, 100)
    const { path, bytes, framesEnd } = onlyLog(fs)
    expect(framesEnd).toBeGreaterThan(AHEAD + 4096)
    expect(bytes.length).toBeGreaterThan(framesEnd)
    let end = FILE_HEADER_BYTES
    let fills = 0
    for (const { offset, bytes: length } of writesTo(fs.calls, path).slice(1)) {
      if (length < 4096) {
        expect(offset).toBe(end)
        end += length
      } else {
        expect(offset).toBeGreaterThanOrEqual(end)
        fills += 1
      }
    }
    expect([end, fills]).toEqual([framesEnd, 2])
    await checkKilled(fs, 0, 150)
    await engine.close()
  })

  it.each(['none', { interval: 5 }] as const)('under %j is appended to', async (durability) => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability })
    await putRow(engine, 0, 20)
    await engine.put('synced', 'once', { durability: 'sync' })
    await putRow(engine, 20, 22)
    const { bytes, framesEnd } = onlyLog(fs)
    expect(bytes.length).toBe(framesEnd)
    await engine.close()
  })

  it('is appended to where frames are long, and filled again behind them', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { memtableSize: 2 ** 20, memoryBudget: 2 ** 25 })
    await putRow(engine, 0, 3, 70_000)
    expect(onlyLog(fs).bytes.length).toBe(onlyLog(fs).framesEnd)
    await putRow(engine, 3, 6)
    const { bytes, framesEnd } = onlyLog(fs)
    expect(bytes.length - framesEnd).toBeGreaterThan(200_000)
    await checkKilled(fs, 0, 6)
    await engine.close()
  })

  it('ends at its last frame when it is rotated: the next one is linked to it', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { memtableCount: 8 })
    fs.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    await putRow(engine, 0, 5)
    for (let i = 5; i < 13; i++) await putRow(engine, i, i + 1, 9_000)
    await putRow(engine, 13, 16)
    const logs = logsIn(fs.image(KILLED)).filter(({ framesEnd }) => framesEnd > FILE_HEADER_BYTES)
    expect(logs.length).toBe(2)
    expect(logs[0]!.bytes.length).toBe(logs[0]!.framesEnd)
    expect(logs[1]!.bytes.length).toBeGreaterThan(logs[1]!.framesEnd)
    // The cut is durable once a commit behind it is.
    const lost = fs.image({ rule: 'strict', survives: () => 'none' })
    expect(lost.get(logs[0]!.path)!.length).toBe(logs[0]!.framesEnd)
    await checkKilled(fs, 0, 16)
    fs.heal()
    await engine.close()
  })

  it('ends at its last frame when the database is closed, durably', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await putRow(engine, 0, 5)
    await engine.close()
    const { bytes, framesEnd } = onlyLog(fs)
    expect(bytes.length).toBe(framesEnd)
    const sealed = readManifest(fs, '/db')!.state.wals[0]!.sealed!
    expect(sealed.length).toBe(framesEnd)
    expect(fs.disk.pending('strict').filter(({ kind }) => kind === 'truncate')).toEqual([])
    const again = await start(fs)
    expect(keysFrom(again, 0, 5)).not.toContain(false)
    await again.close()
  })

  it('keeps its zeros when they cannot be cut off, and they stay an end', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await putRow(engine, 0, 5)
    fs.inject({ on: 'truncate', path: LOG, errno: 'EIO', forever: true })
    await engine.close()
    const { bytes, framesEnd } = onlyLog(fs)
    expect(bytes.length).toBeGreaterThan(framesEnd)
    fs.heal()
    const again = await start(fs)
    expect(keysFrom(again, 0, 5)).not.toContain(false)
    await again.close()
  })

  it('read without writing, as a kill left it, is not changed', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await putRow(engine, 0, 5)
    const killed = new FaultFileSystem({ files: fs.image(KILLED) })
    await engine.close()
    const reader = await start(killed, { readOnly: true, createIfMissing: false })
    expect(keysFrom(reader, 0, 5)).not.toContain(false)
    await reader.close()
    expect(killed.steps).toEqual([])
  })
})

describe('a commit torn in the zeros', () => {
  it("is as long as its bytes: what lies behind them was nobody's", async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await putRow(engine, 0, 3)
    await engine.put('torn', 't'.repeat(1_000), {})
    const { path, bytes, framesEnd } = onlyLog(fs)
    const files = new Map(fs.image(KILLED))
    await engine.close()
    const torn = Buffer.from(bytes)
    torn.fill(0, framesEnd - 600)
    files.set(path, torn)
    const end = torn.findLastIndex((byte) => byte !== 0) + 1
    const { state } = readManifest(new FaultFileSystem({ files }), '/db')!
    const { tornEnds, problems } = judgeLogs(new FaultFileSystem({ files }), '/db', state)
    expect(problems).toEqual([])
    expect(tornEnds.map(({ offset, bytes: count }) => offset + count)).toEqual([end])
    const again = await start(new FaultFileSystem({ files }))
    expect(keysFrom(again, 0, 3)).not.toContain(false)
    expect([again.hasSync('torn', undefined), again.stats().tornTailsCut]).toEqual([false, 1])
    await again.close()
    const options = resolveOptions({ workers: 0, memtableSize: 65_536, memoryBudget: 2 ** 23 })
    const report = await repairDirectory('/db', options, { fs: new FaultFileSystem({ files }) })
    expect(report.lost).toEqual([])
  })
})

describe('zeros that cannot be written', () => {
  it.each(['ENOSPC', 'EFBIG', 'EIO'])(
    'for %s cost no commit, and the rest of the log is appended',
    async (errno) => {
      const fs = new FaultFileSystem()
      const engine = await start(fs)
      await putRow(engine, 0, 1)
      fs.inject({ on: 'write', path: LOG, errno, shortBytes: 5_000 })
      await putRow(engine, 1, 6)
      const { bytes, framesEnd } = onlyLog(fs)
      expect(bytes.length).toBe(framesEnd)
      await checkKilled(fs, 0, 6)
      await engine.close()
    },
  )

  it('nor cut off again cost no commit either', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await putRow(engine, 0, 1)
    fs.inject({ on: 'write', path: LOG, errno: 'ENOSPC', shortBytes: 5_000 })
    fs.inject({ on: 'truncate', path: LOG, errno: 'EIO' })
    await putRow(engine, 1, 40, 300)
    expect(onlyLog(fs).framesEnd).toBeGreaterThan(10_000)
    await checkKilled(fs, 0, 40)
    await engine.close()
  })

  it('because the volume has none to spare are not tried', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    // So much is spare that a put of a few bytes passes.
    const totalBytes = 1_000_000
    fs.spaceSync = () => {
      const [memtable] = engine.stats().memtables
      return { freeBytes: totalBytes * 0.02 + memtable!.bytes + 8_000, totalBytes }
    }
    await putRow(engine, 0, 6)
    const { path, bytes, framesEnd } = onlyLog(fs)
    expect(bytes.length).toBe(framesEnd)
    expect(writesTo(fs.calls, path).length).toBe(1 + 6)
    const large = engine.put.bind(engine, 'x', 'v'.repeat(10_000), {})
    expect(await codeOf((async () => large())())).toBe('SETT_DISK_FULL')
    await engine.close()
  })
})

describe('zeros under maxDiskBytes', () => {
  const maxDiskBytes = 2 ** 20
  const spare = (engine: StorageEngine): number => maxDiskBytes - engine.stats().diskBytes

  /** A value in a segment takes the rest. */
  async function leave(engine: StorageEngine, bytes: number): Promise<void> {
    const filler = Buffer.alloc(spare(engine) - bytes)
    await engine.put('filler', filler, { durability: 'none' })
    await turns()
    expect(spare(engine)).toBeGreaterThan(bytes - 1_000)
    expect(spare(engine)).toBeLessThanOrEqual(bytes)
  }

  it('take what is written into them: it does not count twice', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { maxDiskBytes, compression: 'none' })
    await putRow(engine, 0, 2)
    await leave(engine, 8_000)
    let synced = (): void => undefined
    const until = new Promise<void>((resolve) => {
      synced = resolve
    })
    fs.inject({ on: 'sync', path: LOG, until })
    const first = engine.put('first', 'x', {})
    await turns()
    const before = spare(engine)
    // Together they take more than is spare, and less than there are zeros.
    const value = Buffer.alloc(5_000)
    const codes = ['a', 'b'].map((key) => codeOf((async () => engine.put(key, value, {}))()))
    await turns()
    synced()
    expect(await Promise.all(codes)).toEqual(['no error', 'no error'])
    await first
    expect(spare(engine)).toBe(before)
    await engine.close()
  })

  it('are charged beside the frame they are written for, which counts already', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { maxDiskBytes, compression: 'none' })
    // One page more, at most, than AHEAD, and the frame: but not the frame twice.
    await leave(engine, 10_000 + AHEAD + 4_096 + 3_000)
    await putRow(engine, 0, 1)
    await putRow(engine, 1, 2, 10_000)
    expect(logsIn(fs.image(KILLED)).map(({ bytes }) => bytes.length % 4_096)).toContain(0)
    expect(spare(engine)).toBeGreaterThanOrEqual(0)
    await engine.close()
  })
})

describe('a rejected commit', () => {
  it('in the zeros is cut off with them; the log is filled again', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await putRow(engine, 0, 5)
    fs.inject({ on: 'write', path: LOG, errno: 'EIO', shortBytes: 1_000_000 })
    expect(await codeOf(engine.put('lost', 'x', {}))).toBe('LEVEL_IO_ERROR')
    expect(onlyLog(fs).bytes.length).toBe(onlyLog(fs).framesEnd)
    await putRow(engine, 5, 8)
    expect(onlyLog(fs).bytes.length).toBeGreaterThan(onlyLog(fs).framesEnd)
    const again = await start(new FaultFileSystem({ files: fs.image(KILLED) }))
    expect(again.hasSync('lost', undefined)).toBe(false)
    await again.close()
    await checkKilled(fs, 0, 8)
    await engine.close()
  })
})

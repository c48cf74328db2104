// When a commit becomes visible, durable and acked, and that a rejected one never comes back.
import { describe, expect, it } from 'vitest'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import type { Survival } from '../../faults/disk.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import type { Fault } from '../../faults/fault-rules.ts'
import { codeOf, ends, soon, start, turns } from '../../support/small-engine.ts'

const POWER_CUT: Survival = { rule: 'strict', survives: () => 'none' }
/** A power cut that brings back what was cut off and not synced since. */
const UNCUT: Survival = {
  rule: 'strict',
  survives: ({ kind }) => (kind === 'truncate' ? 'none' : 'all'),
}
const KILLED: Survival = { rule: 'strict', survives: () => 'all' }

/** Of a log: behind the file's header. */
const FIRST_FRAME = 64

interface Gate {
  readonly until: Promise<void>
  readonly open: () => void
}

function gate(): Gate {
  let open = (): void => undefined
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  return { until, open: () => open() }
}

function keys(engine: StorageEngine): unknown[] {
  const reader = engine.range({
    keys: true,
    values: false,
    keyForm: 'utf8',
    valueForm: 'utf8',
    version: engine.version,
  })
  return reader.next(1_000).map(([key]) => key)
}

/** The keys that an open after this crash finds. */
async function keysAfter(fs: FaultFileSystem, survival: Survival): Promise<unknown[]> {
  const again = await start(new FaultFileSystem({ files: fs.image(survival) }))
  const found = keys(again)
  await again.close()
  return found
}

/** More than half a memtable, so that the next log is at hand. */
async function fillHalf(engine: StorageEngine): Promise<void> {
  for (const key of ['a', 'b', 'c']) await engine.put(key, 'x'.repeat(12_000), {})
  await turns()
}

/** A commit of a few bytes, neither the header of a log nor the zeros that precede a durable commit behind another. */
const OF_COMMIT: Pick<Fault, 'on' | 'path' | 'of'> = {
  on: 'write',
  path: /\.wal$/,
  of: ({ offset, bytes }) => offset > 0 && bytes < 1024,
}

describe.each(['none', 'sync'] as const)(
  "a rejected commit under durability '%s'",
  (durability) => {
    it('leaves nothing in the tree', async () => {
      const fs = new FaultFileSystem()
      const engine = await start(fs, { durability })
      await engine.put('b', '1', {})
      fs.inject({ ...OF_COMMIT, errno: 'EIO' })
      expect(await codeOf(engine.put('c', 'x', {}))).toBe('LEVEL_IO_ERROR')
      await engine.put('a', '2', {})
      expect(keys(engine)).toEqual(['a', 'b'])
      await engine.flush()
      expect(keys(engine)).toEqual(['a', 'b'])
      await engine.close()
    })

    it('is not there after a crash, although all of its bytes were written', async () => {
      const fs = new FaultFileSystem()
      const engine = await start(fs, { durability })
      await engine.put('kept', '1', {})
      const shortBytes = 1_000_000
      fs.inject({ ...OF_COMMIT, errno: 'EIO', shortBytes })
      expect(await codeOf(engine.put('lost', 'x', {}))).toBe('LEVEL_IO_ERROR')
      expect(await keysAfter(fs, KILLED)).toEqual(['kept'])
      await engine.close()
    })
  },
)

describe('a rejected commit', () => {
  it('is not there after a crash, although its bytes could not be cut off', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await fillHalf(engine)
    // Were it flushed, its log would be gone before the crash.
    fs.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    fs.inject({ ...OF_COMMIT, errno: 'EIO', shortBytes: 1_000_000 })
    const uncut = fs.inject({ on: 'truncate', path: /\.wal$/, errno: 'EIO', forever: true })
    expect(await codeOf(engine.put('lost', 'x', {}))).toBe('LEVEL_IO_ERROR')
    await engine.put('later', '1', {})
    expect(await keysAfter(fs, KILLED)).toEqual(['a', 'b', 'c', 'later'])
    uncut.lift()
    await engine.close()
  })

  it('is cut off for good before a later commit in the next log is durable', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'sync' })
    await fillHalf(engine)
    // Were it flushed, its log would be gone before the crash.
    fs.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    fs.inject({ ...OF_COMMIT, errno: 'EIO', shortBytes: 1_000_000 })
    expect(await codeOf(engine.put('lost', 'x', {}))).toBe('LEVEL_IO_ERROR')
    await engine.put('next log', 'x'.repeat(40_000), {})
    expect(await keysAfter(fs, UNCUT)).toEqual(['a', 'b', 'c', 'next log'])
    await engine.close()
  })

  it('is cut off for good when the database is closed', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'sync' })
    await engine.put('kept', '1', {})
    fs.inject({ ...OF_COMMIT, errno: 'EIO', shortBytes: 30 })
    expect(await codeOf(engine.put('lost', 'x', {}))).toBe('LEVEL_IO_ERROR')
    await engine.close()
    const cuts = fs.disk.pending('strict').filter(({ kind }) => kind === 'truncate')
    expect(cuts).toEqual([])
    expect(await keysAfter(fs, UNCUT)).toEqual(['kept'])
  })

  it('stays rejected when its sync failed once', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('durable', '1', {})
    fs.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO' })
    expect(await codeOf(engine.put('lost', 'x', {}))).toBe('SETT_POISONED')
    expect(() => engine.put('late', 'x', {})).toThrow(/read-only from here on/)
    expect(await keysAfter(fs, POWER_CUT)).toEqual(['durable'])
    await engine.close()
  })
})

describe('visibility', () => {
  it('a reader that came before a commit was durable never sees it', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('a', '1', {})
    const { until, open } = gate()
    fs.inject({ on: 'sync', path: /\.wal$/, until })
    const put = engine.put('b', '2', {})
    await turns()
    const pin = engine.pin()
    open()
    await put
    expect(engine.getSync('b', pin, 'utf8')).toBe(undefined)
    expect(engine.getSync('b', undefined, 'utf8')).toBe('2')
    pin.release()
    await engine.close()
  })

  it('commits are acked in the order in which they were made, over several logs', async () => {
    const fs = new FaultFileSystem()
    // Were the values in segments, commits would wait for those, and no group behind another.
    const engine = await start(fs, { memtableCount: 8, valueThreshold: 'off' })
    await fillHalf(engine)
    const first = fs.calls.find(({ kind, path }) => kind === 'create' && path.endsWith('.wal'))
    const { until, open } = gate()
    fs.inject({ on: 'sync', path: new RegExp(`${first!.path}$`), until })
    const acked: string[] = []
    const commits = ['first', 'second', 'third', 'fourth'].map(async (key, i) => {
      await turns(100 * i)
      // From the third on each takes a log of its own.
      await engine.put(key, 'x'.repeat(i < 2 ? 10 : 40_000), {})
      acked.push(key)
    })
    await turns(500)
    open()
    await ends(Promise.all(commits))
    expect(acked).toEqual(['first', 'second', 'third', 'fourth'])
    await ends(engine.close())
  })
})

describe('a log that was found at open', () => {
  it('is durable before the manifest says how long it is', async () => {
    const first = new FaultFileSystem()
    const engine = await start(first, { durability: 'none' })
    await engine.put('a', '1', {})
    // The process is killed, the machine goes on; then that ends, too.
    const second = new FaultFileSystem({ steps: first.steps.slice() })
    await engine.close()
    second.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    const again = await start(second)
    expect(await keysAfter(second, POWER_CUT)).toEqual(['a'])
    await again.close()
  })

  it('must have what lies before its cut from then on', async () => {
    const first = new FaultFileSystem()
    const engine = await start(first)
    await engine.put('a', '1', {})
    await engine.put('b', '2', {})
    const files = first.image(KILLED)
    await engine.close()
    const log = [...files.keys()].find((path) => path.endsWith('.wal'))!
    const written = files.get(log)!
    const end = written.findLastIndex((byte) => byte !== 0) + 1
    files.set(log, written.subarray(0, end - 8))
    const second = new FaultFileSystem({ files })
    // It stays: nothing is flushed.
    second.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    const again = await start(second)
    expect(keys(again)).toEqual(['a'])
    const later = second.image(KILLED)
    await again.close()
    const bytes = Buffer.from(later.get(log)!)
    bytes[FIRST_FRAME + 20] = bytes[FIRST_FRAME + 20]! ^ 1
    later.set(log, bytes)
    expect(await codeOf(start(new FaultFileSystem({ files: later })))).toBe('LEVEL_CORRUPTION')
  })
})

describe('durability', () => {
  it('comes to the oldest log first', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'none', valueThreshold: 'off' })
    await fillHalf(engine)
    // Once it is flushed, the first log needs no sync.
    fs.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC', forever: true })
    const paths = (kind: string, from: number): string[] =>
      fs.calls.slice(from).flatMap((call) => (call.kind === kind ? [call.path] : []))
    const [first, second] = paths('create', 0).filter((path) => path.endsWith('.wal'))
    const before = fs.calls.length
    await engine.put('own', 'x'.repeat(20_000), {})
    await engine.put('last', '1', { durability: 'sync' })
    const synced = paths('sync', before).filter((path) => path === first || path === second)
    expect(synced).toEqual([first, second])
    await engine.close()
  })
})

/** A commit of 'a' whose sync goes on until `open` is called. */
async function duringSync(): Promise<{
  readonly fs: FaultFileSystem
  readonly engine: StorageEngine
  readonly open: () => void
}> {
  const fs = new FaultFileSystem()
  const engine = await start(fs, { durability: { interval: 1 } })
  const { until, open } = gate()
  const held = fs.inject({ on: 'sync', path: /\.wal$/, until })
  await engine.put('a', '1', {})
  await soon(() => expect(held.matches).toBe(1))
  return { fs, engine, open }
}

describe('durability interval', () => {
  it('makes a commit durable that nobody waits for', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: { interval: 1 } })
    await engine.put('a', '1', {})
    await soon(async () => expect(await keysAfter(fs, POWER_CUT)).toEqual(['a']))
    await engine.close()
  })

  it('does so also with one that came while a sync was under way', async () => {
    const { fs, engine, open } = await duringSync()
    await engine.put('b', '2', {})
    open()
    await soon(async () => expect(await keysAfter(fs, POWER_CUT)).toEqual(['a', 'b']))
    await engine.close()
  })

  it('does not count what came while a sync was under way as durable', async () => {
    const { fs, engine, open } = await duringSync()
    // Of its own sectors, so that it can be lost alone.
    await engine.put('b', '2'.repeat(4096), {})
    const lost = fs.calls
      .filter(({ kind, path }) => kind === 'write' && path.endsWith('.wal'))
      .at(-1)!
    const holdsNext = fs.inject({ on: 'sync', path: /\.wal$/, until: new Promise(() => undefined) })
    open()
    await soon(() => expect(holdsNext.matches).toBe(1))
    await engine.put('c', '3', {})
    // Only what the first sync covered is durable: what follows may come back in part, and is no damage.
    const middle = lost.offset + 2048
    const torn: Survival = {
      rule: 'strict',
      survives: ({ kind, at, end }) =>
        kind === 'write' && at <= middle && middle < end ? 'none' : 'all',
    }
    expect(await keysAfter(fs, torn)).toEqual(['a'])
  })

  it('cuts a rejected commit off for good, although a sync was under way', async () => {
    const { fs, engine, open } = await duringSync()
    fs.inject({ ...OF_COMMIT, errno: 'EIO', shortBytes: 1_000_000 })
    expect(await codeOf(engine.put('lost', 'x', {}))).toBe('LEVEL_IO_ERROR')
    open()
    await soon(async () => expect(await keysAfter(fs, UNCUT)).toEqual(['a']))
    await engine.close()
  })

  it('ends for good when a sync fails that nobody waits for', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: { interval: 1 } })
    const failing = fs.inject({ on: 'sync', path: /\.wal$/, errno: 'EIO' })
    await engine.put('a', '1', {})
    await soon(() => expect(failing.matches).toBe(1))
    const put = async (): Promise<void> => engine.put('b', '2', {})
    await soon(async () => expect(await codeOf(put())).toBe('SETT_POISONED'))
    await engine.close()
  })
})

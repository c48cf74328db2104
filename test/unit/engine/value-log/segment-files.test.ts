// What reads do to the files of segments: how many are open, which bytes are read, what damage does, and that no file
// goes while it is read.
import { expect, it } from 'vitest'
import { CorruptionError } from '../../../../src/base/errors.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import type { RangeReader } from '../../../../src/engine/types.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, start } from '../../../support/small-engine.ts'

const VLOG = /\.vlog$/
const OPTIONS = { valueThreshold: 64, durability: 'none', compression: 'none' }
const keyOf = (i: number): string => `key ${String(i).padStart(5, '0')}`
const textOf = (i: number, length: number, mark = 'v'): string =>
  `${mark}${i}:`.padEnd(length, mark)

async function filled(
  fs: FaultFileSystem,
  { count, length, ...options }: { count: number; length: number; [option: string]: unknown },
): Promise<StorageEngine> {
  const engine = await start(fs, { ...OPTIONS, ...options })
  for (let i = 0; i < count; i++) await engine.put(keyOf(i), textOf(i, length), {})
  await engine.flush()
  await engine.compactRange(undefined, undefined)
  return engine
}

/** Writes over all keys, so that no table refers to the first values any more. */
async function overwrite(engine: StorageEngine, count: number, length: number): Promise<void> {
  for (let i = 0; i < count; i++) await engine.put(keyOf(i), textOf(i, length, 'w'), {})
  await engine.flush()
  await engine.compactRange(undefined, undefined)
}

const segments = (fs: FaultFileSystem): string[] => fs.listSync('/db').filter((n) => VLOG.test(n))
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function scan(engine: StorageEngine, values: boolean, reverse = false): RangeReader {
  const { version } = engine
  return engine.range({ keys: true, values, keyForm: 'utf8', valueForm: 'utf8', reverse, version })
}

type Pair = ReturnType<RangeReader['next']>[number]

function all(reader: RangeReader, size: number): Pair[] {
  const found: Pair[] = []
  for (let page = reader.next(size); page.length > 0; page = reader.next(size)) found.push(...page)
  return found
}

/** Reads of segments that `work` makes. */
function readsOf(fs: FaultFileSystem, work: () => unknown): number[] {
  const before = fs.calls.length
  work()
  return fs.calls
    .slice(before)
    .filter(({ kind, path }) => kind === 'read' && VLOG.test(path))
    .map(({ bytes }) => bytes)
}

/** From now on reads are so slow that get() leaves the thread. */
function makeSlow(fs: FaultFileSystem, engine: StorageEngine): void {
  const slow = fs.inject({ on: 'read', path: VLOG, delayMs: 4, forever: true })
  engine.getSync(keyOf(0), undefined, 'utf8')
  slow.lift()
}

it('looking for keys reads no value, and a point read no more than its own', async () => {
  const fs = new FaultFileSystem()
  const engine = await filled(fs, { count: 400, length: 1_000 })
  const keys = readsOf(fs, () => {
    for (let i = 0; i < 400; i++) expect(engine.hasSync(keyOf(i), undefined)).toBe(true)
    expect(all(scan(engine, false), 50)).toHaveLength(400)
    expect(all(scan(engine, false, true), 50)).toHaveLength(400)
  })
  expect(keys).toEqual([])
  engine.getSync(keyOf(1), undefined, 'utf8')
  expect(readsOf(fs, () => engine.getSync(keyOf(2), undefined, 'utf8'))).toEqual([1_032])
  await engine.close()
})

it('a scan reads neighbouring values together, from either end', async () => {
  const fs = new FaultFileSystem()
  const large = { memtableSize: 2 ** 21, memoryBudget: 2 ** 25 }
  const engine = await filled(fs, { count: 1_000, length: 1_000, ...large })
  engine.getSync(keyOf(0), undefined, 'utf8')
  for (const reverse of [false, true]) {
    const reads = readsOf(fs, () => {
      const found = all(scan(engine, true, reverse), 500)
      if (reverse) found.reverse()
      expect(found).toEqual(Array.from({ length: 1_000 }, (_, i) => [keyOf(i), textOf(i, 1_000)]))
    })
    expect(reads.length).toBeLessThanOrEqual(8)
    expect(reads.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(1_000 * 1_100)
  }
  await engine.close()
})

it('a page of large values ends early, and the next one goes on behind it', async () => {
  const fs = new FaultFileSystem()
  const engine = await filled(fs, { count: 30, length: 300_000 })
  for (const reverse of [false, true]) {
    const reader = scan(engine, true, reverse)
    const found: Pair[] = []
    for (let page = reader.next(1_000); page.length > 0; page = reader.next(1_000)) {
      expect(page.length).toBeLessThanOrEqual(7)
      found.push(...page)
      // Some pages begin anew, because somebody else read.
      if (page.length % 2 === 1) scan(engine, true).next(2)
    }
    if (reverse) found.reverse()
    expect(found.map(([key]) => key)).toEqual(Array.from({ length: 30 }, (_, i) => keyOf(i)))
    for (const [i, [, value]] of found.entries()) expect(value === textOf(i, 300_000)).toBe(true)
  }
  expect(scan(engine, false).next(1_000)).toHaveLength(30)
  await engine.close()
})

it('of a hundred segments no more than 64 are open at once', async () => {
  const fs = new FaultFileSystem()
  const engine = await filled(fs, { count: 300, length: 200, segmentMaxEntries: 3 })
  expect(segments(fs).length).toBeGreaterThanOrEqual(100)
  let open = 0
  let most = 0
  fs.watch(({ kind, path }) => {
    if (!VLOG.test(path)) return
    open += kind === 'open' ? 1 : kind === 'close' ? -1 : 0
    most = Math.max(most, open)
  })
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 300; i++) {
      expect(engine.getSync(keyOf(i), undefined, 'utf8')).toBe(textOf(i, 200))
    }
  }
  expect(most).toBe(64)
  expect(all(scan(engine, true), 100)).toHaveLength(300)
  await engine.close()
  expect(fs.openHandles).toBe(0)
})

it('a segment that goes while a value is read from it off the thread waits for that read', async () => {
  const fs = new FaultFileSystem()
  const engine = await filled(fs, { count: 20, length: 2_000 })
  const first = segments(fs)
  makeSlow(fs, engine)
  let goOn = (): void => undefined
  const until = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const hanging = fs.inject({ on: 'read', path: VLOG, until, forever: true })
  const answer = engine.get(keyOf(7), undefined, 'utf8')
  expect(answer).toBeInstanceOf(Promise)
  hanging.lift()
  await overwrite(engine, 20, 2_000)
  for (let i = 0; i < 20; i++) await turn()
  expect(segments(fs)).toEqual(expect.arrayContaining(first))
  expect(engine.getSync(keyOf(7), undefined, 'utf8')).toBe(textOf(7, 2_000, 'w'))
  goOn()
  expect(await ends(Promise.resolve(answer))).toBe(textOf(7, 2_000))
  for (let i = 0; i < 20; i++) await turn()
  for (const name of first) expect(segments(fs)).not.toContain(name)
  await engine.close()
})

it('a value that is read piece by piece outlives the tables that showed it', async () => {
  const fs = new FaultFileSystem()
  const long = 1_500_000
  const engine = await filled(fs, { count: 1, length: long })
  const first = segments(fs)
  const source = (await engine.openValue(keyOf(0), undefined, { start: 0, end: long }))!
  const pieces = [await source.next()]
  await overwrite(engine, 1, 100)
  for (let i = 0; i < 20; i++) await turn()
  expect(segments(fs)).toEqual(expect.arrayContaining(first))
  for (let piece = await source.next(); piece !== undefined; piece = await source.next()) {
    pieces.push(piece)
  }
  expect(Buffer.concat(pieces as Buffer[]).toString() === textOf(0, long)).toBe(true)
  source.close()
  for (let i = 0; i < 20; i++) await turn()
  for (const name of first) expect(segments(fs)).not.toContain(name)
  await engine.close()
})

it('closing waits for a read under way, and takes what is open of values with it', async () => {
  const fs = new FaultFileSystem()
  const engine = await filled(fs, { count: 20, length: 2_000 })
  makeSlow(fs, engine)
  const source = (await engine.openValue(keyOf(3), undefined, { start: 0, end: 2_000 }))!
  let goOn = (): void => undefined
  const until = new Promise<void>((resolve) => {
    goOn = resolve
  })
  fs.inject({ on: 'read', path: VLOG, until, forever: true })
  const answer = engine.get(keyOf(7), undefined, 'utf8')
  const closing = engine.close()
  for (let i = 0; i < 20; i++) await turn()
  expect(engine.underWay()).toContain('reads from disk')
  fs.heal()
  goOn()
  expect(await answer).toBe(textOf(7, 2_000))
  await closing
  expect(await codeOf(source.next())).toBe('LEVEL_DATABASE_NOT_OPEN')
  source.close()
  expect(fs.openHandles).toBe(0)
})

it('damage of a value is told by every kind of read of it, and by no other', async () => {
  const fs = new FaultFileSystem()
  await (await filled(fs, { count: 40, length: 500, segmentMaxEntries: 10 })).close()
  const [bad, gone] = segments(fs).map((name) => `/db/${name}`)
  const file = fs.openSync(bad!, 'update')
  file.writeSync(Buffer.from('?'), 64 + 32 + 17)
  file.closeSync()
  fs.removeSync(gone!)
  // Looked for when the database is opened: so it is put back, as another file.
  const other = fs.openSync(gone!, 'create')
  other.writeSync(Buffer.alloc(10 * 536 + 192, 1), 0)
  other.closeSync()
  const engine = await start(fs, OPTIONS)
  const damaged: string[] = []
  for (let i = 0; i < 40; i++) {
    expect(engine.hasSync(keyOf(i), undefined)).toBe(true)
    const ways: (() => unknown)[] = [
      () => engine.getSync(keyOf(i), undefined, 'utf8'),
      () => engine.get(keyOf(i), undefined, 'utf8'),
      () => engine.getEntry(keyOf(i), undefined, 'utf8', 'utf8')!.value,
      () => scanOf(engine, keyOf(i)).next(1)[0]![1],
      async () => {
        const source = await engine.openValue(keyOf(i), undefined, { start: 0, end: 500 })
        try {
          return (await source!.next())!.toString()
        } finally {
          source!.close()
        }
      },
    ]
    const answers = await Promise.all(
      ways.map((way) =>
        Promise.resolve()
          .then(way)
          .catch((error: unknown) => {
            expect(error).toBeInstanceOf(CorruptionError)
            return (error as CorruptionError).file
          }),
      ),
    )
    expect(new Set(answers).size).toBe(1)
    if (answers[0] !== textOf(i, 500)) damaged.push(String(answers[0]))
  }
  expect(damaged).toEqual([bad, ...Array.from({ length: 10 }, () => gone)])
  expect(all(scan(engine, false), 100)).toHaveLength(40)
  expect(() => all(scan(engine, true), 100)).toThrow(CorruptionError)
  await engine.close()
})

function scanOf(engine: StorageEngine, gte: string): RangeReader {
  const form = { keyForm: 'utf8', valueForm: 'utf8' } as const
  return engine.range({ keys: true, values: true, ...form, gte, version: engine.version })
}

it('a scan that failed goes on where it was, once the disk is well', async () => {
  const fs = new FaultFileSystem()
  const engine = await filled(fs, { count: 300, length: 1_000 })
  const reader = scan(engine, true)
  const found = reader.next(40)
  fs.inject({ on: 'read', path: VLOG, errno: 'EIO' })
  expect(() => reader.next(40)).toThrow(expect.objectContaining({ code: 'LEVEL_IO_ERROR' }))
  found.push(...all(reader, 40))
  expect(found.map(([key]) => key)).toEqual(Array.from({ length: 300 }, (_, i) => keyOf(i)))
  await engine.close()
})

it('a budget of 8 MiB is enough for values of all sizes', async () => {
  const fs = new FaultFileSystem()
  const lengths = [10, 100, 70_000, 1_000_000, 1_900_000]
  const engine = await start(fs, OPTIONS)
  for (let round = 0; round < 4; round++) {
    for (const [i, length] of lengths.entries()) {
      await engine.put(keyOf(round * 10 + i), textOf(i, length), {})
    }
  }
  for (const flushed of [false, true]) {
    if (flushed) await engine.flush()
    const found = all(scan(engine, true), 100)
    expect(found.map(([, value]) => (value as string).length)).toEqual(
      [lengths, lengths, lengths, lengths].flat(),
    )
    for (const [i, length] of lengths.entries()) {
      expect((await engine.get(keyOf(i), undefined, 'utf8')) === textOf(i, length)).toBe(true)
    }
  }
  await engine.close()
})

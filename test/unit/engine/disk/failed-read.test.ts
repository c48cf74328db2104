// Reads the system refuses: an error with a code of ours and the system's as its cause, never a wrong answer, never
// remembered; files that end early are damage, not a shorter history.
import { describe, expect, it } from 'vitest'
import type { SettError } from '../../../../src/base/errors.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, start } from '../../../support/small-engine.ts'

function caught(run: () => unknown): SettError {
  try {
    run()
  } catch (error) {
    return error as SettError
  }
  throw new Error('it did not fail')
}

/** A database of two tables that overlap, `a` in the older one and `b` in the newer, none of them open. */
async function twoTables(fs: FaultFileSystem): Promise<StorageEngine> {
  const engine = await start(fs)
  for (const key of ['a', 'b']) {
    await engine.put(key, `value of ${key}`, {})
    await engine.put('m', `beside ${key}`, {})
    await engine.flush()
  }
  await engine.close()
  return await start(fs)
}

const scan = (engine: StorageEngine): unknown[] =>
  engine
    .range({
      keys: true,
      values: true,
      keyForm: 'utf8',
      valueForm: 'utf8',
      version: engine.version,
    })
    .next(10)

describe('a read the disk refuses', () => {
  it('fails with a code, for that caller alone', async () => {
    const fs = new FaultFileSystem()
    const engine = await twoTables(fs)
    const reads: (() => unknown)[] = [
      () => engine.getSync('a', undefined, 'utf8'),
      () => engine.hasSync('b', undefined),
      () => engine.getEntry('a', undefined, 'utf8', 'utf8'),
      () => scan(engine),
    ]
    for (const on of ['open', 'read', 'blocks'] as const) {
      // The filters know it is nowhere, so the tables are open after this, and no block is read.
      if (on === 'blocks') expect(engine.hasSync('absent', undefined)).toBe(false)
      for (const read of reads) {
        fs.inject({ on: on === 'open' ? on : 'read', path: /\.sst$/, errno: 'EIO', forever: true })
        const error = caught(read)
        expect([error.code, (error.cause as SettError).code]).toEqual(['LEVEL_IO_ERROR', 'EIO'])
        fs.heal()
      }
    }
    expect(engine.getSync('a', undefined, 'utf8')).toBe('value of a')
    expect(engine.getSync('none', undefined, 'utf8')).toBe(undefined)
    expect(scan(engine)).toEqual([
      ['a', 'value of a'],
      ['b', 'value of b'],
      ['m', 'beside b'],
    ])
    await engine.close()
  })

  it('fails the same way when it waits without blocking the thread', async () => {
    const fs = new FaultFileSystem()
    const engine = await twoTables(fs)
    fs.inject({ on: 'read', path: /\.sst$/, delayMs: 3, forever: true })
    expect(engine.getSync('b', undefined, 'utf8')).toBe('value of b')
    fs.heal()
    expect(engine.hasSync('absent', undefined)).toBe(false)
    fs.inject({ on: 'read', path: /\.sst$/, errno: 'EIO', forever: true })
    const read = engine.get('a', undefined, 'utf8')
    expect(read).toBeInstanceOf(Promise)
    expect(await codeOf(read as Promise<unknown>)).toBe('LEVEL_IO_ERROR')
    fs.heal()
    expect(await engine.get('a', undefined, 'utf8')).toBe('value of a')
    await engine.close()
  })

  it('finds damage where a file ends early, and the value once it does not', async () => {
    const fs = new FaultFileSystem()
    const engine = await twoTables(fs)
    fs.inject({ on: 'read', path: /\.sst$/, shortBytes: 10, forever: true })
    expect(caught(() => engine.getSync('a', undefined, 'utf8')).code).toBe('LEVEL_CORRUPTION')
    expect(caught(() => scan(engine)).code).toBe('LEVEL_CORRUPTION')
    fs.heal()
    expect(engine.getSync('a', undefined, 'utf8')).toBe('value of a')
    await engine.close()
  })
})

describe('a process without descriptors', () => {
  it('closes idle tables and tries once more', async () => {
    const fs = new FaultFileSystem()
    const engine = await twoTables(fs)
    const before = fs.openHandles
    expect(engine.getSync('b', undefined, 'utf8')).toBe('value of b')
    expect(fs.openHandles).toBe(before + 1)
    fs.inject({ on: 'open', path: /\.sst$/, errno: 'EMFILE' })
    expect(engine.getSync('a', undefined, 'utf8')).toBe('value of a')
    expect(fs.openHandles).toBe(before + 1)
    fs.inject({ on: 'open', path: /\.sst$/, errno: 'EMFILE', forever: true })
    const error = caught(() => engine.getSync('b', undefined, 'utf8'))
    expect([error.code, (error.cause as SettError).code]).toEqual(['LEVEL_IO_ERROR', 'EMFILE'])
    expect(fs.openHandles).toBe(before)
    fs.heal()
    expect(engine.getSync('b', undefined, 'utf8')).toBe('value of b')
    await engine.close()
    expect(fs.openHandles).toBe(0)
  })

  it('gives a compaction the descriptors of idle tables', async () => {
    const fs = new FaultFileSystem()
    const engine = await twoTables(fs)
    const before = fs.openHandles
    engine.getSync('a', undefined, 'utf8')
    expect(fs.openHandles).toBe(before + 2)
    fs.inject({ on: 'open', path: /\.sst$/, errno: 'EMFILE' })
    expect(await codeOf(engine.compactRange(undefined, undefined))).toBe('LEVEL_IO_ERROR')
    expect(fs.openHandles).toBe(before)
    expect(await codeOf(engine.compactRange(undefined, undefined))).toBe('no error')
    await engine.close()
  })
})

describe('a file that ends early while it is opened', () => {
  it.each(['wal', 'MANIFEST', 'CURRENT'])('is damage: %s', async (name) => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('a', '1', {})
    const { steps } = fs
    const killed = new FaultFileSystem({ steps: steps.slice() })
    await engine.close()
    killed.inject({ on: 'read', path: new RegExp(name), shortBytes: 40, forever: true })
    expect(await codeOf(start(killed))).toBe('LEVEL_CORRUPTION')
    killed.heal()
    const again = await start(killed)
    expect(again.getSync('a', undefined, 'utf8')).toBe('1')
    await again.close()
  })
})

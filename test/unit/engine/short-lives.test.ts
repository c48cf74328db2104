import { expect, it } from 'vitest'
import { resolveOptions } from '../../../src/base/options.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { openEngine } from '../../../src/engine/open.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'

// Every close used to cancel the compaction that the flush of that open had made due, so that a program which
// opens, writes and closes left one level-0 table behind for each of its lives; and what compaction
// did get to see it moved down as one tiny table each.
it.each(['rising', 'scattered'])('many short lives leave few tables: %s keys', async (order) => {
  const fs = memoryFileSystem()
  const options = resolveOptions({ workers: 0, memoryBudget: 16 * 1024 * 1024 })
  const open = (): Promise<StorageEngine> => openEngine('/db', options, { fs })
  const lives = 60
  const key = (life: number): string => {
    const number = order === 'rising' ? life : (life * 37) % lives
    return `key ${number.toString().padStart(4, '0')}`
  }
  for (let life = 0; life < lives; life++) {
    const engine = await open()
    await engine.put(key(life), `value ${life}`, {})
    await engine.close()
  }
  const engine = await open()
  for (let life = 0; life < lives; life++) {
    expect(engine.getSync(key(life), undefined, 'utf8')).toBe(`value ${life}`)
  }
  await engine.settle()
  const tables = engine.stats().levels.reduce((sum, level) => sum + level.tables, 0)
  expect(tables).toBeLessThanOrEqual(2 * options.l0CompactTrigger)
  await engine.close()
})

it('levels beyond maxLevels stay empty, unless they were filled by an earlier open', async () => {
  const fs = memoryFileSystem()
  const filled = async (maxLevels: number): Promise<number[]> => {
    const options = { workers: 0, memoryBudget: 16 * 1024 * 1024, maxLevels }
    const engine = await openEngine('/db', resolveOptions(options), { fs })
    await engine.put(`key ${maxLevels}`, 'value', {})
    await engine.compactRange(undefined, undefined)
    const { levels } = engine.stats()
    await engine.close()
    return levels.filter(({ tables }) => tables > 0).map(({ level }) => level)
  }
  expect(await filled(3)).toEqual([2])
  expect(await filled(2)).toEqual([2])
})

it('a value that cannot be encoded leaves nothing of its commit behind', async () => {
  const engine = await openEngine(
    '/db',
    resolveOptions({ workers: 0, memoryBudget: 16 * 1024 * 1024 }),
    { fs: memoryFileSystem() },
  )
  await engine.put('first', '1', {})
  // A view that says it is longer than what it gives: only the copy notices, for a look sees the first byte alone.
  const liar = new Proxy(new Uint8Array(8), {
    get: (target, name) => {
      if (name === 'length') return 8
      if (name === '0') return 0
      throw new TypeError(`unreadable ${String(name)} of ${target.length}`)
    },
  })
  const bad = async (): Promise<void> =>
    engine.batch(
      [
        { type: 'put', key: 'half', value: 'x' },
        { type: 'put', key: 'bad', value: liar },
      ],
      {},
    )
  // Of the same group.
  const beside = engine.put('beside', '0', {})
  await expect(bad()).rejects.toThrow()
  await beside
  await expect(async () => engine.put('bad', liar, {})).rejects.toThrow()
  await engine.put('second', '2', {})
  const keys = ['first', 'beside', 'half', 'bad', 'second']
  const read = (): unknown[] => keys.map((key) => engine.getSync(key, undefined, 'utf8'))
  expect(read()).toEqual(['1', '0', undefined, undefined, '2'])
  await engine.close()
})

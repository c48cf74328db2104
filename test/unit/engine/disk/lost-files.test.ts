// Files that go away, or do not go away, under an open database.
import { describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, start } from '../../../support/small-engine.ts'

describe('a directory that is removed under an open database', () => {
  it('ends all writing with a clear error; reads and close go on', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs)
    await engine.put('a', '1', {})
    for (const name of fs.listSync('/db')) fs.removeSync(`/db/${name}`)
    fs.removeSync('/db')
    let code = 'no error'
    for (let i = 0; i < 200 && code === 'no error'; i++) {
      code = await ends(codeOf((async () => engine.put(`k${i}`, 'x'.repeat(1000), {}))()))
    }
    expect(code).toBe('SETT_POISONED')
    expect(() => engine.put('b', '2', {})).toThrow(
      /directory of the database is gone|CURRENT is gone/,
    )
    expect(engine.getSync('a', undefined, 'utf8')).toBe('1')
    await ends(engine.close())
    expect(fs.openHandles).toBe(0)
  })

  it('is noticed by a flush, and by the look at the room that is left', async () => {
    for (const work of ['flush', 'put'] as const) {
      const fs = new FaultFileSystem()
      const engine = await start(fs)
      if (work === 'flush') await engine.put('a', '1', {})
      for (const name of fs.listSync('/db')) fs.removeSync(`/db/${name}`)
      fs.removeSync('/db')
      const outcome = work === 'flush' ? engine.flush() : (async () => engine.put('a', '1', {}))()
      expect(await ends(codeOf(outcome))).toBe('SETT_POISONED')
      await ends(engine.close())
    }
  })
})

describe('an obsolete file that cannot be removed', () => {
  it('is logged, changes nothing, and goes at the next open', async () => {
    const fs = new FaultFileSystem()
    const paths: unknown[] = []
    const warn = (fields: object): void => void paths.push('path' in fields ? fields.path : fields)
    const ignore = (): void => undefined
    const logger = { debug: ignore, info: ignore, error: ignore, warn }
    const engine = await start(fs, { logger })
    const tables = (): string[] => fs.listSync('/db').filter((name) => name.endsWith('.sst'))
    for (const value of ['1', '2']) {
      await engine.put('a', value, {})
      await engine.flush()
    }
    const inputs = tables()
    fs.inject({ on: 'remove', errno: 'EBUSY', forever: true })
    await engine.compactRange(undefined, undefined)
    await engine.close()
    expect(paths).toEqual(expect.arrayContaining(inputs.map((name) => `/db/${name}`)))
    expect(tables().length).toBe(3)
    fs.heal()
    const again = await start(fs)
    expect(again.getSync('a', undefined, 'utf8')).toBe('2')
    await again.close()
    expect(tables().length).toBe(1)
  })
})

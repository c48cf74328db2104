// The look for room for zeros finds the directory gone: the commit they were for is not acked into it.
import { expect, it } from 'vitest'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, start } from '../../../support/small-engine.ts'

it('a commit that finds the directory gone as zeros are to be written is rejected', async () => {
  const fs = new FaultFileSystem()
  const engine = await start(fs)
  const totalBytes = 1_000_000
  let gone = false
  fs.spaceSync = () => {
    if (gone) throw Object.assign(new Error('gone'), { code: 'ENOENT' })
    const [memtable] = engine.stats().memtables
    return { freeBytes: totalBytes * 0.02 + memtable!.bytes + 8_000, totalBytes }
  }
  await engine.put('a', '1', {})
  gone = true
  expect(await codeOf(engine.put('b', '2', {}))).toBe('SETT_POISONED')
  expect(engine.hasSync('b', undefined)).toBe(false)
  await engine.close()
})

// A rejected commit that is whole in its log and cannot be cut off: it stays rejected, also where no other log is at
// hand and the database refuses further commits.
import { expect, it } from 'vitest'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import type { Call } from '../../../faults/fault-rules.ts'
import { codeOf, start } from '../../../support/small-engine.ts'

const DURABILITIES = ['sync', 'none'] as const

it.each(DURABILITIES)('under %s it does not show up after reopening', async (durability) => {
  const fs = new FaultFileSystem()
  const engine = await start(fs, { durability })
  await engine.put('a', '1', {})
  // Of the commit itself: under sync zeros may be written before it.
  const of = ({ offset, bytes }: Call): boolean => offset > 0 && bytes < 1024
  fs.inject({ on: 'write', path: /\.wal$/, of, errno: 'EIO', shortBytes: 1_000_000 })
  fs.inject({ on: 'truncate', path: /\.wal$/, errno: 'EIO', forever: true })
  let told = false
  const onCommit = (): void => {
    told = true
  }
  expect(await codeOf(engine.put('lost', 'x', { onCommit }))).toBe('LEVEL_IO_ERROR')
  const behind = async (): Promise<void> => engine.put('behind', 'x', {})
  expect(await codeOf(behind())).toBe('SETT_POISONED')
  expect(told).toBe(false)
  fs.heal()
  await engine.close()
  const again = await start(fs)
  const found = ['a', 'lost', 'behind'].map((key) => again.hasSync(key, undefined))
  expect(found).toEqual([true, false, false])
  await again.close()
})

// compactRange() ends, whoever else compacts meanwhile and whatever readers keep from being dropped.
import { expect, it } from 'vitest'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { ends, start } from '../../../support/small-engine.ts'

const KEYS = 1_000

it('two at once end, although a reader keeps the deletes that they meet', async () => {
  const engine = await start(new FaultFileSystem(), { tableSize: 16_384, durability: 'none' })
  for (let i = 0; i < KEYS; i++) await engine.put(`key ${i}`, 'x'.repeat(100), {})
  await engine.compactRange(undefined, undefined)
  const pin = engine.pin()
  for (let i = 0; i < KEYS; i += 2) await engine.batch([{ type: 'del', key: `key ${i}` }], {})
  const newer = engine.pin()
  await engine.compactRange(undefined, undefined)
  const both = [1, 2].map(() => engine.compactRange(undefined, undefined))
  await ends(Promise.all(both))
  expect(engine.getSync('key 0', pin, 'utf8')).toBe('x'.repeat(100))
  expect(engine.getSync('key 0', newer, 'utf8')).toBeUndefined()
  pin.release()
  newer.release()
  await ends(engine.compactRange(undefined, undefined))
  expect(engine.stats().levels.reduce((sum, { entries }) => sum + entries, 0)).toBe(KEYS / 2)
  await engine.close()
})

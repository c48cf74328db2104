// A commit that waits for room keeps the durability it was made under, whatever tune() says meanwhile.
import { expect, it } from 'vitest'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { ends, start, turns } from '../../../support/small-engine.ts'

it.each([undefined, 'none'] as const)('durability %j of the commit', async (durability) => {
  const fs = new FaultFileSystem()
  const engine = await start(fs, { durability: 'sync', memtableCount: 2 })
  const value = 'v'.repeat(15_000)
  for (let i = 0; i < 3; i++) await engine.put(`k${i}`, value, {})
  // The next log is born.
  await turns()
  let open = (): void => undefined
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  fs.inject({ on: 'sync', path: /MANIFEST/, until, forever: true })
  const options = durability === undefined ? {} : { durability }
  const puts = Array.from({ length: 6 }, (_, i) => engine.put(`l${i}`, value, options))
  await turns()
  engine.tune({ durability: 'none' })
  open()
  fs.heal()
  await ends(Promise.all(puts))
  const files = fs.image({ rule: 'strict', survives: () => 'none' })
  await engine.close()
  const again = await start(new FaultFileSystem({ files }))
  expect(again.hasSync('l5', undefined)).toBe(durability === undefined)
  await again.close()
})

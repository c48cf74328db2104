// Commits that wait for room and are refused when there is some: nobody goes on waiting for them.
import { describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, start, turns } from '../../../support/small-engine.ts'

describe('a commit that waited for room and is refused as there is some', () => {
  it.each(['close', 'flush'] as const)('does not keep %s() waiting', async (call) => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: 'none', memtableCount: 2 })
    const value = 'v'.repeat(15_000)
    let open = (): void => undefined
    const until = new Promise<void>((resolve) => {
      open = resolve
    })
    for (let i = 0; i < 3; i++) await engine.put(`k${i}`, value, {})
    // The next log is born.
    await turns()
    fs.inject({ on: 'sync', path: /MANIFEST/, until, forever: true })
    const puts = Array.from({ length: 8 }, (_, i) => codeOf(engine.put(`l${i}`, value, {})))
    await turns()
    const ending = codeOf(engine[call]())
    await turns()
    // By the time there is room in memory, the volume has none.
    fs.spaceSync = () => ({ freeBytes: 0, totalBytes: 1_000_000 })
    open()
    fs.heal()
    const codes = await ends(Promise.all(puts))
    expect(codes).toContain('SETT_DISK_FULL')
    await ends(ending)
    if (call === 'flush') await engine.close()
  })
})

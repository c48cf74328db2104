// A log that is being synced is not closed under the sync, however the database ends.
import { describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, start } from '../../../support/small-engine.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

describe('close() of a poisoned database', () => {
  it('waits for a timed sync that is under way', async () => {
    const fs = new FaultFileSystem()
    const engine = await start(fs, { durability: { interval: 1 } })
    let open = (): void => undefined
    const until = new Promise<void>((resolve) => {
      open = resolve
    })
    const held = fs.inject({ on: 'sync', path: /\.wal$/, until })
    await engine.put('a', '1', {})
    while (held.matches === 0) await pause(1)
    fs.inject({ on: 'write', path: /MANIFEST/, errno: 'EIO', forever: true })
    const put = (): Promise<string> =>
      codeOf((async () => engine.put('b', 'x'.repeat(12_000), {}))())
    // The next log is refused by the manifest.
    while ((await put()) !== 'SETT_POISONED') await pause(1)
    let closed = false
    const closing = codeOf(engine.close()).then(() => {
      closed = true
    })
    await pause(30)
    expect(closed).toBe(false)
    open()
    await ends(closing)
  })
})

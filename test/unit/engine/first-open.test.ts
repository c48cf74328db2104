// A database in a directory that somebody else made, or a first open that was killed: nobody may have synced its name.
import { describe, expect, it } from 'vitest'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { start } from '../../support/small-engine.ts'

const ROOT = 0
const MADE = [{ kind: 'makeDirectory', at: { directory: ROOT, name: 'db' }, directory: 1 }] as const

describe('a directory that was there before its database', () => {
  it('has a durable name by the first ack', async () => {
    const fs = new FaultFileSystem({ steps: MADE })
    const engine = await start(fs)
    await engine.put('k', 'v', {})
    const files = fs.image({ rule: 'strict', survives: () => 'none' })
    await engine.close()
    const again = await start(new FaultFileSystem({ files }))
    expect(again.getSync('k', undefined, 'utf8')).toBe('v')
    await again.close()
  })

  it('is used all the same when the one above it may not be read', async () => {
    const fs = new FaultFileSystem({ steps: MADE })
    fs.inject({ on: 'syncDirectory', path: /^\/$/, errno: 'EACCES' })
    const warnings: string[] = []
    const ignore = (): void => undefined
    const warn = (_: object, message: string): void => void warnings.push(message)
    const logger = { debug: ignore, info: ignore, warn, error: ignore }
    const engine = await start(fs, { logger })
    await engine.put('k', 'v', {})
    await engine.close()
    expect(warnings.length).toBe(1)
  })
})

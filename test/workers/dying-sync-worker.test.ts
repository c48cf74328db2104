// The thread that syncs the log is ended: what was acked is there after a reopen, what was not is rejected, nobody
// waits for ever. Whether its last sync reached the disk is unknown, so the database is read-only from there on.
import { afterEach, describe, expect, it } from 'vitest'
import { Faults } from './faults.ts'
import { codeOf, Field, inTime } from './field.ts'

const SEED = Number(process.env['SETT_WORKERS_SEED'] ?? 1)

/** No flush comes near, so that the thread that syncs is the only one. */
const LARGE = { durability: 'sync', memtableSize: 8 << 20, memoryBudget: 64 << 20 } as const

const faults = new Faults()

afterEach(() => Field.endThreads())

async function endSyncThread(): Promise<void> {
  const { others } = faults
  expect(others).toHaveLength(1)
  await faults.terminate(others[0]!)
}

describe('the sync thread', () => {
  it('ended between two commits is started again', async () => {
    const field = await Field.open(SEED, LARGE)
    for (let i = 0; i < 5; i++) {
      await field.fill(3)
      await endSyncThread()
    }
    await field.fill(3)
    await field.check()
    await field.finish()
  })

  it('ended in the middle of commits takes none back that was acked', async () => {
    let poisoned = 0
    for (let round = 0; round < 12; round++) {
      const field = await Field.open(SEED + round, LARGE)
      const { database, random } = field
      await database.put('first', 'there')
      const acked = new Map<string, string>()
      const refused: string[] = []
      const puts = Array.from({ length: 40 }, async (_, i) => {
        for (let j = 0; j < 20; j++) {
          const [key, value] = [`${i} ${j}`, `value ${round} ${j}`]
          try {
            await database.put(key, value)
          } catch (error) {
            refused.push(codeOf(error))
            return
          }
          acked.set(key, value)
        }
      })
      await new Promise((resolve) => setTimeout(resolve, random.below(8)))
      await endSyncThread()
      await inTime(Promise.all(puts))
      if (refused.length > 0) poisoned++
      expect(refused.every((code) => code === 'SETT_POISONED')).toBe(true)
      for (const [key, value] of acked) expect(database.getSync(key)).toBe(value)
      await inTime(database.close())
      await field.reopen()
      for (const [key, value] of acked) expect(field.database.getSync(key)).toBe(value)
      expect(field.database.getSync('first')).toBe('there')
      await field.database.put('after', 'accepted')
      await field.database.close()
    }
    // It met at least one sync under way.
    expect(poisoned).toBeGreaterThan(0)
  })
})

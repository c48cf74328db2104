// Every call of every operation may fail: a seeded sample, one in five with a second fault on top. `npm run
// test:faults` goes further, and shows a failure again.
import { describe, expect, it } from 'vitest'
import { replayFault, runFaults } from './loop.ts'

const SEED = Number(process.env['SETT_FAULT_SEED'] ?? Date.now() % 1_000_000)
const FAULTS = 300
/** Seconds where nothing else runs. */
const PATIENCE_MS = 300_000

describe(`faults (SETT_FAULT_SEED=${SEED})`, () => {
  it(
    `${FAULTS} of them lose nothing that was acked, show nothing that was rejected, and pass`,
    async () => {
      const counts = await runFaults({ seed: SEED, faults: FAULTS, failuresMost: 5 })
      expect(counts.failures).toEqual([])
      expect(counts.faults).toBe(FAULTS)
      expect(counts.compound).toBeGreaterThan(0)
      const codes = [...counts.refusals.keys()]
      expect(codes).toEqual(
        expect.arrayContaining(['none', 'LEVEL_IO_ERROR', 'SETT_DISK_FULL', 'SETT_POISONED']),
      )
    },
    PATIENCE_MS,
  )

  it('that once failed: another compaction began while what the first wrote was removed', async () => {
    await replayFault(243739, 'compaction syncDirectory:EIO:1:forever:clean:40 kill')
  })
})

// The default-suite share of the model test. A longer run: `npm run test:model`.
import { describe, expect, it } from 'vitest'
import { Database } from '../../src/index.ts'
import { runSeed } from './seeds.ts'

describe.each([
  { workers: 0, seed: 1 },
  { workers: 2, seed: 2 },
])('random operations against a sorted map, workers: $workers, seed $seed', (run) => {
  it('answers as the map does for 12,000 steps while tables are flushed and merged', async () => {
    const report = await runSeed({
      ...run,
      steps: 12_000,
      database: Database,
      log: console.log,
      shrinkMs: 10_000,
    })
    expect(report.flushes).toBeGreaterThan(20)
    expect(report.compactions).toBeGreaterThan(5)
    expect(report.entries).toBeGreaterThan(500)
  }, 120_000)
})

// The default suite's share of the random runs of garbage collection. More of them: `npm run test:gc`.
import { expect, it } from 'vitest'
import { noCounts, runGc } from './gc-run.ts'

const RUNS = 100
const SEED = 20_261_122

it(`${RUNS} lives, a collection at every step: nothing deleted returns, nothing is lost (seed ${SEED})`, async () => {
  const counts = noCounts()
  for (let seed = SEED; seed < SEED + RUNS; seed += 1) await runGc(seed, counts)
  expect(counts.crashes).toBeGreaterThan(RUNS)
  expect(counts.collections).toBeGreaterThan(RUNS)
  expect(counts.segmentsFreed).toBeGreaterThan(RUNS)
}, 120_000)

// Decoders behind right checksums: a value or a corruption error, whatever they are fed; in bounds, in time, without
// asking for memory they do not need.
import { beforeAll, expect, it } from 'vitest'
import { allDecoders, runFuzz } from './fuzz.ts'

const SEED = Number(process.env['SETT_FUZZ_SEED'] ?? Date.now() % 1_000_000)
const EXECUTIONS = 100_000
/** Seconds where nothing else runs. */
const PATIENCE_MS = 600_000

// Errors come by the hundred thousand, and nobody looks at their traces.
beforeAll(() => {
  Error.stackTraceLimit = 2
})

it(
  `${EXECUTIONS} structures with odd fields (SETT_FUZZ_SEED=${SEED})`,
  async () => {
    const report = await runFuzz({ seed: SEED, executions: EXECUTIONS })
    expect(report.failures).toEqual([])
    expect(report.executions).toBeGreaterThanOrEqual(EXECUTIONS)
    expect(report.rows.map(({ name }) => name)).toEqual(allDecoders().map(({ name }) => name))
    for (const { name, taken, refused } of report.rows) {
      // A decoder that takes all or nothing is not being tested.
      expect(taken, `${name} takes some`).toBeGreaterThan(0)
      expect(refused, `${name} refuses some`).toBeGreaterThan(0)
    }
  },
  PATIENCE_MS,
)

// Ten kills per durability in the default suite; more with `npm run test:kill -- --cycles 200`.
import { tmpdir } from 'node:os'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileHarness } from './compile-harness.ts'
import { runKillCycles } from './kill-cycles.ts'

const CYCLES = 10
const SEED = 20_25

let programs: { writer: URL; verifier: URL }

beforeAll(() => {
  const tests = compileHarness('kill-harness')
  programs = {
    writer: new URL('kill/writer.js', tests),
    verifier: new URL('kill/verifier.js', tests),
  }
}, 60_000)

describe.each(['sync', 'interval'] as const)('SIGKILL under durability %s', (durability) => {
  it(`loses, invents and tears nothing in ${CYCLES} cycles (seed ${SEED})`, async () => {
    const lines: string[] = []
    const totals = await runKillCycles({
      cycles: CYCLES,
      durability,
      seed: SEED,
      workers: 2,
      programs,
      root: tmpdir(),
      log: (line) => lines.push(line),
    })
    expect(lines).toEqual([])
    expect(totals).toMatchObject({ cycles: CYCLES, lost: 0, invented: 0, torn: 0, failed: 0 })
    expect(totals.acked).toBeGreaterThan(CYCLES)
  }, 60_000)
})

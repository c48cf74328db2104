// In the default suite: six kills at random moments for each of two durabilities, one at each named point, and one of
// each other kind of end. More with `npm run test:kill -- --cycles 200`.
import { tmpdir } from 'node:os'
import { beforeAll, describe, expect, it } from 'vitest'
import { compiledTests } from './compile-harness.ts'
import { type KillPlan, type KillTotals, runKillCycles } from './kill-cycles.ts'
import { KILL_POINTS } from './kill-points.ts'

const CYCLES = 6
const SEED = Number(process.env['SETT_KILL_SEED'] ?? 20_25)

let programs: { writer: URL; verifier: URL }

beforeAll(() => {
  const tests = compiledTests()
  programs = {
    writer: new URL('kill/writer.js', tests),
    verifier: new URL('kill/verifier.js', tests),
  }
}, 60_000)

async function run(plan: Pick<KillPlan, 'cycles' | 'durability' | 'endings'>): Promise<KillTotals> {
  const lines: string[] = []
  const log = (line: string): void => void lines.push(line)
  const place = { programs, root: tmpdir() }
  const totals = await runKillCycles({ ...plan, ...place, seed: SEED, workers: 2, log })
  expect(lines).toEqual([])
  const { cycles } = plan
  expect(totals).toMatchObject({ cycles, lost: 0, invented: 0, torn: 0, failed: 0 })
  expect(totals.acked).toBeGreaterThan(cycles)
  return totals
}

describe.each(['sync', 'interval'] as const)('SIGKILL under durability %s', (durability) => {
  it(`loses, invents and tears nothing in ${CYCLES} cycles (seed ${SEED})`, async () => {
    await run({ cycles: CYCLES, durability, endings: 'random' })
  }, 60_000)
})

describe('SIGKILL at a named point', () => {
  it(`loses, invents and tears nothing at any of ${KILL_POINTS.length} (seed ${SEED})`, async () => {
    const totals = await run({ cycles: KILL_POINTS.length, durability: 'sync', endings: 'points' })
    const once = new Map(KILL_POINTS.map(({ name }) => [name, 1]))
    expect([...totals.struck].sort()).toEqual([...once].sort())
  }, 180_000)
})

describe('process.exit, an uncaught exception, SIGTERM, SIGSTOP', () => {
  it(`lose, invent and tear nothing (seed ${SEED})`, async () => {
    const totals = await run({ cycles: 4, durability: 'sync', endings: 'others' })
    expect([...totals.ends].sort()).toEqual([
      ['exit', 1],
      ['stop', 1],
      ['terminate', 1],
      ['throw', 1],
    ])
  }, 60_000)
})

// The default-suite share: 20 databases, 100 cycles, a fill of 40 MB. The full one: `npm run test:growth`.
import { beforeAll, describe, expect, it } from 'vitest'
import { compiledTests } from '../kill/compile-harness.ts'
import {
  type Finding,
  measureCycles,
  measureFill,
  measureIdleExit,
  measureMany,
} from './measure.ts'

let program: URL

function overBounds(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ holds }) => !holds)
}

beforeAll(() => {
  program = new URL('growth/scenarios.js', compiledTests())
}, 60_000)

describe('what a process holds', () => {
  it('returns after 20 databases were open at once and closed', async () => {
    expect(overBounds(await measureMany(program, 20))).toEqual([])
  }, 60_000)

  it('does not grow over 100 times open, write, flush, close', async () => {
    expect(overBounds(await measureCycles(program, 100))).toEqual([])
  }, 60_000)

  it('stays within the memory budget and 64 MiB while it is filled', async () => {
    expect(overBounds(await measureFill(program, 40))).toEqual([])
  }, 120_000)

  it('lets the process end by itself with an idle open database', async () => {
    expect(overBounds(await measureIdleExit(program))).toEqual([])
  }, 60_000)
})

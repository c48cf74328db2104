// The judge itself: each kind of damage, planted by hand, must be named.
import { describe, expect, it } from 'vitest'
import { bytesFor, type Commit, commitOf, tagOf, tagOfValue } from './commits.ts'
import { Oracle } from './oracle.ts'

const SEED = 9
const COMMITS = Array.from({ length: 40 }, (_, number) => commitOf(SEED, number))

function stateAfter(commits: readonly Commit[]): Map<string, number> {
  const state = new Map<string, number>()
  for (const { number, operations } of commits) {
    for (const { type, key, index } of operations) {
      if (type === 'del') state.delete(key)
      else state.set(key, tagOf(number, index))
    }
  }
  return state
}

describe('the kill test’s oracle', () => {
  it('accepts every prefix that holds all acked commits and goes on from it', () => {
    for (let survived = 30; survived <= COMMITS.length; survived++) {
      const oracle = new Oracle()
      const found = stateAfter(COMMITS.slice(0, survived))
      const verdict = oracle.judge(COMMITS, 30, found)
      expect(verdict).toMatchObject({ lost: 0, invented: 0, torn: 0 })
      const more = [commitOf(SEED, 50), commitOf(SEED, 51)]
      const next = stateAfter([...COMMITS.slice(0, survived), ...more])
      expect(oracle.judge(more, 2, next)).toMatchObject({
        survived: 2,
        lost: 0,
        invented: 0,
        torn: 0,
      })
    }
  })

  it('counts acked commits that are gone', () => {
    const found = stateAfter(COMMITS.slice(0, 25))
    expect(new Oracle().judge(COMMITS, 30, found).lost).toBeGreaterThan(0)
  })

  it('finds commits missing in the middle', () => {
    const found = stateAfter([...COMMITS.slice(0, 20), ...COMMITS.slice(30)])
    const verdict = new Oracle().judge(COMMITS, COMMITS.length, found)
    expect(verdict.lost).toBeGreaterThan(0)
  })

  it('finds half a batch at the end', () => {
    const last = COMMITS.findLast(({ operations }) => operations.length > 10)!
    const at = COMMITS.indexOf(last)
    const half = { ...last, operations: last.operations.slice(0, 5) }
    const found = stateAfter([...COMMITS.slice(0, at), half])
    const verdict = new Oracle().judge(COMMITS, at, found)
    expect(verdict.torn).toBeGreaterThan(0)
    expect(verdict.invented).toBe(0)
  })

  it('finds values nobody wrote, and commits that were dropped earlier and came back', () => {
    const oracle = new Oracle()
    oracle.judge(COMMITS, 30, stateAfter(COMMITS.slice(0, 30)))
    const next = commitOf(SEED, 60)
    const revenant = { ...COMMITS[35]!, operations: COMMITS[35]!.operations }
    const found = stateAfter([...COMMITS.slice(0, 30), revenant, next])
    expect(oracle.judge([next], 1, found).invented).toBeGreaterThan(0)
    const foreign = new Map(stateAfter(COMMITS)).set('nobody wrote this', -1)
    expect(new Oracle().judge(COMMITS, 40, foreign).invented).toBe(1)
  })

  it('tells a written value from one with a flipped bit', () => {
    const operation = { type: 'put', key: 'k', index: 3, length: 500 } as const
    const value = bytesFor(77, operation)
    expect(tagOfValue(value)).toBe(tagOf(77, 3))
    value[400]! ^= 1
    expect(tagOfValue(value)).toBe(-1)
    expect(tagOfValue(value.subarray(0, 9))).toBe(-1)
  })
})

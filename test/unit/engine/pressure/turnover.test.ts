// How much of what goes down is found to make as much obsolete, over states of the levels.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Turnover } from '../../../../src/engine/pressure/turnover.ts'
import type { Levels, TableMeta } from '../../../../src/manifest/levels.ts'
import { makeTable } from '../../compaction/levels-text.ts'

const WINDOW = 1_000

/** Levels 0 to 2 with one table of so many bytes each; one of no bytes is none. */
class States {
  readonly turnover = new Turnover()
  #number = 0
  #levels: Levels = [[], [], []]

  /** The tables of these levels are replaced. */
  go(bytes: Readonly<Record<number, number>>): this {
    this.#levels = this.#levels.map((tables, level) => {
      const size = bytes[level]
      if (size === undefined) return tables
      return size === 0 ? [] : [this.#table(size)]
    })
    this.turnover.follow(this.#levels, WINDOW)
    return this
  }

  #table(size: number): TableMeta {
    this.#number += 1
    return makeTable(this.#number, 'a', 'z', size)
  }
}

describe('the turnover', () => {
  it('is nothing at first, nor while a set is loaded', () => {
    const states = new States()
    expect(states.turnover.share).toBe(0)
    states.go({ 0: 500, 2: 10_000 }).go({ 0: 0, 2: 10_500 })
    for (let bytes = 10_500; bytes < 20_000; bytes += 500) {
      states
        .go({ 0: 500 })
        .go({ 0: 0, 1: 500 })
        .go({ 1: 0, 2: bytes + 500 })
    }
    expect(states.turnover.share).toBe(0)
    expect(states.turnover.settled).toBe(20_000)
  })

  it('is all while a set is overwritten, and half while half of what comes is new', () => {
    const states = new States().go({ 2: 10_000 })
    for (let i = 0; i < 10; i += 1) states.go({ 0: 500 }).go({ 0: 0, 2: 10_000 })
    expect(states.turnover.share).toBe(1)
    for (let i = 1; i < 20; i += 1) states.go({ 0: 500 }).go({ 0: 0, 2: 10_000 + 250 * i })
    expect(states.turnover.share).toBeCloseTo(0.5, 1)
  })

  it('shows in merges above, before the deepest level meets any of it', () => {
    const states = new States().go({ 1: 3_000, 2: 10_000 })
    // Three tenths of the keys lie in level 1: so many of what comes are found there.
    states.go({ 0: 1_000 }).go({ 0: 0, 1: 3_700 })
    expect(states.turnover.share).toBe(1)
  })

  it('is nothing while a snapshot keeps what is replaced', () => {
    const states = new States().go({ 2: 10_000 })
    for (let i = 0; i < 10; i += 1) states.go({ 0: 500 }).go({ 0: 0, 2: 10_000 })
    for (let i = 1; i <= 20; i += 1) states.go({ 0: 500 }).go({ 0: 0, 2: 10_000 + 500 * i })
    expect(states.turnover.share).toBeLessThan(0.01)
  })

  it('is all when what comes replaces what expires', () => {
    const states = new States().go({ 2: 10_000 })
    states.go({ 0: 500 }).go({ 0: 0, 2: 10_500 }).go({ 2: 10_000 })
    expect(states.turnover.share).toBeGreaterThan(0.9)
  })

  it('is nothing when much expires before anything comes', () => {
    const states = new States().go({ 1: 1_000, 2: 10_000 }).go({ 2: 4_000 })
    expect(states.turnover.share).toBe(0)
    // All of it is new.
    states.go({ 0: 500 }).go({ 0: 0, 1: 1_500 }).go({ 1: 1_000, 2: 4_500 })
    expect(states.turnover.share).toBe(0)
  })

  it('is no other for flushes, moves within level 0 and collections', () => {
    const states = new States().go({ 0: 400, 1: 1_000, 2: 10_000 }).go({ 1: 500, 2: 10_250 })
    const { share } = states.turnover
    expect(share).toBeCloseTo(0.5, 5)
    states.go({ 0: 900 }).go({ 0: 800 }).go({ 2: 10_250 }).go({ 1: 500 })
    expect(states.turnover.share).toBe(share)
  })

  it('is between 0 and 1, whatever comes', () => {
    const size = fc.integer({ min: 0, max: 5_000 })
    const state = fc.record({ 0: size, 1: size, 2: size }, { requiredKeys: [] })
    const property = fc.property(fc.array(state, { maxLength: 30 }), (all) => {
      const states = new States()
      for (const one of all) {
        const { share } = states.go(one).turnover
        expect(share).toBeGreaterThanOrEqual(0)
        expect(share).toBeLessThanOrEqual(1)
      }
    })
    fc.assert(property, { numRuns: 300, seed: 1 })
  })
})

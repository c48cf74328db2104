// Memory that rots under a job: whatever a checksum was made of is read back before the output counts.
import { expect, it } from 'vitest'
import { flipMemory } from './memory-flips.ts'

const SEED = Number(process.env['SETT_CORRUPT_SEED'] ?? Date.now() % 1_000_000)
const FLIPS = 600

it(`catches every bit flipped between checksum and disk (SETT_CORRUPT_SEED=${SEED})`, () => {
  expect(flipMemory(SEED, FLIPS, 'what is written')).toEqual({
    caught: FLIPS,
    'no effect': 0,
    silent: 0,
  })
})

it('catches a key that leaves its place, and tells what it cannot catch', () => {
  const { caught, silent } = flipMemory(SEED, FLIPS / 4, 'what a block is built from')
  expect(caught).toBeGreaterThan(0)
  // Values have no second copy: such flips are not promised to be seen. Were they, this figure had to go.
  expect(silent).toBeGreaterThan(0)
})

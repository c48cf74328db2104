// The order of descriptors: kernel and twin agree on random runs, sorted, disturbed in one place, or random; and bytes
// that are moved over themselves arrive whole.
import { describe, expect, it } from 'vitest'
import { wasmKernels } from '../../../../src/kernel/wasm-kernels.ts'
import { twinKernels } from '../../../twins/twin-kernels.ts'
import {
  Areas,
  compareEntries,
  newMemory,
  randomEntry,
  Seeded,
  type TestEntry,
} from '../block-support.ts'

const memory = newMemory(1 << 20)
const kernels = wasmKernels(memory)
const twin = twinKernels(memory)

/** Few bytes and lengths, so that keys are prefixes of each other, equal, or alike in their first eight bytes. */
function randomKey(random: Seeded): Buffer {
  const key = Buffer.alloc(random.pick([0, 1, 7, 8, 9, 16, 17, 40]), 'k')
  for (let i = 0; i < 2 && key.length > 0; i++)
    key[random.int(0, key.length - 1)] = random.int(0, 3) * 85
  return key
}

function randomRun(random: Seeded): TestEntry[] {
  const entries = Array.from({ length: random.int(0, 12) }, () =>
    randomEntry(random, randomKey(random), random.int(1, 4)),
  )
  const sorted = entries.sort(compareEntries)
  const distinct = sorted.filter((entry, i) => i === 0 || compareEntries(sorted[i - 1]!, entry) < 0)
  const at = random.int(1, 12)
  if (random.chance(0.6) && at < distinct.length) {
    const [moved] = distinct.splice(at, 1)
    distinct.splice(random.chance(0.5) ? at - 1 : random.int(0, at), 0, moved!)
    if (random.chance(0.3)) distinct.push(distinct.at(-1)!)
  }
  return distinct
}

describe('entriesAscend', () => {
  it('is what the twin says, and what sorting says', () => {
    const random = new Seeded(20_261_122)
    const seen = [0, 0]
    for (let round = 0; round < 3000; round++) {
      const entries = randomRun(random)
      const first = new Areas(memory).descriptors(entries)
      const ascend = entries.every(
        (entry, i) => i === 0 || compareEntries(entries[i - 1]!, entry) < 0,
      )
      const said = kernels.entriesAscend(first, entries.length)
      expect(said).toBe(ascend ? 1 : 0)
      expect(twin.entriesAscend(first, entries.length)).toBe(said)
      seen[said] = seen[said]! + 1
    }
    expect(Math.min(...seen)).toBeGreaterThan(300)
  })
})

describe('moveBytes', () => {
  it('moves over itself, either way, and touches nothing else', () => {
    const random = new Seeded(7)
    const bytes = Buffer.from(memory.buffer)
    for (let round = 0; round < 500; round++) {
      const [target, source] = [random.int(64, 400), random.int(64, 400)]
      const length = random.int(0, 300)
      const before = random.bytes(1024)
      const expected = Buffer.from(before)
      expected.copyWithin(target, source, source + length)
      for (const { moveBytes } of [kernels, twin]) {
        before.copy(bytes)
        moveBytes(target, source, length)
        expect(bytes.subarray(0, 1024).equals(expected)).toBe(true)
      }
    }
  })
})

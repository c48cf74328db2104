import { describe, expect, it } from 'vitest'
import { FILTER_HEADER } from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { filterTwin } from '../../twins/filter.ts'
import { randomBytes, seeded, sharedMemory } from './memtable-fixture.ts'

const HASHES_AT = 1024
const memory = sharedMemory(4 * 1024 * 1024)
const bytes = Buffer.from(memory.buffer)
const wasm = wasmKernels(memory)
const twin = filterTwin(memory)
const PROBE_AT = 16

describe('filter kernels', () => {
  it('build the same bytes as the twin, over whatever lay there', () => {
    const random = seeded(21)
    const out = 1024 * 1024
    for (const [count, k, blocks] of [
      [0, 7, 1],
      [1, 1, 1],
      [100, 6, 3],
      [1000, 7, 20],
      [333, 13, 57],
      [5, 7, 0],
    ] as const) {
      randomBytes(random, 8 * count).copy(bytes, HASHES_AT)
      const length = FILTER_HEADER + 64 * blocks
      bytes.fill(0xa5, out, out + 2 * length + 64)
      wasm.filterBuild(HASHES_AT, count, k, blocks, out)
      twin.filterBuild(HASHES_AT, count, k, blocks, out + length + 32)
      const built = bytes.subarray(out, out + length)
      expect(built.equals(bytes.subarray(out + length + 32, out + 2 * length + 32))).toBe(true)
      expect(bytes.subarray(out + length, out + length + 32).every((b) => b === 0xa5)).toBe(true)
      for (let i = 0; i < count; i++) expect(wasm.filterProbe(out, HASHES_AT + 8 * i)).toBe(1)
      for (let i = 0; i < 200; i++) {
        randomBytes(random, 8).copy(bytes, PROBE_AT)
        expect(wasm.filterProbe(out, PROBE_AT)).toBe(twin.filterProbe(out, PROBE_AT))
      }
    }
  })

  it('10 bits a key and k = 7 let 1 % of absent keys through, no key of theirs is missed', () => {
    const random = seeded(22)
    const count = 50_000
    const blocks = Math.ceil((count * 10) / 512)
    const out = 2 * 1024 * 1024
    for (let i = 0; i < count; i++) {
      Buffer.from(`key-${i}`).copy(bytes, PROBE_AT)
      wasm.hash64(PROBE_AT, `key-${i}`.length, 0, HASHES_AT + 8 * i)
    }
    wasm.filterBuild(HASHES_AT, count, 7, blocks, out)
    let missed = 0
    for (let i = 0; i < count; i++) missed += 1 - wasm.filterProbe(out, HASHES_AT + 8 * i)
    expect(missed).toBe(0)
    let passed = 0
    for (let i = 0; i < 100_000; i++) {
      randomBytes(random, 8).copy(bytes, PROBE_AT)
      passed += wasm.filterProbe(out, PROBE_AT)
    }
    expect(passed).toBeGreaterThan(500)
    expect(passed).toBeLessThan(1300)
  })
})

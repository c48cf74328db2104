import { describe, expect, it } from 'vitest'
import { HEAP_CONTROL_BYTES } from '../../../src/memory/heap-control.ts'
import type { SharedHeap } from '../../../src/memory/shared-heap.ts'
import { BURST_BYTES, heapValve, JobPace } from '../../../src/pool/pace.ts'

const SLOT = 3

/** The control block alone. */
function controlBlock(): SharedHeap {
  const buffer = new SharedArrayBuffer(HEAP_CONTROL_BYTES)
  return { i32: new Int32Array(buffer), u32: new Uint32Array(buffer) } as unknown as SharedHeap
}

describe('a job that is slowed down', () => {
  it('never has more written than was granted, but for what it may have in hand', () => {
    const heap = controlBlock()
    const valve = heapValve(heap, SLOT)
    let granted = 0
    let waits = 0
    const wait = (): void => {
      waits += 1
      granted += 10_000
      valve.grant(10_000)
    }
    const pace = new JobPace(heap, SLOT, () => false, wait)
    pace.spend(5_000_000)
    expect(waits).toBe(0)
    valve.grant(0)
    let written = 0
    // Past 2^32, where the word begins anew.
    for (let i = 0; i < 700; i++) {
      const step = 1 + ((i * 7_919_017) % 9_000_000)
      pace.spend(step)
      written += step
      expect(granted).toBeGreaterThanOrEqual(written)
      expect(granted - written).toBeLessThan(20_000)
    }
    expect(written).toBeGreaterThan(2 ** 31)
  })

  it('does not save up what it was granted while it had nothing to write', () => {
    const heap = controlBlock()
    const valve = heapValve(heap, SLOT)
    valve.grant(0)
    let waits = 0
    const pace = new JobPace(
      heap,
      SLOT,
      () => false,
      () => {
        waits += 1
        valve.grant(100_000)
      },
    )
    pace.spend(0)
    valve.grant(50_000_000)
    pace.spend(BURST_BYTES)
    expect(waits).toBe(0)
    pace.spend(50_000)
    expect(waits).toBe(1)
  })

  it('goes on at once when the limit is lifted, or it is cancelled', () => {
    const heap = controlBlock()
    const valve = heapValve(heap, SLOT)
    valve.grant(0)
    let cancelled = false
    let waits = 0
    const pace = new JobPace(
      heap,
      SLOT,
      () => cancelled,
      () => {
        waits += 1
        if (waits === 3) valve.open()
        if (waits === 6) cancelled = true
      },
    )
    pace.spend(1 << 20)
    expect(waits).toBe(3)
    valve.grant(0)
    pace.spend(1 << 20)
    expect(waits).toBe(6)
    pace.spend(1 << 20)
    expect(waits).toBe(6)
  })
})

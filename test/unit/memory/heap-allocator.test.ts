import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GIB, HEAP_BYTES_MAX } from '../../../src/base/limits.ts'
import { HeapAllocator } from '../../../src/memory/heap-allocator.ts'
import { HEAP_CONTROL_BYTES } from '../../../src/memory/heap-control.ts'
import type { Region } from '../../../src/memory/shared-heap.ts'

const SIZE = 64 * 1024
const step = fc.oneof(
  fc.record({
    length: fc.integer({ min: 1, max: 9000 }),
    alignment: fc.constantFrom(undefined, 8, 64, 4096),
    briefly: fc.boolean(),
  }),
  fc.record({ free: fc.nat() }),
)

function rounded(region: Region): number {
  return Math.ceil(region.length / 64) * 64
}

/** What must hold between the regions given out and the allocator's own figures. */
function check(allocator: HeapAllocator, regions: readonly Region[]): void {
  const sorted = [...regions].sort((a, b) => a.address - b.address)
  let end = HEAP_CONTROL_BYTES
  let used = 0
  let largest = 0
  for (const region of sorted) {
    expect(region.address).toBeGreaterThanOrEqual(end)
    largest = Math.max(largest, region.address - end)
    end = region.address + rounded(region)
    used += rounded(region)
  }
  expect(end).toBeLessThanOrEqual(SIZE)
  // Gaps are joined: the largest free run is the largest hole between regions.
  expect(allocator.largestFree).toBe(Math.max(largest, SIZE - end))
  expect(allocator.usedBytes).toBe(used)
  expect(allocator.freeBytes).toBe(SIZE - HEAP_CONTROL_BYTES - used)
}

describe('regions', () => {
  test('that are soon given back do not part the room that is left', () => {
    const allocator = new HeapAllocator({ byteLength: SIZE })
    const most = allocator.largestFree
    const workspace = allocator.allocateBriefly(most / 2)!
    allocator.allocate(60)
    allocator.free(workspace)
    expect(allocator.largestFree).toBe(most - 64)
  })

  test('never overlap, and what is free is found, whatever is taken and freed', () => {
    const property = fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const allocator = new HeapAllocator({ byteLength: SIZE })
      const regions: Region[] = []
      for (const each of steps) {
        if ('free' in each) {
          if (regions.length === 0) continue
          const [region] = regions.splice(each.free % regions.length, 1)
          allocator.free(region!)
        } else {
          const largest = allocator.largestFree
          const region = each.briefly
            ? allocator.allocateBriefly(each.length)
            : allocator.allocate(each.length, each.alignment)
          if (region === undefined) {
            const slack = !each.briefly && (each.alignment ?? 64) > 64 ? 4096 : 0
            expect(largest).toBeLessThan(Math.ceil(each.length / 64) * 64 + slack)
            continue
          }
          expect(region.length).toBe(each.length)
          expect(region.address % (each.briefly ? 64 : Math.max(64, each.alignment ?? 8))).toBe(0)
          regions.push(region)
        }
        check(allocator, regions)
      }
      for (const region of regions.splice(0)) allocator.free(region)
      check(allocator, [])
    })
    fc.assert(property, { numRuns: 200, seed: 20_240_602 })
  })

  test('are cut from the smallest gap that holds them', () => {
    const allocator = new HeapAllocator({ byteLength: SIZE })
    const [a, , c] = [1024, 64, 256, 64].map((length) => allocator.allocate(length)!)
    allocator.free(a!)
    allocator.free(c!)
    expect(allocator.allocate(200)?.address).toBe(c!.address)
    expect(allocator.allocate(200)?.address).toBe(a!.address)
  })

  test('are freed once, as they were given', () => {
    const allocator = new HeapAllocator({ byteLength: SIZE })
    const region = allocator.allocate(100)!
    const { address } = region
    expect(() => allocator.free({ address: address + 64, length: 36 })).toThrow('once')
    expect(() => allocator.free({ address, length: 200 })).toThrow('as it was given')
    allocator.free(region)
    expect(() => allocator.free(region)).toThrow('once')
    expect(() => allocator.allocate(0)).toThrow('length')
  })

  test('reach the end of a heap of nearly 4 GiB', () => {
    const allocator = new HeapAllocator({ byteLength: HEAP_BYTES_MAX })
    const first = allocator.allocate(3 * GIB)!
    const second = allocator.allocate(allocator.freeBytes)!
    expect(second.address).toBe(first.address + 3 * GIB)
    expect(second.address + second.length).toBe(HEAP_BYTES_MAX)
    expect(allocator.allocate(1)).toBeUndefined()
    allocator.free(first)
    allocator.free(second)
    expect(allocator.largestFree).toBe(HEAP_BYTES_MAX - HEAP_CONTROL_BYTES)
  })

  test('start where the caller says, never inside the control block', () => {
    expect(new HeapAllocator({ byteLength: SIZE }, 5000).allocate(1)?.address).toBe(5056)
    expect(() => new HeapAllocator({ byteLength: SIZE }, 64)).toThrow('control block')
  })
})

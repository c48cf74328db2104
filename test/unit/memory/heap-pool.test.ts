import { describe, expect, test } from 'vitest'
import { GIB, HEAP_BYTES_MAX, MIB } from '../../../src/base/limits.ts'
import {
  CANCEL_SLOTS,
  checkHeapControl,
  isCancelRaised,
  lowerCancel,
  raiseCancel,
} from '../../../src/memory/heap-control.ts'
import { HeapPool, heapSizeClass } from '../../../src/memory/heap-pool.ts'
import { viewHeap } from '../../../src/memory/shared-heap.ts'

describe('size classes', () => {
  test('are powers of two and the steps half way', () => {
    const rows = [1, MIB, MIB + 1, 1.5 * MIB, 1.5 * MIB + 1, 100 * MIB, 3 * GIB, 3 * GIB + 1]
    expect(rows.map((bytes) => heapSizeClass(bytes) / MIB)).toEqual([
      1,
      1,
      1.5,
      1.5,
      2,
      128,
      3072,
      HEAP_BYTES_MAX / MIB,
    ])
  })

  test('hold what was asked and waste at most half', () => {
    for (let bytes = MIB; bytes < HEAP_BYTES_MAX; bytes = Math.ceil(bytes * 1.13) + 1) {
      expect(heapSizeClass(bytes)).toBeGreaterThanOrEqual(bytes)
      expect(heapSizeClass(bytes)).toBeLessThanOrEqual(1.5 * bytes)
      expect(heapSizeClass(bytes) % 65_536).toBe(0)
    }
  })
})

describe('a heap', () => {
  test('has its size from the start and never grows', () => {
    const pool = new HeapPool()
    const heap = pool.acquire(5 * MIB)
    expect(heap.byteLength).toBe(6 * MIB)
    expect(heap.bytes.length).toBe(6 * MIB)
    expect(heap.u32.length * 4).toBe(6 * MIB)
    expect(heap.memory.buffer).toBeInstanceOf(SharedArrayBuffer)
  })

  test('comes back under the same id and the next generation, dirty', () => {
    const pool = new HeapPool()
    const first = pool.acquire(MIB)
    pool.markPosted(first)
    first.bytes[5000] = 7
    raiseCancel(first, 3)
    pool.release(first)
    const second = pool.acquire(MIB)
    expect(second.id).toBe(first.id)
    expect(second.generation).toBe(first.generation + 1)
    expect(second.memory).toBe(first.memory)
    expect(second.bytes[5000]).toBe(7)
    expect(isCancelRaised(second, 3)).toBe(false)
    expect(() => checkHeapControl(second)).not.toThrow()
    expect(() => checkHeapControl(first)).toThrow('another database')
  })

  test('is released once', () => {
    const pool = new HeapPool()
    const first = pool.acquire(MIB)
    pool.release(first)
    expect(() => pool.release(first)).toThrow('released once')
    const second = pool.acquire(MIB)
    expect(() => pool.release(first)).toThrow('released once')
    pool.release(second)
  })

  test('is taken from the nearest size, at most twice as large', () => {
    const pool = new HeapPool()
    const sizes = [8, 2, 3, 4].map((size) => pool.acquire(size * MIB))
    for (const heap of sizes) pool.markPosted(heap)
    for (const heap of sizes) pool.release(heap)
    expect(pool.counts()).toEqual({ taken: 0, free: 4, freeBytes: 17 * MIB })
    expect(pool.acquire(2 * MIB).byteLength).toBe(2 * MIB)
    expect(pool.acquire(2 * MIB).byteLength).toBe(3 * MIB)
    expect(pool.acquire(2 * MIB).byteLength).toBe(4 * MIB)
    const fresh = pool.acquire(2 * MIB)
    expect(fresh.byteLength).toBe(2 * MIB)
    expect(fresh.generation).toBe(1)
    expect(pool.counts().free).toBe(1)
  })

  test('is kept when a worker has seen it, else only a few are', () => {
    const pool = new HeapPool()
    const heaps = Array.from({ length: 12 }, () => pool.acquire(MIB))
    for (const heap of heaps.slice(0, 6)) pool.markPosted(heap)
    for (const heap of heaps) pool.release(heap)
    expect(pool.counts().free).toBe(8)
    pool.markPosted(viewHeap({ id: 99, generation: 1, memory: heaps[0]!.memory }))
  })

  test('has a cancel word per slot', () => {
    const heap = new HeapPool().acquire(MIB)
    for (const slot of [0, 1, CANCEL_SLOTS - 1]) {
      expect(isCancelRaised(heap, slot)).toBe(false)
      raiseCancel(heap, slot)
      expect(isCancelRaised(heap, slot)).toBe(true)
      lowerCancel(heap, slot)
      expect(isCancelRaised(heap, slot)).toBe(false)
    }
    expect(() => raiseCancel(heap, CANCEL_SLOTS)).toThrow('slot')
    expect(() => checkHeapControl(heap)).not.toThrow()
  })
})

test('a thousand databases in turn share a handful of heaps', () => {
  const pool = new HeapPool()
  for (let i = 0; i < 1000; i++) {
    const heap = pool.acquire(64 * MIB + (i % 3) * MIB)
    pool.markPosted(heap)
    pool.release(heap)
  }
  expect(pool.counts()).toMatchObject({ taken: 0, free: 2 })
})

test('what cannot be had is a SETT_OUT_OF_MEMORY with the next step', () => {
  const pool = new HeapPool()
  expect(() => pool.acquire(HEAP_BYTES_MAX + 1)).toThrow('lower memoryBudget')
  const real = WebAssembly.Memory
  class Refusing {
    constructor() {
      throw new RangeError('WebAssembly.Memory(): could not allocate memory')
    }
  }
  Object.assign(WebAssembly, { Memory: Refusing })
  try {
    expect(() => pool.acquire(MIB)).toThrow(
      expect.objectContaining({ code: 'SETT_OUT_OF_MEMORY', cause: expect.any(RangeError) }),
    )
  } finally {
    Object.assign(WebAssembly, { Memory: real })
  }
  expect(pool.counts().taken).toBe(0)
})

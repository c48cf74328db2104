// Memory of an engine that it keeps until it closes.
import { SettError } from '../../base/errors.ts'
import type { HeapAllocator } from '../../memory/heap-allocator.ts'
import type { Region } from '../../memory/shared-heap.ts'

export function takeRegion(allocator: HeapAllocator, bytes: number): Region {
  const region = allocator.allocate(bytes, 64)
  if (region !== undefined) return region
  throw new SettError(
    'SETT_OUT_OF_MEMORY',
    `The heap has no ${bytes} bytes left. Raise memoryBudget, or lower the cache sizes.`,
  )
}

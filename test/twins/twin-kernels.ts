// All kernels as plain TypeScript: the oracle of the wasm module, and what tests run where a
// kernel's speed does not matter. State lives in the memory, as with the real ones.
import type { Kernels } from '../../src/kernel/kernels.ts'
import { blockTwin } from './block.ts'
import { builderTwin } from './builder.ts'
import { bytesTwin } from './bytes.ts'
import { fenceTwin } from './fence.ts'
import { filterTwin } from './filter.ts'
import { guideTwin } from './guide.ts'
import { hashTwin } from './hash.ts'
import { lz4Twin } from './lz4.ts'
import { memtableTwin } from './memtable.ts'
import { mergeTwin } from './merge.ts'
import { orderTwin } from './order.ts'

export function twinKernels(memory: WebAssembly.Memory): Kernels {
  return {
    ...hashTwin(memory),
    ...memtableTwin(memory),
    ...filterTwin(memory),
    ...fenceTwin(memory),
    ...lz4Twin(memory),
    ...blockTwin(memory),
    ...guideTwin(memory),
    ...mergeTwin(memory),
    ...builderTwin(memory),
    ...orderTwin(memory),
    ...bytesTwin(memory),
  }
}

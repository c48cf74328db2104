// Merging four sources, as scans and compactions do.
import { KEY_LENGTH_MAX } from '../../../src/base/limits.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import * as layout from '../../../src/kernel/layout.ts'
import type { Areas } from '../../../test/unit/kernel/block-support.ts'
import { type Area, kernelCase, type Side } from '../case.ts'
import { KEY_BYTES, sortedEntries, VALUE_BYTES } from '../input.ts'

const SOURCES = 4
const ENTRIES = 1_024
const NEWEST = 2 ** 40
const SLAB_BYTES = ENTRIES * (KEY_BYTES + VALUE_BYTES)
const MEMORY_BYTES = 2 ** 20
const WORK = { operations: ENTRIES, memoryBytes: MEMORY_BYTES }

/** Sources whose keys interleave, all of their descriptors at hand. */
function takeSources(areas: Areas): number {
  const { memory } = areas
  const sources = areas.take(layout.SOURCE_SIZE * SOURCES)
  const entries = sortedEntries(ENTRIES)
  for (let source = 0; source < SOURCES; source++) {
    const own = entries.filter((_, i) => (i * 7) % SOURCES === source)
    const first = areas.descriptors(own)
    const at = sources + layout.SOURCE_SIZE * source
    memory.setU32(at + layout.SOURCE_NEXT, first)
    memory.setU32(at + layout.SOURCE_END, first + layout.DESC_SIZE * own.length)
    memory.setU32(at + layout.SOURCE_LAST, 1)
  }
  return sources
}

/** One whole merge; state and sources are put back before each run. */
function merge(kernel: 'mergeScan' | 'mergeCompact', keysOnly: 0 | 1) {
  return (kernels: Kernels, areas: Areas): Side => {
    const { memory } = areas
    const sources = takeSources(areas)
    const state = areas.take(layout.MERGE_STATE_SIZE)
    const out = areas.take(layout.DESC_SIZE * ENTRIES + layout.DESC_SIZE)
    const slab = areas.take(SLAB_BYTES)
    const snapshots = areas.take(8)
    memory.setU64(snapshots, NEWEST)
    memory.setU32(state + layout.MERGE_SOURCES, sources)
    memory.setU32(state + layout.MERGE_SOURCE_COUNT, SOURCES)
    memory.setU64(state + layout.MERGE_READ_VERSION, NEWEST)
    memory.setU32(state + layout.MERGE_OUT, out)
    memory.setU32(state + layout.MERGE_OUT_CAPACITY, ENTRIES + 1)
    memory.setU32(state + layout.MERGE_SLAB, slab)
    memory.setU32(state + layout.MERGE_SLAB_CAPACITY, SLAB_BYTES)
    memory.setU32(state + layout.MERGE_KEYS_ONLY, keysOnly)
    memory.setU32(state + layout.MERGE_SNAPSHOTS, snapshots)
    memory.setU32(state + layout.MERGE_SNAPSHOT_COUNT, 1)
    memory.setU32(state + layout.MERGE_KEY_SCRATCH, areas.take(KEY_LENGTH_MAX + 1))
    const savedState = Buffer.from(memory.slice(state, layout.MERGE_STATE_SIZE))
    const savedSources = Buffer.from(memory.slice(sources, layout.SOURCE_SIZE * SOURCES))
    let status = 0
    return {
      run() {
        savedState.copy(memory.bytes, state)
        savedSources.copy(memory.bytes, sources)
        status = kernels[kernel](state)
      },
      answer: () => ({
        status,
        count: memory.u32(state + layout.MERGE_OUT_COUNT),
        used: memory.u32(state + layout.MERGE_SLAB_USED),
        dropped: memory.u64(state + layout.MERGE_DROPPED),
        out: Buffer.from(memory.slice(out, layout.DESC_SIZE * ENTRIES)),
        slab: Buffer.from(memory.slice(slab, memory.u32(state + layout.MERGE_SLAB_USED))),
      }),
    }
  }
}

export const mergeArea: Area = {
  name: 'merge',
  cases: [
    kernelCase('scan of 4 sources, per entry', WORK, merge('mergeScan', 0)),
    kernelCase('scan of 4 sources, keys only', WORK, merge('mergeScan', 1)),
    kernelCase('compaction of 4 sources, per entry', WORK, merge('mergeCompact', 0)),
  ],
}

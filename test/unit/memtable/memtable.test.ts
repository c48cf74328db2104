// Records at the ends of the ranges their numbers come from: versions beyond 32 bits, addresses beyond 2 GiB.
import { expect, test } from 'vitest'
import { GIB } from '../../../src/base/limits.ts'
import { loadU64 } from '../../../src/cursor/words.ts'
import { encodeRecord } from '../../../src/format/record.ts'
import { KIND_PUT, RECORD_VERSION, TAG_COMMIT_END } from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { viewHeap } from '../../../src/memory/shared-heap.ts'
import { EXPIRY_BYTES, Memtable, recordBytes } from '../../../src/memtable/memtable.ts'

const PAGE = 65_536
const KEY_AT = 4_096

/** A memtable with one record at that address of a heap; looks the record up at a version. */
function rig(
  address: number,
  version: number,
): { readonly find: (at: number) => number; readonly versionAt: (record: number) => number } {
  const pages = address / PAGE + 2
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  const heap = viewHeap({ id: 1, generation: 1, memory })
  const kernels = wasmKernels(memory)
  const memtable = Memtable.create(heap, kernels, { address, length: PAGE })
  const record = memtable.encode(KIND_PUT | TAG_COMMIT_END, version, 'key', 'value')
  memtable.link(record, memtable.recordEnd, 1)
  heap.bytes.set(Buffer.from('key'), KEY_AT)
  return {
    find: (at) => kernels.memtableGet(address, KEY_AT, 3, at),
    versionAt: (found) => loadU64(heap.u32, found + RECORD_VERSION),
  }
}

test.each([1, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER])(
  'version %i is kept whole',
  (version) => {
    const { find, versionAt } = rig(PAGE, version)
    expect(versionAt(find(version))).toBe(version)
    expect(find(version - 1)).toBe(0)
  },
)

test.each([1, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER])(
  'a record that expires at %i is the one FORMAT.md has',
  (expiresAt) => {
    const memory = new WebAssembly.Memory({ initial: 3, maximum: 3, shared: true })
    const heap = viewHeap({ id: 1, generation: 1, memory })
    const memtable = Memtable.create(heap, wasmKernels(memory), { address: PAGE, length: PAGE })
    const key = Buffer.from('a key')
    const value = Buffer.from('and its value')
    const start = memtable.encodeExpiring(KIND_PUT, 7, { key, value, expiresAt })
    const end = memtable.recordEnd
    expect(end - start).toBe(recordBytes(key.length, value.length) + EXPIRY_BYTES)
    const common = { kind: 'put', commitEnd: false, meta: 0, version: 7 } as const
    const wanted = encodeRecord({ ...common, key, value, expiresAt })
    expect(heap.bytes.subarray(start, end).equals(wanted)).toBe(true)
    memtable.link(start, end, 1)
    expect(memtable.entries).toBe(1)
  },
)

test.each([PAGE, 2 * GIB - PAGE, 2 * GIB, 2.5 * GIB])(
  'a record at address %i is found',
  (address) => {
    const found = rig(address, 1).find(1)
    expect(found).toBeGreaterThan(address)
    expect(found).toBeLessThan(address + PAGE)
  },
)

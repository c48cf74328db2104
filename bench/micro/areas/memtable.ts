// Writing to and reading from a memtable of 4,096 records.
import type { Kernels } from '../../../src/kernel/kernels.ts'
import {
  ARENA_COUNT,
  ARENA_HEADER,
  DESC_SIZE,
  KIND_PUT,
  RECORD_HEADER,
} from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { HeapPool } from '../../../src/memory/heap-pool.ts'
import { Memtable } from '../../../src/memtable/memtable.ts'
import type { Areas } from '../../../test/unit/kernel/block-support.ts'
import { encodeRecord } from '../../../test/unit/kernel/memtable-fixture.ts'
import { type Area, type Case, kernelCase, type Side } from '../case.ts'
import { dataset, FIRST_VERSION, KEY_BYTES, VALUE_BYTES } from '../input.ts'

const RECORDS = 4_096
const RECORD_BYTES = (RECORD_HEADER + KEY_BYTES + VALUE_BYTES + 7) & ~7
const ARENA_BYTES = 2 ** 20
const LOOKUPS = 512
const PAGE = 256
const NEWEST = 2 ** 40
const MEMORY_BYTES = ARENA_BYTES + 2 ** 16
const ENCODED = 512
const HEAP_BYTES = 2 ** 20

interface Arena {
  readonly start: number
  readonly end: number
  readonly first: number
}

/** An arena whose records are encoded, in random key order, and not yet linked. */
function encoded(areas: Areas): Arena {
  const data = dataset(RECORDS)
  const start = areas.take(ARENA_BYTES, 64)
  const first = start + ARENA_HEADER
  for (let i = 0; i < RECORDS; i++) {
    encodeRecord({ key: data.key(i), value: data.value(i), version: FIRST_VERSION + i }).copy(
      areas.memory.bytes,
      first + RECORD_BYTES * i,
    )
  }
  return { start, end: start + ARENA_BYTES, first }
}

function link(kernels: Kernels, areas: Areas, run: number): Side {
  const { start, end, first } = encoded(areas)
  const out = areas.take(DESC_SIZE * PAGE)
  return {
    run() {
      kernels.memtableInit(start, end)
      for (let i = 0; i < RECORDS; i += run) {
        kernels.memtableLink(start, first + RECORD_BYTES * i, first + RECORD_BYTES * (i + run))
      }
    },
    answer: () => ({
      linked: areas.memory.u32(start + ARENA_COUNT),
      count: kernels.memtablePage(start, 0, 0, 0, 0, 0, out, PAGE),
      page: Buffer.from(areas.memory.slice(out, DESC_SIZE * PAGE)),
    }),
  }
}

function linked(kernels: Kernels, areas: Areas): Arena {
  const arena = encoded(areas)
  kernels.memtableInit(arena.start, arena.end)
  kernels.memtableLink(arena.start, arena.first, arena.first + RECORD_BYTES * RECORDS)
  return arena
}

function get(kernels: Kernels, areas: Areas, present: boolean): Side {
  const { start } = linked(kernels, areas)
  const data = dataset(RECORDS)
  const wanted = Array.from({ length: LOOKUPS }, (_, i) =>
    present ? data.key(7 * i) : data.missingKey(7 * i),
  )
  const length = wanted[0]!.length
  const keys = areas.bytes(Buffer.concat(wanted))
  const found = new Uint32Array(LOOKUPS)
  return {
    run() {
      for (let i = 0; i < LOOKUPS; i++) {
        found[i] = kernels.memtableGet(start, keys + length * i, length, NEWEST)
      }
    },
    answer: () => found.slice(),
  }
}

function page(kernels: Kernels, areas: Areas, reverse: 0 | 1): Side {
  const { start } = linked(kernels, areas)
  const key = areas.bytes(dataset(RECORDS).key(0))
  const out = areas.take(DESC_SIZE * PAGE)
  let count = 0
  return {
    run() {
      count = kernels.memtablePage(start, 1, key, KEY_BYTES, NEWEST, reverse, out, PAGE)
    },
    answer: () => ({ count, page: Buffer.from(areas.memory.slice(out, DESC_SIZE * PAGE)) }),
  }
}

/** How a put becomes a record in the arena, beside a record in a buffer of its own that is copied there. */
const encode: Case = {
  name: 'encode a record in place',
  prepare() {
    const data = dataset(ENCODED)
    const heap = new HeapPool().acquire(HEAP_BYTES)
    const arena = { address: HEAP_BYTES / 2, length: HEAP_BYTES / 2 }
    const memtable = Memtable.create(heap, wasmKernels(heap.memory), arena)
    const begin = memtable.recordEnd
    const target = Buffer.alloc(RECORD_BYTES * ENCODED)
    return {
      operations: ENCODED,
      ours: {
        run() {
          memtable.undo(begin, 0)
          for (let i = 0; i < ENCODED; i++) {
            memtable.encode(KIND_PUT, FIRST_VERSION + i, data.key(i), data.value(i))
          }
        },
        answer: () => Buffer.from(heap.bytes.subarray(begin, memtable.recordEnd)),
      },
      twin: {
        run() {
          for (let i = 0; i < ENCODED; i++) {
            const record = { key: data.key(i), value: data.value(i), version: FIRST_VERSION + i }
            encodeRecord(record).copy(target, RECORD_BYTES * i)
          }
        },
        answer: () => Buffer.from(target),
      },
    }
  },
}

const linkWork = { operations: RECORDS, memoryBytes: MEMORY_BYTES }
const getWork = { operations: LOOKUPS, memoryBytes: MEMORY_BYTES }
const pageWork = { operations: PAGE, memoryBytes: MEMORY_BYTES }

export const memtableArea: Area = {
  name: 'memtable',
  cases: [
    encode,
    kernelCase('link in runs of 1,024', linkWork, (kernels, areas) => link(kernels, areas, 1_024)),
    kernelCase('link one by one', linkWork, (kernels, areas) => link(kernels, areas, 1)),
    kernelCase('get, key present', getWork, (kernels, areas) => get(kernels, areas, true)),
    kernelCase('get, key absent', getWork, (kernels, areas) => get(kernels, areas, false)),
    kernelCase('page forward, per entry', pageWork, (kernels, areas) => page(kernels, areas, 0)),
    kernelCase('page backward, per entry', pageWork, (kernels, areas) => page(kernels, areas, 1)),
  ],
}

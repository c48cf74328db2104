// What it costs to cross between JavaScript and the shared heap, and to wait for a turn.
import { loadU64, storeU64 } from '../../../src/cursor/words.ts'
import { takeData } from '../../../src/engine/values.ts'
import { BUILDER_SIZE } from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { HeapPool } from '../../../src/memory/heap-pool.ts'
import type { SharedHeap } from '../../../src/memory/shared-heap.ts'
import { words } from '../../data/random.ts'
import type { Area, Case, Side } from '../case.ts'

const COUNT = 1_024
const HEAP_BYTES = 2 ** 20
const AREA = 8_192

/** A piece of random text in ordinary memory, and a heap that holds it at AREA. */
function piece(length: number): { readonly heap: SharedHeap; readonly source: Buffer } {
  const next = words(length)
  const heap = new HeapPool().acquire(HEAP_BYTES)
  const source = Buffer.from(Array.from({ length }, () => 97 + (next() % 26)))
  source.copy(heap.bytes, AREA)
  return { heap, source }
}

function repeated(once: () => void): () => void {
  return () => {
    for (let i = 0; i < COUNT; i++) once()
  }
}

/** Writes into the heap; the answer is what lies there then. */
function into(
  name: string,
  length: number,
  write: (heap: SharedHeap, source: Buffer, text: string) => void,
): Case {
  return {
    name,
    prepare() {
      const { heap, source } = piece(length)
      const text = source.toString('latin1')
      heap.bytes.fill(0, AREA, AREA + length)
      return {
        operations: COUNT,
        ours: {
          run: repeated(() => write(heap, source, text)),
          answer: () => Buffer.from(heap.bytes.subarray(AREA, AREA + length)),
        },
        expected: Buffer.from(source),
      }
    },
  }
}

/** Takes bytes out of the heap in some form. */
function outOf(
  name: string,
  length: number,
  take: (heap: SharedHeap) => string | Uint8Array,
): Case {
  return {
    name,
    prepare() {
      const { heap, source } = piece(length)
      let taken: string | Uint8Array = ''
      const run = repeated(() => {
        taken = take(heap)
      })
      const answer = (): Buffer => Buffer.from(taken as string)
      return { operations: COUNT, ours: { run, answer }, expected: source }
    },
  }
}

/** `sum` adds up COUNT numbers at AREA in a loop of its own: a call for each would cost more than reading it. */
function numbers(name: string, sum: (heap: SharedHeap) => number): Case {
  return {
    name,
    prepare() {
      const heap = new HeapPool().acquire(HEAP_BYTES)
      let expected = 0
      for (let i = 0; i < COUNT; i++) {
        storeU64(heap.u32, AREA + 8 * i, 2 ** 33 + i)
        expected += 2 ** 33 + i
      }
      let found = 0
      const ours: Side = {
        run() {
          found = sum(heap)
        },
        answer: () => found,
      }
      return { operations: COUNT, ours, expected }
    },
  }
}

function sumOfWords({ u32 }: SharedHeap): number {
  let sum = 0
  for (let i = 0; i < COUNT; i++) sum += loadU64(u32, AREA + 8 * i)
  return sum
}

function sumOfBigInts({ bytes }: SharedHeap): number {
  let sum = 0
  for (let i = 0; i < COUNT; i++) sum += Number(bytes.readBigUInt64LE(AREA + 8 * i))
  return sum
}

const wasmCall: Case = {
  name: 'wasm call that loads one number',
  prepare() {
    const heap = new HeapPool().acquire(HEAP_BYTES)
    const kernels = wasmKernels(heap.memory)
    heap.bytes.fill(1, AREA, AREA + BUILDER_SIZE)
    let sum = 0
    const ours: Side = {
      run() {
        sum = 0
        for (let i = 0; i < COUNT; i++) sum += kernels.builderStopped(AREA)
      },
      answer: () => sum,
    }
    return { operations: COUNT, ours, expected: COUNT * 0x01010101 }
  },
}

function turn(name: string, wait: () => Promise<void>): Case {
  return {
    name,
    prepare() {
      let turns = 0
      const ours: Side = {
        awaited: true,
        async run() {
          for (turns = 0; turns < 64; turns++) await wait()
        },
        answer: () => turns,
      }
      return { operations: 64, ours, expected: 64 }
    },
  }
}

const copy = (heap: SharedHeap, source: Buffer): void => {
  source.copy(heap.bytes, AREA)
}
const set = (heap: SharedHeap, source: Buffer): void => heap.bytes.set(source, AREA)

export const boundaryArea: Area = {
  name: 'boundary',
  cases: [
    outOf('nothing: what copies and views below include', 0, () => ''),
    wasmCall,
    into('Buffer copy of 16 B into the heap', 16, copy),
    into('Buffer copy of 100 B into the heap', 100, copy),
    into('Buffer copy of 4 KiB into the heap', 4_096, copy),
    into('TypedArray set of 16 B into the heap', 16, set),
    into('TypedArray set of 100 B into the heap', 100, set),
    into('TypedArray set of 4 KiB into the heap', 4_096, set),
    into('string of 16 characters into the heap', 16, (heap, _, text) => {
      heap.bytes.write(text, AREA)
    }),
    outOf('Buffer view of 100 B', 100, ({ bytes }) => bytes.subarray(AREA, AREA + 100)),
    outOf('copy of 100 B as Buffer', 100, ({ bytes }) => takeData(bytes, AREA, 100, 'buffer')),
    outOf('slice of 100 B as Uint8Array', 100, ({ bytes }) => takeData(bytes, AREA, 100, 'view')),
    outOf('100 B as utf8 string', 100, ({ bytes }) => takeData(bytes, AREA, 100, 'utf8')),
    numbers('u64 as two words', sumOfWords),
    numbers('u64 as BigInt', sumOfBigInts),
    turn('await of a settled promise', () => Promise.resolve()),
    turn('turn of the event loop', () => new Promise((resolve) => setImmediate(resolve))),
  ],
}

// The first 4 KiB of every shared heap: what it is, whose it is, and the cancel words of jobs in flight.
// Owner: the main thread writes all of it; workers only load. No region of an allocator reaches below
// HEAP_CONTROL_BYTES.
import { assert } from '../base/assert.ts'
import { SettError } from '../base/errors.ts'
import type { SharedHeap } from './shared-heap.ts'

/** Bytes at the start of a heap that belong to this block. */
export const HEAP_CONTROL_BYTES = 4096
/** Jobs in flight in one process; each owns one cancel word of the heap it works on. */
export const CANCEL_SLOTS = 128

/** 'SETT' in memory order. */
const MAGIC = 0x5454_4553
// Indexes of 32-bit words.
const WORD_MAGIC = 0
const WORD_GENERATION = 1
const WORD_CANCEL = 16

/** Makes a new or recycled heap carry its generation and no raised cancel word. */
export function initHeapControl(heap: SharedHeap): void {
  heap.i32.fill(0, 0, HEAP_CONTROL_BYTES / 4)
  Atomics.store(heap.u32, WORD_GENERATION, heap.generation)
  Atomics.store(heap.u32, WORD_MAGIC, MAGIC)
}

/** For the receiving thread: refuses a memory that is no heap or now belongs to another database. */
export function checkHeapControl(heap: SharedHeap): void {
  assert(Atomics.load(heap.u32, WORD_MAGIC) === MAGIC, 'the memory of a job is a heap')
  if (Atomics.load(heap.u32, WORD_GENERATION) !== heap.generation) {
    throw new SettError(
      'SETT_INTERNAL',
      `Internal check failed: heap ${heap.id} was given to another database while a job was under ` +
        'way. Please report this.',
    )
  }
}

export function lowerCancel(heap: SharedHeap, slot: number): void {
  Atomics.store(heap.i32, cancelWord(slot), 0)
}

export function raiseCancel(heap: SharedHeap, slot: number): void {
  Atomics.store(heap.i32, cancelWord(slot), 1)
}

export function isCancelRaised(heap: SharedHeap, slot: number): boolean {
  return Atomics.load(heap.i32, cancelWord(slot)) !== 0
}

function cancelWord(slot: number): number {
  assert(slot >= 0 && slot < CANCEL_SLOTS, 'a cancel slot exists')
  return WORD_CANCEL + slot
}

assert((WORD_CANCEL + CANCEL_SLOTS) * 4 <= HEAP_CONTROL_BYTES, 'cancel words fit the control block')

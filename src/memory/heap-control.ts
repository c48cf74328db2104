// The first 4 KiB of every shared heap: what it is, whose it is, and of each job in flight a word that cancels it and
// one that counts its signs of life, and one that says how much it may write. Owner: the main thread writes all but
// the signs of life; workers only load the rest. No region of an allocator reaches below HEAP_CONTROL_BYTES.
import { assert } from '../base/assert.ts'
import { SettError } from '../base/errors.ts'
import type { SharedHeap } from './shared-heap.ts'

/** Bytes at the start of a heap that belong to this block. */
export const HEAP_CONTROL_BYTES = 4096
/** Jobs in flight in one process; each owns one cancel word, and one beat word, of the heap it works on. */
export const CANCEL_SLOTS = 128

/** 'SETT' in memory order. */
const MAGIC = 0x5454_4553
// Indexes of 32-bit words.
const WORD_MAGIC = 0
const WORD_GENERATION = 1
const WORD_CANCEL = 16
const WORD_BEAT: number = WORD_CANCEL + CANCEL_SLOTS
const WORD_GRANT: number = WORD_BEAT + CANCEL_SLOTS
/** As a grant: the job writes as fast as it can. */
export const UNLIMITED = 0

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

/** For the worker that runs the slot's job: it gets on. */
export function beat(heap: SharedHeap, slot: number): void {
  Atomics.add(heap.i32, beatWord(slot), 1)
}

/** Signs of life of whatever jobs had the slot, modulo 2^32. */
export function beatsOf(heap: SharedHeap, slot: number): number {
  return Atomics.load(heap.i32, beatWord(slot))
}

/** Bytes the slot's job may have written in all since it was first limited, modulo 2^32, or UNLIMITED; wakes it. */
export function setGrant(heap: SharedHeap, slot: number, grant: number): void {
  Atomics.store(heap.i32, grantWord(slot), grant)
  Atomics.notify(heap.i32, grantWord(slot))
}

export function grantOf(heap: SharedHeap, slot: number): number {
  return Atomics.load(heap.i32, grantWord(slot))
}

/** For a worker: sleeps until the grant is another than `seen`, or the time is over. */
export function awaitGrant(heap: SharedHeap, slot: number, seen: number, waitMs: number): void {
  Atomics.wait(heap.i32, grantWord(slot), seen, waitMs)
}

function cancelWord(slot: number): number {
  assert(slot >= 0 && slot < CANCEL_SLOTS, 'a cancel slot exists')
  return WORD_CANCEL + slot
}

function beatWord(slot: number): number {
  assert(slot >= 0 && slot < CANCEL_SLOTS, 'a beat word exists')
  return WORD_BEAT + slot
}

function grantWord(slot: number): number {
  assert(slot >= 0 && slot < CANCEL_SLOTS, 'a grant word exists')
  return WORD_GRANT + slot
}

assert((WORD_GRANT + CANCEL_SLOTS) * 4 <= HEAP_CONTROL_BYTES, 'the words fit the control block')

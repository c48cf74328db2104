// The sync worker's side: sleeps until a descriptor comes, makes its file durable, answers. Nothing else may
// run on this thread. Layout of the shared words; "→" names writer and reader.
import { assert } from '../base/assert.ts'

/** Requests made, modulo 2^32. Main → worker; the worker waits on it. */
export const SYNC_ASKED = 0
/** Requests answered, modulo 2^32. Worker → main; main waits on it. */
export const SYNC_DONE = 32
/** Slot i: descriptor of request number i modulo SYNC_SLOTS. Main → worker, before SYNC_ASKED. */
export const SYNC_DESCRIPTORS = 64
/** Slot i: 0 or the negative errno of its answer. Worker → main, before SYNC_DONE. */
export const SYNC_RESULTS = 128
export const SYNC_SLOTS = 64
/** 1 once the thread answers requests. Worker → main, once. */
export const SYNC_ONLINE: number = SYNC_RESULTS + SYNC_SLOTS
export const SYNC_WORDS: number = SYNC_ONLINE + 1
/** A result that is no errno: the call failed in a way no system call does. */
export const SYNC_UNKNOWN = 1

/** Never returns: the thread ends by being terminated, which wakes it from its sleep. */
export function runSyncLoop(words: Int32Array, dataSync: (descriptor: number) => void): never {
  assert(words.length === SYNC_WORDS, 'the sync worker got its words')
  // The worker's own count, never reloaded before a wait: a request between two loads would be slept over.
  let done = 0
  Atomics.store(words, SYNC_ONLINE, 1)
  for (;;) {
    Atomics.wait(words, SYNC_ASKED, done)
    const asked = Atomics.load(words, SYNC_ASKED)
    while (done !== asked) {
      const slot = done & (SYNC_SLOTS - 1)
      words[SYNC_RESULTS + slot] = attempt(dataSync, words[SYNC_DESCRIPTORS + slot]!)
      done = (done + 1) | 0
      Atomics.store(words, SYNC_DONE, done)
      Atomics.notify(words, SYNC_DONE)
    }
  }
}

function attempt(dataSync: (descriptor: number) => void, descriptor: number): number {
  try {
    dataSync(descriptor)
    return 0
  } catch (error) {
    const known = error instanceof Error && 'errno' in error && typeof error.errno === 'number'
    return known && (error.errno as number) < 0 ? (error.errno as number) : SYNC_UNKNOWN
  }
}

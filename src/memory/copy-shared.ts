// Copies between memory that threads share and a caller's own. `set` and `copy` must not tear words that other threads
// may be writing, so they move shared memory word by word: 3.6 GB/s in, and on Node 20 1.7 GB/s out. Nobody writes what
// is copied here at the time, and `fill` from other bytes is the C library's copy, at more than 7 GB/s both ways.

/** Bytes from which that outweighs the longer way into `fill`; measured. */
const LONG = 512

/** Puts all of `source` at `at` of shared memory. */
export function copyIn(shared: Buffer, at: number, source: Uint8Array): void {
  if (source.length < LONG) shared.set(source, at)
  else shared.fill(source, at, at + source.length)
}

/** Puts [start, end) of shared memory at the beginning of `target`. */
export function copyOut(shared: Buffer, start: number, end: number, target: Buffer): void {
  if (end - start < LONG) shared.copy(target, 0, start, end)
  else target.fill(shared.subarray(start, end), 0, end - start)
}

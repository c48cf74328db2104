// A thread as busy as a store's background thread: walks and mixes 8 MiB for `duty` of each 50 ms, then sleeps.
import { workerData } from 'node:worker_threads'

const PERIOD_MS = 50
const { duty } = workerData as { duty: number }
const memory = new Uint32Array(2 ** 21)
const sleeper = new Int32Array(new SharedArrayBuffer(4))

for (;;) {
  const started = performance.now()
  for (let mix = 1; performance.now() - started < PERIOD_MS * duty; ) {
    for (let step = 0; step < 10_000; step++) {
      mix = (Math.imul(mix, 1664525) + 1013904223) >>> 0
      memory[mix & (memory.length - 1)]! ^= mix
    }
  }
  const rest = PERIOD_MS - (performance.now() - started)
  if (rest > 1) Atomics.wait(sleeper, 0, 0, rest)
}

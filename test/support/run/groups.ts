// Which test files share processes, and which have one of their own.

/** Their files ask nothing of the process they run in, so they share a few, which load the engine once. */
export const SHARING: readonly string[] = [
  'unit',
  'behavior',
  'corrupt',
  'crash',
  'faults',
  'gc',
  'hostile',
  'format-versions',
  'model',
  'planted',
  'sim',
  'tidy',
  'trust',
]

/** Of these folders, the files that measure their process: what others left behind in it would count; and one that
 * puts a module of its own in the place of one that others have loaded. */
export const MEASURING: readonly string[] = [
  'test/behavior/values/put-stream.test.ts',
  'test/corrupt/fuzz/fuzz.test.ts',
  'test/crash/second-life.test.ts',
  'test/hostile/lengths.test.ts',
  'test/unit/engine/value-log/kept-values.test.ts',
  'test/unit/io/directory-lock.test.ts',
  'test/unit/pool/sync-worker.test.ts',
  'test/unit/pool/worker-executor.test.ts',
]

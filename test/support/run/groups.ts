// Which test files share processes, and which have one of their own.

/** Their files ask nothing of the process they run in, so they share a few, which load the engine once. */
export const SHARING: readonly string[] = [
  'unit',
  'behavior',
  'hostile',
  'format-versions',
  'tidy',
  'trust',
]

/** Of these folders, the files that measure their process: what others left behind in it would count. */
export const MEASURING: readonly string[] = [
  'test/behavior/values/put-stream.test.ts',
  'test/hostile/lengths.test.ts',
  'test/unit/engine/value-log/kept-values.test.ts',
  'test/unit/io/directory-lock.test.ts',
  'test/unit/pool/sync-worker.test.ts',
  'test/unit/pool/worker-executor.test.ts',
]

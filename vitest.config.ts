// The default suite: everything quick. Longer runs are programs of their own (docs/TESTING.md).
import { availableParallelism } from 'node:os'
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { ClosingLine } from './test/support/run/closing-line.ts'
import { LongestFirst } from './test/support/run/longest-first.ts'

/** Their files ask nothing of the process they run in, so they share a few, which load the engine once. */
const SHARING: readonly string[] = [
  'unit',
  'behavior',
  'hostile',
  'format-versions',
  'tidy',
  'trust',
]
const together: string[] = SHARING.map((folder) => `test/${folder}/**/*.test.ts`)

const common = {
  environment: 'node',
  pool: 'forks',
  testTimeout: 30_000,
  hookTimeout: 30_000,
} as const

const config: ViteUserConfig = defineConfig({
  test: {
    // One more than there are cores: there is always a file that waits for a process, a disk or a timer.
    maxWorkers: availableParallelism() + 1,
    teardownTimeout: 10_000,
    reporters: ['default', new ClosingLine()],
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...common,
          name: 'alone',
          include: ['test/**/*.test.ts'],
          exclude: together,
          globalSetup: 'test/kill/compile-harness.ts',
        },
      },
      { test: { ...common, name: 'together', include: together, isolate: false } },
    ],
  },
})

export default config

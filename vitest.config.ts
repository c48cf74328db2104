// The default suite: everything quick. Longer runs are programs of their own (docs/TESTING.md).
import { availableParallelism } from 'node:os'
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { ClosingLine } from './test/support/run/closing-line.ts'
import { MEASURING, SHARING } from './test/support/run/groups.ts'
import { LongestFirst } from './test/support/run/longest-first.ts'

const together: string[] = SHARING.map((folder) => `test/${folder}/**/*.test.ts`)
/** Every other folder of tests. */
const others = `test/!(${SHARING.join('|')})/**/*.test.ts`

/** Seconds where nothing else runs, and ten times that on a busy machine. */
const PATIENCE_MS = 60_000

const common = {
  environment: 'node',
  pool: 'forks',
  testTimeout: PATIENCE_MS,
  hookTimeout: PATIENCE_MS,
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
          include: [others, ...MEASURING],
          globalSetup: 'test/kill/compile-harness.ts',
        },
      },
      {
        test: {
          ...common,
          name: 'together',
          include: together,
          exclude: [...MEASURING],
          isolate: false,
        },
      },
    ],
  },
})

export default config

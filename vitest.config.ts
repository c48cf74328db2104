// The default suite: everything quick. Longer runs are programs of their own (docs/TESTING.md).
import { defineConfig, type ViteUserConfig } from 'vitest/config'
import { ClosingLine } from './test/support/closing-line.ts'

const config: ViteUserConfig = defineConfig({
  test: {
    environment: 'node',
    pool: 'forks',
    // The default leaves a core free, which on two cores is half of them.
    maxWorkers: '100%',
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
    reporters: ['default', new ClosingLine()],
  },
})

export default config

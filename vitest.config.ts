// The default suite is everything quick. `--mode long` runs the rest: *.long.test.ts and test/long/.
import { defineConfig, type ViteUserConfigFnObject } from 'vitest/config'
import { ClosingLine } from './test/support/closing-line.ts'

const LONG: string[] = ['test/**/*.long.test.ts', 'test/long/**/*.test.ts']

const config: ViteUserConfigFnObject = defineConfig(({ mode }) => {
  const long = mode === 'long'
  return {
    test: {
      environment: 'node',
      pool: 'forks',
      include: long ? LONG : ['test/**/*.test.ts'],
      exclude: ['**/node_modules/**', ...(long ? [] : LONG)],
      testTimeout: long ? 1_800_000 : 30_000,
      hookTimeout: long ? 300_000 : 30_000,
      teardownTimeout: 10_000,
      reporters: ['default', new ClosingLine()],
    },
  }
})

export default config

// The runner of test:trust: a part that fails, is missing or takes too long fails the run, and the table says which.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { longParts, type Part, TRUST } from './parts.ts'
import { commandOf, type Outcome, runParts, summaryOf } from './run-parts.ts'

const PACKAGE = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

const scripts = {
  print: 'npm run --silent build && tsc -p tsconfig.dev.json && node -p 40+2',
  fail: 'node missing-file.mjs',
  strange: 'vitest run',
}

async function run(parts: readonly Part[], limitMs = 20_000): Promise<readonly Outcome[]> {
  return await runParts(parts, { scripts, jobs: 2, limitMs, log: () => undefined })
}

describe('parts', () => {
  it('run what their script does after the build, with their own arguments', async () => {
    const [outcome] = await run([{ script: 'print', args: ['--no-warnings'] }])
    expect(outcome).toMatchObject({ passed: true, last: '42' })
    expect(commandOf(scripts.print)).toEqual([process.execPath, '-p', '40+2'])
  })

  it('fail if they end with an error, do not exist, or take too long', async () => {
    const parts = ['print', 'fail', 'none', 'strange'].map((script) => ({ script, args: [] }))
    const outcomes = await run(parts)
    expect(outcomes.map(({ passed }) => passed)).toEqual([true, false, false, false])
    expect(outcomes[2]?.last).toBe('package.json has no script none')
    const text = summaryOf(outcomes)
    expect(text).toMatch(/^passed {2}\d+ s +print +42$/m)
    expect(text).toMatch(/^FAILED {2}\d+ s +fail +\S/m)
    expect(text.endsWith('1 parts passed, 3 failures')).toBe(true)
  })

  it('are ended when the time is up, and those that wait do not begin', async () => {
    const sleep = ['-e', 'setTimeout(() => undefined, 60_000)']
    const parts = [1, 2, 3].map(() => ({ script: 'sleep', args: sleep }))
    const outcomes = await runParts(parts, {
      scripts: { sleep: 'node' },
      jobs: 2,
      limitMs: 500,
      log: () => undefined,
    })
    expect(outcomes.map(({ last }) => last.slice(0, 15))).toEqual(Array(3).fill('the time was up'))
  })

  it('are scripts there are', () => {
    for (const { script } of [...TRUST, ...longParts('.')]) {
      expect(commandOf(PACKAGE.scripts[script]), script).toBeDefined()
    }
  })
})

// A vitest reporter whose only output is the last line of the run: `N passed, N failed` and, if any, `, N skipped`.
// Errors outside a test (a file that does not load, an unhandled rejection) count as failures.
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

export interface Tally {
  passed: number
  failed: number
  skipped: number
}

export function closingLine(tally: Tally): string {
  const skipped = tally.skipped === 0 ? '' : `, ${tally.skipped} skipped`
  return `${tally.passed} passed, ${tally.failed} failed${skipped}`
}

export class ClosingLine implements Reporter {
  #tally: Tally | undefined

  onInit(): void {
    // On exit, because other reporters may still print after the run has ended.
    process.once('exit', () => {
      if (this.#tally !== undefined) process.stdout.write(`${closingLine(this.#tally)}\n`)
    })
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const tally: Tally = { passed: 0, failed: unhandled.length, skipped: 0 }
    for (const module of modules) {
      tally.failed += module.errors().length
      for (const suite of module.children.allSuites()) tally.failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === 'passed') tally.passed++
        else if (state === 'skipped') tally.skipped++
        else tally.failed++
      }
    }
    this.#tally = tally
  }
}

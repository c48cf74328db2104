// A vitest reporter that writes the end of a run: what failed, a line each, and `N passed, N failed` and, if any,
// `, N skipped`. Errors outside a test (a file that does not load, an unhandled rejection) count as failures.
import type { Reporter, SerializedError, TestModule } from 'vitest/node'

export interface Tally {
  readonly passed: number
  readonly skipped: number
  /** What each was, and the first line of its reason. */
  readonly failures: readonly string[]
}

/** The longest line of a reason. */
const REASON_LENGTH = 200

/** The lines of a run's end; the last one is for programs. */
export function closingLines({ passed, skipped, failures }: Tally): string[] {
  const last = `${passed} passed, ${failures.length} failed`
  return [
    ...failures.map((failure) => `FAILED: ${failure}`),
    skipped === 0 ? last : `${last}, ${skipped} skipped`,
  ]
}

/** One line of a failure: `where`, and why. */
export function failureLine(where: string, error: { message?: string } | undefined): string {
  const reason = error?.message?.split('\n', 1)[0] ?? ''
  return `${where}: ${reason.slice(0, REASON_LENGTH)}`
}

export class ClosingLine implements Reporter {
  #tally: Tally | undefined

  onInit(): void {
    // On exit, because other reporters may still print after the run has ended.
    process.once('exit', () => {
      if (this.#tally === undefined) return
      process.stdout.write(`${closingLines(this.#tally).join('\n')}\n`)
    })
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    let passed = 0
    let skipped = 0
    const failures = unhandled.map((error) => failureLine('outside of a test', error))
    for (const module of modules) {
      const file = module.relativeModuleId
      for (const error of module.errors()) failures.push(failureLine(file, error))
      for (const suite of module.children.allSuites()) {
        for (const error of suite.errors()) {
          failures.push(failureLine(`${file} > ${suite.fullName}`, error))
        }
      }
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result()
        if (state === 'passed') passed++
        else if (state === 'skipped') skipped++
        else failures.push(failureLine(`${file} > ${test.fullName}`, errors?.[0]))
      }
    }
    this.#tally = { passed, skipped, failures }
  }
}

// Lets abstract-level's own suite, written for tape, run under vitest; counts its assertions.
import { isDeepStrictEqual } from 'node:util'
import { it } from 'vitest'

interface Tape {
  plan(count: number): void
  end(): void
  [method: string]: (...given: never[]) => void
}

export interface TapeCount {
  assertions: number
  readonly test: (name: string, run: (tape: Tape) => unknown) => void
}

export function tapeShim(): TapeCount {
  const count: TapeCount = {
    assertions: 0,
    test: (name, run) => it(name, () => runTest(run, () => count.assertions++)),
  }
  return count
}

/** Ends when the promise has settled and the plan is met, or at the first failure. */
function runTest(run: (tape: Tape) => unknown, counted: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let planned = -1
    let seen = 0
    let returned = false
    let ended = false
    let isAsync = false
    const check = (ok: boolean, text: unknown, ...values: unknown[]): void => {
      counted()
      seen++
      if (!ok) {
        const shown = values.map((value) => JSON.stringify(value)).join(' against ')
        reject(new Error(`${String(text ?? 'assertion failed')}: ${shown}`))
      }
      finish()
    }
    const finish = (): void => {
      if (planned >= 0 && seen > planned) {
        reject(new Error(`more assertions than planned (${planned})`))
      }
      const met = planned >= 0 ? seen === planned : ended || isAsync
      if (returned && met) resolve()
    }
    const attempt = (body: () => unknown): unknown => {
      try {
        body()
      } catch (error) {
        return error
      }
      return undefined
    }
    const tape = {
      is: (a: unknown, b: unknown, text?: string) => check(Object.is(a, b), text, a, b),
      isNot: (a: unknown, b: unknown, text?: string) => check(!Object.is(a, b), text, a, b),
      same: (a: unknown, b: unknown, text?: string) => check(isDeepStrictEqual(a, b), text, a, b),
      ok: (value: unknown, text?: string) => check(Boolean(value), text, value),
      pass: (text?: string) => check(true, text),
      fail: (text?: string) => check(false, text),
      throws(body: () => unknown, matches?: (error: unknown) => boolean) {
        const error = attempt(body)
        check(error !== undefined && (matches?.(error) ?? true), 'throws', error)
      },
      doesNotThrow: (body: () => unknown) => check(attempt(body) === undefined, 'does not throw'),
      plan(assertions: number) {
        planned = assertions
      },
      end() {
        ended = true
        finish()
      },
    }
    const result = run(tape as unknown as Tape)
    isAsync = result instanceof Promise
    Promise.resolve(result).then(() => {
      returned = true
      finish()
    }, reject)
  })
}

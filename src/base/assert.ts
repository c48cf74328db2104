// Assertions that stay on in production. A failure is a bug of ours, never of the caller.
import { SettError } from './errors.ts'

export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) {
    throw new SettError('SETT_INTERNAL', `Internal check failed: ${what}. Please report this.`)
  }
}

/** For exhaustive switches: reaching it is a bug. */
export function unreachable(value: never, what: string): never {
  throw new SettError('SETT_INTERNAL', `Internal check failed: ${what} ${String(value)}.`)
}

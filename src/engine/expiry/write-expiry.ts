// From times to live to moments of expiry: once per commit, so that what is written together expires together. Main
// thread.
import { SettError } from '../../base/errors.ts'
import type { ReadTime } from '../../mvcc/read-time.ts'
import type { WriteOperation } from '../types.ts'

/** When something written now expires; `ttl` is whole and above 0. Throws SETT_INVALID_OPTION. */
export function expiryOf(ttl: number, now: number): number {
  const expiresAt = now + ttl
  if (expiresAt <= Number.MAX_SAFE_INTEGER) return expiresAt
  throw new SettError(
    'SETT_INVALID_OPTION',
    "Write option 'ttl' must be a positive number of milliseconds that ends before 2^53 ms since 1970. " +
      'Leave it out for what never expires.',
  )
}

/** When each operation's entry expires, 0: never; `ttl` is for puts that have none of their own. undefined: none
 * does. */
export function expiriesOf(
  operations: readonly WriteOperation[],
  ttl: number | undefined,
  time: ReadTime,
): readonly number[] | undefined {
  if (ttl === undefined && operations.every((operation) => operation.ttl === undefined)) {
    return undefined
  }
  const now = time.now()
  return operations.map((operation) => {
    const own = operation.ttl ?? ttl
    return operation.type === 'del' || own === undefined ? 0 : expiryOf(own, now)
  })
}

// Closing with a limit: after it the caller is told what closing still waits for. Closing itself goes on.
import { systemClock } from '../../base/clock.ts'
import { SettError } from '../../base/errors.ts'

export interface CloseOptions {
  /** Ms after which close() fails with SETT_BUSY, while closing goes on; default: it waits for ever. */
  readonly timeout?: number | undefined
}

const TIMEOUT_MAX = 2 ** 31 - 1

/** The limit in ms; undefined: none. Throws SETT_INVALID_OPTION. */
export function closeTimeout(given: CloseOptions | undefined): number | undefined {
  // Of the object itself only.
  const { timeout }: CloseOptions = Object.assign(Object.create(null), given)
  if (timeout === undefined) return undefined
  if (Number.isInteger(timeout) && timeout >= 0 && timeout <= TIMEOUT_MAX) return timeout
  throw new SettError(
    'SETT_INVALID_OPTION',
    `Option 'timeout' of close() must be a whole number of ms from 0 to ${TIMEOUT_MAX}.`,
  )
}

/** Resolves as `closing` does, or rejects with SETT_BUSY after so many ms, naming what is under way. */
export async function closedWithin(
  closing: Promise<void>,
  timeoutMs: number,
  underWay: () => readonly string[],
): Promise<void> {
  let expire: ((error: SettError) => void) | undefined
  const expired = new Promise<never>((_, reject) => {
    expire = reject
  })
  const timer = systemClock.after(timeoutMs, () => {
    const doing = underWay()
    const what = doing.length > 0 ? ` It waits for ${doing.join(', ')}.` : ''
    expire?.(
      new SettError(
        'SETT_BUSY',
        `close() has not ended after ${timeoutMs} ms.${what} Closing goes on: await close() again, or end ` +
          'the process, after which the next open recovers everything acknowledged.',
      ),
    )
  })
  try {
    await Promise.race([closing, expired])
  } finally {
    timer.cancel()
  }
}

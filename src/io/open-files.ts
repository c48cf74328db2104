// What those who keep files open share: which one goes first, and what to do when the process has no descriptor left.

/** An open file as its keeper counts its uses. */
export interface KeptOpen {
  /** Users; not closed while there are any. */
  readonly pins: number
  /** The keeper's tick of the last use. */
  readonly lastUse: number
}

/** The one nobody uses whose last use is longest ago. */
export function leastRecentlyUsed<T extends KeptOpen>(kept: Iterable<T>): T | undefined {
  let oldest: T | undefined
  for (const one of kept) {
    if (one.pins > 0) continue
    if (oldest === undefined || one.lastUse < oldest.lastUse) oldest = one
  }
  return oldest
}

/** A process that has no descriptor left closes what is idle, and tries once more. `closeIdle` is false when nothing
 * was. */
export function withDescriptors<T>(open: () => T, closeIdle: () => boolean): T {
  try {
    return open()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if ((code !== 'EMFILE' && code !== 'ENFILE') || !closeIdle()) throw error
    return open()
  }
}

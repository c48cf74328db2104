// A range of user keys. Absent = unbounded on that side.

export interface Bound {
  readonly key: Uint8Array
  readonly inclusive: boolean
}

export interface Bounds {
  readonly lower?: Bound
  readonly upper?: Bound
}

/** True when a key lies in the range. */
export function inBounds(key: Uint8Array, { lower, upper }: Bounds): boolean {
  if (lower !== undefined) {
    const order = Buffer.compare(key, lower.key)
    if (order < 0 || (order === 0 && !lower.inclusive)) return false
  }
  if (upper !== undefined) {
    const order = Buffer.compare(key, upper.key)
    if (order > 0 || (order === 0 && !upper.inclusive)) return false
  }
  return true
}

/** True when a run with these first and last keys may hold keys of the range. */
export function mayOverlap(
  smallest: Uint8Array,
  largest: Uint8Array,
  { lower, upper }: Bounds,
): boolean {
  if (lower !== undefined) {
    const order = Buffer.compare(largest, lower.key)
    if (order < 0 || (order === 0 && !lower.inclusive)) return false
  }
  if (upper !== undefined) {
    const order = Buffer.compare(smallest, upper.key)
    if (order > 0 || (order === 0 && !upper.inclusive)) return false
  }
  return true
}

/** True when no key can lie in the range. */
export function isEmptyRange({ lower, upper }: Bounds): boolean {
  if (lower === undefined || upper === undefined) return false
  const order = Buffer.compare(lower.key, upper.key)
  return order > 0 || (order === 0 && !(lower.inclusive && upper.inclusive))
}

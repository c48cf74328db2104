// What readers that last see: versions, and the times they began. Main thread. Jobs keep what any of them can see.
// Invariant: a reader is listed exactly as long as its pin is held.

/** What a reader sees: commits up to a version, and of these what expires after a time. */
export interface ReadPoint {
  readonly version: number
  /** ms since 1970 */
  readonly now: number
}

export interface PinnedPoint extends ReadPoint {
  /** Idempotent. */
  release(): void
}

/** What jobs must keep readable, as plain data. */
export interface Readers {
  /** Versions, distinct and ascending, at least one. */
  readonly snapshots: readonly number[]
  /** For each of them: whoever reads at it or at a newer one sees only what expires after this time, in ms since 1970.
   * Ascending. */
  readonly horizons: readonly number[]
}

export class Pins {
  readonly #held = new Set<ReadPoint>()

  /** Pins held, not distinct versions. */
  get count(): number {
    return this.#held.size
  }

  /** The oldest pinned version, or undefined. */
  get oldest(): number | undefined {
    let oldest: number | undefined
    for (const { version } of this.#held) {
      if (oldest === undefined || version < oldest) oldest = version
    }
    return oldest
  }

  pin({ version, now }: ReadPoint): PinnedPoint {
    const point = { version, now, release: () => void this.#held.delete(point) }
    this.#held.add(point)
    return point
  }

  /** The pinned points, and the newest one, which every reader to come begins at or after. */
  readers(newest: ReadPoint): Readers {
    const earliest = new Map([[newest.version, newest.now]])
    for (const { version, now } of this.#held) {
      earliest.set(version, Math.min(now, earliest.get(version) ?? now))
    }
    const snapshots = [...earliest.keys()].sort((a, b) => a - b)
    let horizon = Number.MAX_SAFE_INTEGER
    const horizons = snapshots.map(() => 0)
    for (let i = snapshots.length - 1; i >= 0; i--) {
      horizon = Math.min(horizon, earliest.get(snapshots[i]!)!)
      horizons[i] = horizon
    }
    return { snapshots, horizons }
  }
}

/** Up to when everything is expired for all who could see anything of at least this version; -1: nothing is, for only
 * readers to come will see it. */
export function horizonOf({ snapshots, horizons }: Readers, smallestVersion: number): number {
  const first = snapshots.findIndex((version) => version >= smallestVersion)
  return first < 0 ? -1 : horizons[first]!
}

// Which read versions are in use, counted. Main thread. Jobs keep what any of them can see.
// Invariant: a version is listed exactly as long as one of its pins is held.

export interface PinnedVersion {
  readonly version: number
  /** Idempotent. */
  release(): void
}

export class Pins {
  readonly #counts = new Map<number, number>()
  /** Distinct pinned versions, ascending; rebuilt when one comes or goes. */
  #sorted: readonly number[] | undefined = []

  /** Pins held, not distinct versions. */
  get count(): number {
    let count = 0
    for (const held of this.#counts.values()) count += held
    return count
  }

  /** The oldest pinned version, or undefined. */
  get oldest(): number | undefined {
    return this.#versions()[0]
  }

  pin(version: number): PinnedVersion {
    const held = this.#counts.get(version) ?? 0
    this.#counts.set(version, held + 1)
    if (held === 0) this.#sorted = undefined
    let released = false
    return {
      version,
      release: () => {
        if (released) return
        released = true
        this.#drop(version)
      },
    }
  }

  /**
   * What a job must keep readable: the pinned versions and the newest visible one, distinct and
   * ascending.
   */
  snapshots(visibleVersion: number): readonly number[] {
    const pinned = this.#versions()
    const newest = pinned.at(-1)
    if (newest === undefined || newest < visibleVersion) return [...pinned, visibleVersion]
    const below = pinned.filter((version) => version < visibleVersion)
    const above = pinned.filter((version) => version > visibleVersion)
    return [...below, visibleVersion, ...above]
  }

  #versions(): readonly number[] {
    this.#sorted ??= [...this.#counts.keys()].sort((a, b) => a - b)
    return this.#sorted
  }

  #drop(version: number): void {
    const held = this.#counts.get(version) ?? 0
    if (held > 1) this.#counts.set(version, held - 1)
    else {
      this.#counts.delete(version)
      this.#sorted = undefined
    }
  }
}

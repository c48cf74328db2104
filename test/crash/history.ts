// The oracle: what each commit made of the database, when it was handed over, and what was promised about it. Never
// looks at files. Moments are places in the log of the file system: a cut at n happened before step n.
import type { WriteOperation } from '../../src/engine/types.ts'

/** What is given a shorter time to live has expired by the time anybody looks: see Session. In ms. */
export const LASTING_MS = 1e14

export type Content = ReadonlyMap<string, string>

/** 'kill': it survives the end of the process. 'power': it survives that of the machine, too. */
export type Safety = 'kill' | 'power'

interface Promised {
  readonly commit: number
  readonly at: number
  readonly safety: Safety
}

/** Commits that may be the newest one found. */
export interface Bounds {
  readonly least: number
  readonly most: number
}

export class History {
  /** After commit n, at index n. */
  readonly #contents: Content[] = [new Map()]
  /** When commit n was handed to the engine, at index n. */
  readonly #handed: number[] = [-1]
  #promises: Promised[] = []

  get last(): number {
    return this.#contents.length - 1
  }

  content(commit: number): Content {
    return this.#contents[commit]!
  }

  /** A commit is about to be handed over; returns its number. */
  hand(operations: readonly WriteOperation[], at: number): number {
    const content = new Map(this.#contents.at(-1))
    for (const { type, key, value, ttl = LASTING_MS } of operations) {
      if (type === 'del' || ttl < LASTING_MS) content.delete(key as string)
      else content.set(key as string, value as string)
    }
    this.#contents.push(content)
    this.#handed.push(at)
    return this.last
  }

  promise(commit: number, safety: Safety, at: number): void {
    this.#promises.push({ commit, safety, at })
  }

  /** What may be found after a cut. */
  bounds(cut: number, danger: Safety): Bounds {
    const least = this.#promises.reduce((most, { commit, at, safety }) => {
      const holds = at <= cut && (danger === 'kill' || safety === 'power')
      return holds ? Math.max(most, commit) : most
    }, 0)
    return { least, most: this.#handed.findLastIndex((at) => at < cut) }
  }

  /** The history after a recovery that found this commit: what came later never was. `cut`: where a kill ended the
   * log of the file system, which goes on from there; undefined if it begins anew. */
  after(found: number, cut: number | undefined): History {
    const next = new History()
    next.#contents.splice(0, 1, ...this.#contents.slice(0, found + 1))
    const handed = this.#handed.slice(0, found + 1)
    next.#handed.splice(0, 1, ...handed.map((at) => (cut === undefined ? -1 : at)))
    if (cut !== undefined) {
      // A commit that was found may have been acked behind the cut only, by a sync that this process never came to:
      // nobody was told.
      next.#promises = this.#promises.filter(({ commit, at }) => commit <= found && at <= cut)
    }
    return next
  }
}

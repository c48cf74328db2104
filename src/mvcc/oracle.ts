// Gives out commit versions and says which are visible. Main thread. Invariant: visibleVersion only
// grows, and every commit at or below it is linked into a memtable or was rejected.
import { assert } from '../base/assert.ts'
import { SettError } from '../base/errors.ts'
import { VERSION_MAX } from '../base/limits.ts'

export class Oracle {
  #given: number
  #visible: number

  /** `lastVersion`: the highest version any file names. */
  constructor(lastVersion: number) {
    this.#given = lastVersion
    this.#visible = lastVersion
  }

  /** The highest version given out. */
  get lastVersion(): number {
    return this.#given
  }

  /** The newest version a read may ask for. */
  get visibleVersion(): number {
    return this.#visible
  }

  /** A version for the next commit, above all others; a commit that fails leaves a gap. */
  next(): number {
    if (this.#given >= VERSION_MAX) {
      throw new SettError(
        'SETT_TOO_LARGE',
        'No version is left. Copy the data into a new database.',
      )
    }
    this.#given += 1
    return this.#given
  }

  /** Everything up to `version` is linked or rejected; callers come in commit order. */
  publish(version: number): void {
    assert(version <= this.#given, 'only versions that were given out become visible')
    assert(version >= this.#visible, 'versions become visible in order')
    this.#visible = version
  }
}

// Which values leave the tree under `valueThreshold: 'auto'`: found from the sizes that flushes saw. Main thread.
import { KIB } from '../../base/limits.ts'

/** So much of what is written is to lie in segments. */
const SHARE = 0.8
/** Powers of two between which the threshold lies: 512 B and 64 KiB. */
const EXPONENT_MIN = 9
const EXPONENT_MAX = 16
/** While nothing is known, and when short values hold too much. */
const FALLBACK = KIB
/** What the flushes before count for beside the next one: about the last eight decide. */
const DECAY = 7 / 8

/** The largest power of two from 512 B to 64 KiB such that values of so many bytes or more hold 80 % of all bytes; 1
 * KiB if there is none. `bytesBySize`: bytes of the values of 2^i bytes or more, but less than 2^(i + 1), at i. */
export function autoThreshold(bytesBySize: readonly number[]): number {
  const all = bytesBySize.reduce((sum, bytes) => sum + bytes, 0)
  if (all === 0) return FALLBACK
  const longer = (exponent: number): number =>
    bytesBySize.slice(exponent).reduce((sum, bytes) => sum + bytes, 0)
  for (let exponent = EXPONENT_MAX; exponent >= EXPONENT_MIN; exponent--) {
    if (longer(exponent) >= SHARE * all) return 2 ** exponent
  }
  return FALLBACK
}

/** What flushes lately wrote, by size. */
export class WrittenSizes {
  readonly #wanted: () => boolean
  #bytesBySize: readonly number[] = []

  constructor(wanted: () => boolean = () => false) {
    this.#wanted = wanted
  }

  /** Somebody goes by them: flushes are to count. */
  get wanted(): boolean {
    return this.#wanted()
  }

  /** As autoThreshold has it, of one flush. */
  add(bytesBySize: readonly number[]): void {
    const before = this.#bytesBySize
    const length = Math.max(before.length, bytesBySize.length)
    this.#bytesBySize = Array.from(
      { length },
      (_, i) => DECAY * (before[i] ?? 0) + (bytesBySize[i] ?? 0),
    )
  }

  get threshold(): number {
    return autoThreshold(this.#bytesBySize)
  }
}

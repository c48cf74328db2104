// How many bits a filter needs for a false positive rate. A key's bits lie in one 64-byte block (FORMAT §6.3), and
// blocks fill unevenly (Poisson), so it takes some more bits than the textbook filter.

const BLOCK_BITS = 512
const BITS_PER_KEY_MIN = 4
const BITS_PER_KEY_MAX = 40
const K_MAX = 16
/** Terms that change no rate anybody asks for. */
const NEGLIGIBLE = 1e-18

export interface FilterShape {
  readonly bitsPerKey: number
  /** Bits set per key. */
  readonly k: number
}

/** Expected false positive rate of a blocked filter. */
export function blockedFilterRate({ bitsPerKey, k }: FilterShape): number {
  const mean = BLOCK_BITS / bitsPerKey
  // Every open asks for some thirty shapes, so what can be carried on from term to term is.
  const emptier = (1 - 1 / BLOCK_BITS) ** k
  const last = Math.ceil(mean + 12 * Math.sqrt(mean) + 12)
  let rate = 0
  /** Poisson probability of a block with i keys, and the share of its bits that are not set. */
  let probability = Math.exp(-mean)
  let empty = 1
  for (let i = 0; i <= last; i++) {
    if (probability > NEGLIGIBLE) rate += probability * (1 - empty) ** k
    probability *= mean / (i + 1)
    empty *= emptier
  }
  return rate
}

/** The smallest filter whose expected rate is not above the wanted one. */
export function filterShape(falsePositiveRate: number): FilterShape {
  // In quarter bits; more bits never err more often.
  let low = 4 * BITS_PER_KEY_MIN
  let high = 4 * BITS_PER_KEY_MAX
  while (low < high) {
    const middle = (low + high) >>> 1
    if (blockedFilterRate(bestShape(middle / 4)) <= falsePositiveRate) high = middle
    else low = middle + 1
  }
  return bestShape(low / 4)
}

/** The best k lies at or somewhat below that of the textbook filter. */
function bestShape(bitsPerKey: number): FilterShape {
  let best: FilterShape = { bitsPerKey, k: Math.min(K_MAX, Math.round(bitsPerKey * Math.LN2) + 1) }
  let lowest = blockedFilterRate(best)
  for (let k = best.k - 1; k >= 1; k--) {
    const rate = blockedFilterRate({ bitsPerKey, k })
    if (rate >= lowest) break
    lowest = rate
    best = { bitsPerKey, k }
  }
  return best
}

/** Filter blocks for that many keys, at least one. */
export function filterBlocks(shape: FilterShape, keys: number): number {
  return Math.max(1, Math.ceil((keys * shape.bitsPerKey) / BLOCK_BITS))
}

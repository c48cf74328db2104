// The bench's source of numbers, the same for every engine and in the driver written in Go.

/** Small mixing generator; one 32-bit word per call. */
export function words(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let word = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    word = Math.imul(word ^ (word >>> 15), 0x735a2d97)
    return (word ^ (word >>> 15)) >>> 0
  }
}

/** `count` indexes below `below`, with repetition. */
export function randomIndexes(count: number, below: number, seed: number): Uint32Array {
  const next = words(seed)
  const indexes = new Uint32Array(count)
  for (let at = 0; at < count; at++) indexes[at] = next() % below
  return indexes
}

/** 0 … count − 1, each once, in an order that depends on the seed alone (Fisher and Yates). */
export function shuffled(count: number, seed: number): Uint32Array {
  const next = words(seed)
  const order = new Uint32Array(count)
  for (let at = 0; at < count; at++) order[at] = at
  for (let at = count - 1; at > 0; at--) {
    const other = next() % (at + 1)
    const kept = order[at]!
    order[at] = order[other]!
    order[other] = kept
  }
  return order
}

// Decodes an LZ4 block in ordinary buffers: for blocks the heap has no room for. The kernel does the same many times
// faster. Any bytes give the exact length or undefined. No IO.

const MIN_MATCH = 4

/** The payload, of exactly `length` bytes, or undefined when the block does not hold that. */
export function decodeLz4(block: Uint8Array, length: number): Buffer | undefined {
  const payload = Buffer.alloc(length)
  let at = 0
  let out = 0
  const extended = (half: number): number => {
    let count = half
    let part = half === 15 ? 255 : 0
    while (part === 255) {
      part = block[at++] ?? Number.NaN
      count += part
    }
    return count
  }
  while (at < block.length) {
    const token = block[at++] as number
    const literals = extended(token >>> 4)
    if (!(literals <= block.length - at && literals <= length - out)) return undefined
    payload.set(block.subarray(at, at + literals), out)
    at += literals
    out += literals
    if (at === block.length) return out === length ? payload : undefined
    if (block.length - at < 2) return undefined
    const offset = (block[at] as number) | ((block[at + 1] as number) << 8)
    at += 2
    const matched = extended(token & 15) + MIN_MATCH
    if (offset === 0 || offset > out || !(matched <= length - out)) return undefined
    for (const end = out + matched; out < end; out++) payload[out] = payload[out - offset] as number
  }
  return undefined
}

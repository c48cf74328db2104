// Blocked bloom filter (FORMAT §6.3): all bits of a key lie in one 64-byte block, one cache line.
import { FILTER_HEADER } from './layout'

const MULTIPLIER: u32 = 0x9e3779b1

/** Address of the filter block a hash falls into; `blocks` > 0. */
@inline
function blockOf(filter: usize, hash: u64, blocks: u32): usize {
  return filter + FILTER_HEADER + <usize>(((hash >> 32) * <u64>blocks) >> 32) * 64
}

export function filterBuild(
  hashes: usize,
  count: u32,
  k: u32,
  blockCount: u32,
  out: usize,
): void {
  memory.fill(out, 0, FILTER_HEADER + blockCount * 64)
  store<u32>(out, k)
  store<u32>(out, blockCount, 4)
  store<u64>(out, <u64>count, 8)
  if (blockCount == 0) return
  for (let i: u32 = 0; i < count; i++) {
    const hash = load<u64>(hashes + <usize>i * 8)
    const block = blockOf(out, hash, blockCount)
    let g = <u32>hash
    for (let j: u32 = 0; j < k; j++) {
      g *= MULTIPLIER
      const word = block + ((g >> 26) & 0x3c)
      store<u32>(word, load<u32>(word) | (<u32>1 << ((g >> 23) & 31)))
    }
  }
}

export function filterProbe(filter: usize, hash: usize): u32 {
  const blocks = load<u32>(filter, 4)
  if (blocks == 0) return 1
  const k = load<u32>(filter)
  const h = load<u64>(hash)
  const block = blockOf(filter, h, blocks)
  let g = <u32>h
  for (let j: u32 = 0; j < k; j++) {
    g *= MULTIPLIER
    const word = load<u32>(block + ((g >> 26) & 0x3c))
    if (((word >> ((g >> 23) & 31)) & 1) == 0) return 0
  }
  return 1
}

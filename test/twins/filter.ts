// Twin of the filter kernels (FORMAT §6.3), bit by bit.
import type { Kernels } from '../../src/kernel/kernels.ts'
import { FILTER_HEADER } from '../../src/kernel/layout.ts'

/** Byte offset and mask of each bit a hash sets. */
function bitsOf(hash: bigint, k: number, blockCount: number): { byte: number; mask: number }[] {
  const block = Number(((hash >> 32n) * BigInt(blockCount)) >> 32n)
  const bits = []
  let g = Number(hash & 0xffff_ffffn)
  for (let i = 0; i < k; i++) {
    g = Math.imul(g, 0x9e3779b1) >>> 0
    const bit = g >>> 23
    bits.push({ byte: FILTER_HEADER + block * 64 + (bit >> 3), mask: 1 << (bit & 7) })
  }
  return bits
}

export type FilterKernels = Pick<Kernels, 'filterBuild' | 'filterProbe'>

export function filterTwin(memory: WebAssembly.Memory): FilterKernels {
  const bytes = Buffer.from(memory.buffer)
  return {
    filterBuild(hashes, count, k, blockCount, out) {
      bytes.fill(0, out, out + FILTER_HEADER + blockCount * 64)
      bytes.writeUInt32LE(k, out)
      bytes.writeUInt32LE(blockCount, out + 4)
      bytes.writeBigUInt64LE(BigInt(count), out + 8)
      if (blockCount === 0) return
      for (let i = 0; i < count; i++) {
        const hash = bytes.readBigUInt64LE(hashes + 8 * i)
        for (const { byte, mask } of bitsOf(hash, k, blockCount)) {
          bytes[out + byte] = bytes[out + byte]! | mask
        }
      }
    },
    filterProbe(filter, hash) {
      const k = bytes.readUInt32LE(filter)
      const blockCount = bytes.readUInt32LE(filter + 4)
      if (blockCount === 0) return 1
      const bits = bitsOf(bytes.readBigUInt64LE(hash), k, blockCount)
      return bits.every(({ byte, mask }) => (bytes[filter + byte]! & mask) !== 0) ? 1 : 0
    },
  }
}

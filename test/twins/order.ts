// Twin of the order kernel: keys as Buffer.compare has them, then versions, newest first.
import type { Kernels } from '../../src/kernel/kernels.ts'
import { DESC_KEY, DESC_KEY_LENGTH, DESC_SIZE, DESC_VERSION } from '../../src/kernel/layout.ts'

export function orderTwin(memory: WebAssembly.Memory): Pick<Kernels, 'entriesAscend'> {
  const bytes = Buffer.from(memory.buffer)
  const keyOf = (at: number): Buffer => {
    const key = bytes.readUInt32LE(at + DESC_KEY)
    return bytes.subarray(key, key + bytes.readUInt32LE(at + DESC_KEY_LENGTH))
  }
  const comesBefore = (a: number, b: number): boolean => {
    const order = Buffer.compare(keyOf(a), keyOf(b))
    if (order !== 0) return order < 0
    return bytes.readBigUInt64LE(a + DESC_VERSION) > bytes.readBigUInt64LE(b + DESC_VERSION)
  }
  return {
    entriesAscend(first, count) {
      for (let i = 1; i < count; i++) {
        if (!comesBefore(first + (i - 1) * DESC_SIZE, first + i * DESC_SIZE)) return 0
      }
      return 1
    },
  }
}

// Twin of the kernel that moves bytes.
import type { Kernels } from '../../src/kernel/kernels.ts'

export function bytesTwin(memory: WebAssembly.Memory): Pick<Kernels, 'moveBytes'> {
  const bytes = Buffer.from(memory.buffer)
  return {
    moveBytes(target, source, length) {
      bytes.copyWithin(target, source, source + length)
    },
  }
}

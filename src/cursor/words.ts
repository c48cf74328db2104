// Numbers in the shared heap. Addresses are byte addresses, 4-aligned; u64 fields stay below 2^53.
import type { Kernels } from '../kernel/kernels.ts'
import type { SharedHeap } from '../memory/shared-heap.ts'

/** The memory and the kernels over it: what every cursor, reader and writer works with. */
export interface KernelHeap {
  readonly heap: SharedHeap
  readonly kernels: Kernels
}

export function loadU32(u32: Uint32Array, address: number): number {
  return u32[address >>> 2] as number
}

export function storeU32(u32: Uint32Array, address: number, value: number): void {
  u32[address >>> 2] = value
}

export function loadU64(u32: Uint32Array, address: number): number {
  const at = address >>> 2
  return (u32[at + 1] as number) * 4_294_967_296 + (u32[at] as number)
}

export function storeU64(u32: Uint32Array, address: number, value: number): void {
  const at = address >>> 2
  u32[at] = value % 4_294_967_296
  u32[at + 1] = Math.floor(value / 4_294_967_296)
}

// Twin of the fence kernels (FORMAT §6.2): one walk over the whole index, comparing whole keys.
import type { Kernels } from '../../src/kernel/kernels.ts'
import { BLOCK_TRAILER } from '../../src/kernel/layout.ts'

interface Fence {
  readonly first: Buffer
  readonly last: Buffer
  readonly offset: bigint
  readonly length: number
  readonly prefix: bigint
  /** undefined: the index has none. */
  readonly payload: number | undefined
}

const alignUp = (value: number) => Math.ceil(value / 8) * 8

/** The fences of an index payload, or undefined when its tables do not fit together. */
function readFences(index: Buffer): Fence[] | undefined {
  if (index.length < 16) return undefined
  const n = index.readUInt32LE(0)
  const tableEnd = 16 + 20 * n + 4 * (2 * n + 1)
  const keysAt = alignUp(tableEnd)
  const flags = index.readUInt32LE(12)
  const keysEnd = keysAt + index.readUInt32LE(4)
  const payloadsAt = Math.ceil(keysEnd / 4) * 4
  if (flags > 1) return undefined
  if (index.length !== (flags === 0 ? keysEnd : payloadsAt + 4 * n)) return undefined
  if (flags === 1 && index.subarray(keysEnd, payloadsAt).some((byte) => byte !== 0))
    return undefined
  if (index.subarray(tableEnd, keysAt).some((byte) => byte !== 0)) return undefined
  const boundary = (i: number) => index.readUInt32LE(16 + 20 * n + 4 * i)
  if (boundary(0) !== 0 || keysAt + boundary(2 * n) !== keysEnd) return undefined
  const keys: Buffer[] = []
  for (let i = 0; i < 2 * n; i++) {
    const length = boundary(i + 1) - boundary(i)
    if (length < 0 || length > 65_535) return undefined
    if (boundary(i + 1) > keysEnd - keysAt) return undefined
    keys.push(index.subarray(keysAt + boundary(i), keysAt + boundary(i + 1)))
  }
  return Array.from({ length: n }, (_, i) => ({
    first: keys[2 * i]!,
    last: keys[2 * i + 1]!,
    offset: index.readBigUInt64LE(16 + 8 * n + 8 * i),
    length: index.readUInt32LE(16 + 16 * n + 4 * i),
    prefix: index.readBigUInt64LE(16 + 8 * i),
    payload: flags === 1 ? index.readUInt32LE(payloadsAt + 4 * i) : undefined,
  }))
}

export function sharedLength(a: Buffer, b: Buffer): number {
  let at = 0
  while (at < a.length && at < b.length && a[at] === b[at]) at++
  return at
}

export function fencePrefix(key: Buffer, common: number): bigint {
  const padded = Buffer.alloc(8)
  key.copy(padded, 0, common, Math.min(key.length, common + 8))
  return padded.readBigUInt64BE()
}

/** Stored as it is, or compressed by an eighth at least. */
function payloadFits(stored: number, payload: number): boolean {
  return stored === payload || (payload <= 2 ** 20 && stored <= payload - Math.floor(payload / 8))
}

function wellFormed(index: Buffer, fileLimit: number): boolean {
  const fences = readFences(index)
  if (fences === undefined) return false
  const common = index.readUInt32LE(8)
  const lasts = fences.map((fence) => fence.last)
  const shared = lasts.reduce(
    (least, key) => Math.min(least, sharedLength(lasts[0]!, key)),
    2 ** 32,
  )
  if (common !== (fences.length === 0 ? 0 : shared)) return false
  let free = 64n
  let previous: Buffer | undefined
  for (const { first, last, offset, length, prefix, payload } of fences) {
    if (payload !== undefined && !payloadFits(length - BLOCK_TRAILER, payload)) return false
    if (offset < free || length <= BLOCK_TRAILER) return false
    free = offset + BigInt(length)
    if (free > BigInt(Math.floor(fileLimit))) return false
    if (previous !== undefined && Buffer.compare(previous, first) > 0) return false
    if (Buffer.compare(first, last) > 0) return false
    if (prefix !== fencePrefix(last, common)) return false
    previous = last
  }
  return true
}

export type FenceKernels = Pick<Kernels, 'fenceSearch' | 'fenceValidate'>

export function fenceTwin(memory: WebAssembly.Memory): FenceKernels {
  const bytes = Buffer.from(memory.buffer)
  return {
    fenceSearch(index, key, keyLength) {
      const n = bytes.readUInt32LE(index)
      const keysAt = alignUp(16 + 20 * n + 4 * (2 * n + 1))
      const keysEnd = keysAt + bytes.readUInt32LE(index + 4)
      const flags = bytes.readUInt32LE(index + 12)
      const end = flags === 0 ? keysEnd : Math.ceil(keysEnd / 4) * 4 + 4 * n
      const payload = bytes.subarray(index, index + end)
      const wanted = bytes.subarray(key, key + keyLength)
      const fences = readFences(payload) ?? []
      const i = fences.findIndex(({ last }) => Buffer.compare(last, wanted) >= 0)
      if (i < 0) return -(fences.length + 1)
      return Buffer.compare(fences[i]!.first, wanted) <= 0 ? i : -(i + 1)
    },
    fenceValidate(index, length, fileLimit) {
      return wellFormed(bytes.subarray(index, index + length), fileLimit) ? 1 : 0
    },
  }
}

// Twins of the LZ4 kernels: the block format as its page describes it, one byte at a time. The compressor makes the
// same choices as the kernel (one candidate per hash of five bytes, steps that grow where nothing is found), so that
// their outputs are equal; the decoder takes what any encoder made.
import type { Kernels } from '../../src/kernel/kernels.ts'

const MIN_MATCH = 4
const LAST_LITERALS = 5
const NO_MATCH_TAIL = 12
const OFFSET_MAX = 65_535
const HASH_PRIME = 889_523_592_379n
const MASK = 2n ** 64n - 1n

function hash(input: Buffer, at: number): number {
  const word = input.readBigUInt64LE(at)
  return Number(((((word << 24n) & MASK) * HASH_PRIME) & MASK) >> 52n)
}

function lengthBytes(count: number): number[] {
  const bytes: number[] = []
  let rest = count - 15
  for (; rest >= 255; rest -= 255) bytes.push(255)
  return [...bytes, rest]
}

interface Match {
  readonly from: number
  readonly to: number
  readonly length: number
}

/** Literals, then the match; none: the block's end. */
function sequence(literals: Buffer, match: Match | undefined): Buffer {
  const more = match === undefined ? 0 : match.length - MIN_MATCH
  const offset = match === undefined ? 0 : match.to - match.from
  return Buffer.concat([
    Buffer.from([(Math.min(15, literals.length) << 4) | Math.min(15, more)]),
    Buffer.from(literals.length >= 15 ? lengthBytes(literals.length) : []),
    literals,
    Buffer.from(match === undefined ? [] : [offset & 255, offset >> 8]),
    Buffer.from(more >= 15 ? lengthBytes(more) : []),
  ])
}

export function lz4EncodeTwin(input: Buffer): Buffer {
  const parts: Buffer[] = []
  const seen = new Map<number, number>()
  const lastStart = input.length - NO_MATCH_TAIL
  const matchEnd = input.length - LAST_LITERALS
  let anchor = 0
  let at = 0
  while (input.length > NO_MATCH_TAIL && at <= lastStart) {
    const match = findMatch()
    if (match === undefined) break
    parts.push(sequence(input.subarray(anchor, match.to), match))
    at = match.to + match.length
    anchor = at
    if (at <= lastStart) seen.set(hash(input, at - 2), at - 2)
  }
  parts.push(sequence(input.subarray(anchor), undefined))
  return Buffer.concat(parts)

  function findMatch(): Match | undefined {
    for (let tries = 32; at <= lastStart; at += tries >> 5, tries++) {
      const slot = hash(input, at)
      // An empty slot says position 0, as LZ4's own table does.
      const candidate = seen.get(slot) ?? 0
      seen.set(slot, at)
      if (at === 0 || at - candidate > OFFSET_MAX) continue
      if (input.readUInt32LE(candidate) === input.readUInt32LE(at)) return widen(candidate, at)
    }
    return undefined
  }

  function widen(candidate: number, position: number): Match {
    let from = candidate
    let to = position
    let end = position + MIN_MATCH
    while (end < matchEnd && input[end] === input[end - position + candidate]) end++
    while (to > anchor && from > 0 && input[to - 1] === input[from - 1]) {
      to--
      from--
    }
    return { from, to, length: end - to }
  }
}

/** What a block holds; undefined: it is none, or does not hold exactly so many bytes. */
export function lz4DecodeTwin(block: Uint8Array, length: number): Buffer | undefined {
  const out: number[] = []
  const rest = [...block]
  while (rest.length > 0) {
    const token = rest.shift() as number
    const literals = extended(rest, token >> 4)
    if (literals === undefined || literals > rest.length) return undefined
    out.push(...rest.splice(0, literals))
    if (out.length > length) return undefined
    if (rest.length === 0) return out.length === length ? Buffer.from(out) : undefined
    if (rest.length < 2) return undefined
    const offset = (rest.shift() as number) + 256 * (rest.shift() as number)
    const more = extended(rest, token & 15)
    if (more === undefined || offset === 0 || offset > out.length) return undefined
    if (out.length + more + MIN_MATCH > length) return undefined
    for (let i = 0; i < more + MIN_MATCH; i++) out.push(out[out.length - offset] as number)
  }
  return undefined
}

function extended(rest: number[], half: number): number | undefined {
  let count = half
  let part = half === 15 ? 255 : 0
  while (part === 255) {
    const next = rest.shift()
    if (next === undefined) return undefined
    part = next
    count += part
  }
  return count
}

export function lz4Twin(
  memory: WebAssembly.Memory,
): Pick<Kernels, 'lz4Compress' | 'lz4Decompress'> {
  const bytes = Buffer.from(memory.buffer)
  return {
    lz4Compress(source, length, target, capacity) {
      const packed = lz4EncodeTwin(bytes.subarray(source, source + length))
      if (packed.length > capacity) return 0
      packed.copy(bytes, target)
      return packed.length
    },
    lz4Decompress(source, length, target, payload) {
      const plain = lz4DecodeTwin(bytes.subarray(source, source + length), payload)
      plain?.copy(bytes, target)
      return plain === undefined ? 0 : 1
    },
  }
}

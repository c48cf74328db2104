// The index of a table: first and last key, offset and length of each data block (FORMAT §6.2). It is used
// in memory as it lies on disk; here are its layout, its encoder, and the block list for readers without
// a heap. No IO.
import { alignUp, writeSafeU64 } from '../base/bytes.ts'
import { PACKED_PAYLOAD_MAX } from '../base/limits.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import { FILE_HEADER_BYTES } from './file-header.ts'
import { packedMax } from './packed-form.ts'

const PREFIXES = 16

export function indexOffsets(blocks: number): number {
  return PREFIXES + 8 * blocks
}

export function indexLengths(blocks: number): number {
  return PREFIXES + 16 * blocks
}

export function indexBoundaries(blocks: number): number {
  return PREFIXES + 20 * blocks
}

export function indexKeys(blocks: number): number {
  return alignUp(PREFIXES + 20 * blocks + 4 * (2 * blocks + 1), 8)
}

/** Where the payload lengths lie, in an index that has them. */
export function indexPayloads(blocks: number, keyBytes: number): number {
  return alignUp(indexKeys(blocks) + keyBytes, 4)
}

/** Bytes of an index payload. */
export function indexBytes(blocks: number, keyBytes: number, withPayloads: boolean): number {
  return withPayloads ? indexPayloads(blocks, keyBytes) + 4 * blocks : indexKeys(blocks) + keyBytes
}

/** One data block, as the index lists it. */
export interface IndexEntry {
  readonly offset: number
  /** Stored, with trailer. */
  readonly length: number
  /** Payload length before compression; undefined: the block is stored as it is. */
  readonly payload?: number
  readonly firstKey: Uint8Array
  readonly lastKey: Uint8Array
}

/** The index payload of blocks in key order. */
export function encodeIndex(entries: readonly IndexEntry[]): Buffer {
  const blocks = entries.length
  let keyBytes = 0
  for (const { firstKey, lastKey } of entries) keyBytes += firstKey.length + lastKey.length
  const packed = entries.some((entry) => payloadOf(entry) !== entry.length - BLOCK_TRAILER)
  const payload = Buffer.alloc(indexBytes(blocks, keyBytes, packed))
  const payloads = indexPayloads(blocks, keyBytes)
  const common = commonLastPrefix(entries)
  const keys = indexKeys(blocks)
  const boundaries = indexBoundaries(blocks)
  let end = 0
  for (const [i, entry] of entries.entries()) {
    const { firstKey, lastKey } = entry
    // The prefix is stored as a number, little-endian: the key bytes, last first.
    const prefix = PREFIXES + 8 * i
    const shown = Math.min(8, lastKey.length - common)
    for (let b = 0; b < shown; b++) payload[prefix + 7 - b] = lastKey[common + b] as number
    writeSafeU64(payload, entry.offset, indexOffsets(blocks) + 8 * i)
    payload.writeUInt32LE(entry.length, indexLengths(blocks) + 4 * i)
    payload.set(firstKey, keys + end)
    end += firstKey.length
    payload.writeUInt32LE(end, boundaries + 8 * i + 4)
    payload.set(lastKey, keys + end)
    end += lastKey.length
    payload.writeUInt32LE(end, boundaries + 8 * i + 8)
    if (packed) payload.writeUInt32LE(payloadOf(entry), payloads + 4 * i)
  }
  payload.writeUInt32LE(blocks, 0)
  payload.writeUInt32LE(keyBytes, 4)
  payload.writeUInt32LE(common, 8)
  payload.writeUInt32LE(packed ? 1 : 0, 12)
  return payload
}

function payloadOf({ length, payload }: IndexEntry): number {
  return payload ?? length - BLOCK_TRAILER
}

/** Keys ascend, so what the outermost last keys share, all share. */
function commonLastPrefix(entries: readonly IndexEntry[]): number {
  const lowest = entries[0]?.lastKey
  const highest = entries.at(-1)?.lastKey
  if (lowest === undefined || highest === undefined) return 0
  const length = Math.min(lowest.length, highest.length)
  let i = 0
  while (i < length && lowest[i] === highest[i]) i++
  return i
}

/** The blocks of a table in plain arrays, and its outermost keys. */
export interface BlockList {
  readonly offsets: Float64Array
  /** Stored, with trailer. */
  readonly lengths: Uint32Array
  /** Payloads before compression. */
  readonly payloads: Uint32Array
  readonly smallestKey: Buffer
  readonly largestKey: Buffer
}

/** Outermost keys of one block of a well-formed index, as copies. */
export function blockKeys(
  payload: Buffer,
  block: number,
): { readonly first: Uint8Array; readonly last: Uint8Array } {
  const key = (i: number) => new Uint8Array(keyAt(payload, i))
  return { first: key(2 * block), last: key(2 * block + 1) }
}

/** First and last keys of the blocks of a well-formed index, in turn. */
function keyAt(payload: Buffer, i: number): Buffer {
  const blocks = payload.readUInt32LE(0)
  const boundaries = indexBoundaries(blocks) + 4 * i
  const keys = indexKeys(blocks)
  const end = keys + payload.readUInt32LE(boundaries + 4)
  return payload.subarray(keys + payload.readUInt32LE(boundaries), end)
}

/** First block of a well-formed index whose last key is the key or lies behind it; else the number of blocks. */
export function firstBlockFrom(payload: Buffer, key: Uint8Array): number {
  let low = 0
  let high = payload.readUInt32LE(0)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (Buffer.compare(keyAt(payload, 2 * middle + 1), key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** A key and the stored bytes of the entries that follow it, up to the next such key. */
export interface WeighedKey {
  readonly key: Uint8Array
  readonly bytes: number
}

/** A longer one is cut short: it then lies a little before the block it stands for. */
const WEIGHED_KEY_MAX = 1024

/** About `count` first keys of blocks of a well-formed index, the same bytes apart; fewer if there are fewer blocks. */
export function weighKeys(payload: Buffer, count: number): WeighedKey[] {
  const blocks = payload.readUInt32LE(0)
  const lengthAt = (block: number): number => payload.readUInt32LE(indexLengths(blocks) + 4 * block)
  let stored = 0
  for (let block = 0; block < blocks; block++) stored += lengthAt(block)
  const found: WeighedKey[] = []
  let from = 0
  let bytes = 0
  for (let block = 0; block < blocks; block++) {
    bytes += lengthAt(block)
    if (bytes * count < stored && block + 1 < blocks) continue
    found.push({
      key: new Uint8Array(keyAt(payload, 2 * from).subarray(0, WEIGHED_KEY_MAX)),
      bytes,
    })
    from = block + 1
    bytes = 0
  }
  return found
}

/** Reads the block list of a verified index payload; undefined when it is not well formed. */
export function decodeBlockList(payload: Buffer, fileLimit: number): BlockList | undefined {
  if (payload.length < PREFIXES) return undefined
  const blocks = payload.readUInt32LE(0)
  const keyBytes = payload.readUInt32LE(4)
  const packed = payload.readUInt32LE(12) === 1
  if (payload.readUInt32LE(12) > 1) return undefined
  if (blocks === 0 || payload.length !== indexBytes(blocks, keyBytes, packed)) return undefined
  const payloads = new Uint32Array(blocks)
  const payloadsAt = indexPayloads(blocks, keyBytes)
  const offsets = new Float64Array(blocks)
  const lengths = new Uint32Array(blocks)
  let end = FILE_HEADER_BYTES
  for (let i = 0; i < blocks; i++) {
    const at = indexOffsets(blocks) + 8 * i
    const offset = payload.readUInt32LE(at + 4) * 2 ** 32 + payload.readUInt32LE(at)
    const length = payload.readUInt32LE(indexLengths(blocks) + 4 * i)
    if (offset < end || length <= BLOCK_TRAILER || offset + length > fileLimit) return undefined
    offsets[i] = offset
    lengths[i] = length
    end = offset + length
    const stored = length - BLOCK_TRAILER
    const whole = packed ? payload.readUInt32LE(payloadsAt + 4 * i) : stored
    if (whole !== stored && !mayBePacked(stored, whole)) return undefined
    payloads[i] = whole
  }
  const boundary = (i: number) => payload.readUInt32LE(indexBoundaries(blocks) + 4 * i)
  const firstEnd = boundary(1)
  const lastStart = boundary(2 * blocks - 1)
  if (boundary(0) !== 0 || firstEnd > keyBytes || lastStart > keyBytes) return undefined
  if (boundary(2 * blocks) !== keyBytes) return undefined
  const keys = indexKeys(blocks)
  return {
    offsets,
    lengths,
    payloads,
    smallestKey: Buffer.from(payload.subarray(keys, keys + firstEnd)),
    largestKey: Buffer.from(payload.subarray(keys + lastStart, keys + keyBytes)),
  }
}

/** Whether a compressed block of so many bytes may have that payload. */
export function mayBePacked(stored: number, payload: number): boolean {
  return payload <= PACKED_PAYLOAD_MAX && stored <= packedMax(payload)
}

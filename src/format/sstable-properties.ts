// What a table says of itself (FORMAT §6.5). No IO.
import { readSafeU64, writeSafeU64 } from '../base/bytes.ts'
import { CorruptionError } from '../base/errors.ts'
import { EXPIRY_STEPS_MAX, RESTART_INTERVAL, SEGMENTS_PER_TABLE_MAX } from '../base/limits.ts'
import { CODEC_ZSTD } from './packed-form.ts'
import type { SegmentUse } from './segments/segment-meta.ts'
import { areExpirySteps, type ExpiryStep, STEP_FIELDS } from './table-meta.ts'

export interface TableProperties {
  readonly entries: number
  readonly tombstones: number
  readonly smallestVersion: number
  readonly largestVersion: number
  /** 0: none expires */
  readonly earliestExpiry: number
  /** 0: some entry never expires */
  readonly latestExpiry: number
  /** Before prefix compression. */
  readonly keyBytes: number
  readonly valueBytes: number
  readonly blockSize: number
  /** Length of the largest block, with trailer, before compression. */
  readonly largestBlock: number
  /** 0 unknown */
  readonly newestWal: number
  readonly blocks: number
  /** Codec of the blocks that are compressed; 0: none is. */
  readonly codec: number
  /** By number; empty: no value lies in a segment. */
  readonly segments: readonly SegmentUse[]
  /** By time; empty: nothing expires, or the table is from before it was counted. */
  readonly expiring: readonly ExpiryStep[]
}

export const PROPERTIES_BYTES = 104
const SEGMENT_BYTES = 16
const STEP_BYTES = 8 * STEP_FIELDS.length

export function encodeProperties(properties: TableProperties): Buffer {
  const { segments, expiring } = properties
  const steps = PROPERTIES_BYTES + SEGMENT_BYTES * segments.length
  const bytes = Buffer.alloc(steps + STEP_BYTES * expiring.length)
  const numbers = [
    properties.entries,
    properties.tombstones,
    properties.smallestVersion,
    properties.largestVersion,
    properties.earliestExpiry,
    properties.latestExpiry,
    properties.keyBytes,
    properties.valueBytes,
  ]
  for (const [i, value] of numbers.entries()) writeSafeU64(bytes, value, i * 8)
  bytes.writeUInt32LE(RESTART_INTERVAL, 64)
  bytes.writeUInt32LE(properties.blockSize, 68)
  writeSafeU64(bytes, properties.largestBlock, 72)
  writeSafeU64(bytes, properties.newestWal, 80)
  writeSafeU64(bytes, properties.blocks, 88)
  bytes.writeUInt32LE(segments.length, 96)
  bytes.writeUInt32LE(properties.codec, 100)
  for (const [i, { number, bytes: used }] of segments.entries()) {
    writeSafeU64(bytes, number, PROPERTIES_BYTES + SEGMENT_BYTES * i)
    writeSafeU64(bytes, used, PROPERTIES_BYTES + SEGMENT_BYTES * i + 8)
  }
  for (const [i, step] of expiring.entries()) {
    STEP_FIELDS.forEach((field, j) => {
      writeSafeU64(bytes, step[field], steps + STEP_BYTES * i + 8 * j)
    })
  }
  return bytes
}

/** `payload` is verified; `offset` is where it lies in `file`, for errors. */
export function decodeProperties(payload: Buffer, file: string, offset: number): TableProperties {
  const refuse = (at: number, expected: string, found: string): never => {
    throw new CorruptionError({ file, offset: offset + at, expected, found })
  }
  if (payload.length < PROPERTIES_BYTES) refuse(0, '104 bytes or more', `${payload.length}`)
  const count = payload.readUInt32LE(96)
  if (count > SEGMENTS_PER_TABLE_MAX) {
    refuse(96, `at most ${SEGMENTS_PER_TABLE_MAX} segments`, `${count}`)
  }
  const length = PROPERTIES_BYTES + SEGMENT_BYTES * count
  const steps = (payload.length - length) / STEP_BYTES
  if (!Number.isInteger(steps) || steps < 0 || steps > EXPIRY_STEPS_MAX) {
    refuse(96, `${length} bytes and steps of expiry`, `${payload.length}`)
  }
  if (payload.readUInt32LE(64) !== RESTART_INTERVAL) {
    refuse(64, `restart interval ${RESTART_INTERVAL}`, `${payload.readUInt32LE(64)}`)
  }
  const codec = payload.readUInt32LE(100)
  if (codec > CODEC_ZSTD) refuse(100, `a codec from 0 to ${CODEC_ZSTD}`, `${codec}`)
  const number = (at: number) => readSafeU64(payload, at, file)
  const segments = Array.from({ length: count }, (_, i) => {
    const at = PROPERTIES_BYTES + SEGMENT_BYTES * i
    return { number: number(at), bytes: number(at + 8) }
  })
  segments.forEach((use, i) => {
    const ascends = use.number > (segments[i - 1]?.number ?? 0)
    if (!ascends || use.bytes === 0) {
      refuse(PROPERTIES_BYTES + SEGMENT_BYTES * i, 'segments by number, each with bytes', 'others')
    }
  })
  const expiring = Array.from({ length: steps }, (_, i): ExpiryStep => {
    const at = length + STEP_BYTES * i
    const [until, entries, bytes, referred] = STEP_FIELDS.map((_field, j) => number(at + 8 * j))
    return { until: until!, entries: entries!, bytes: bytes!, referred: referred! }
  })
  if (!areExpirySteps(expiring)) refuse(length, 'steps of expiry by time', 'others')
  return {
    entries: number(0),
    tombstones: number(8),
    smallestVersion: number(16),
    largestVersion: number(24),
    earliestExpiry: number(32),
    latestExpiry: number(40),
    keyBytes: number(48),
    valueBytes: number(56),
    blockSize: payload.readUInt32LE(68),
    largestBlock: number(72),
    newestWal: number(80),
    blocks: number(88),
    codec,
    segments,
    expiring,
  }
}

// Twin of the segment writer: a whole segment as FORMAT §9 words it, one value after the other, with nothing of src/
// but XXH64. Given the same values, salt and number it must give the writer's bytes.
import { hash64 } from '../../src/base/xxh64.ts'
import { lz4EncodeTwin } from './lz4.ts'

export interface SegmentTwinValue {
  readonly key: Buffer
  readonly value: Buffer
}

export interface SegmentTwinSpec {
  readonly number: number
  readonly salt: Buffer
  readonly values: readonly SegmentTwinValue[]
  /** Codec and compressed form of a part's bytes, tried on each; undefined: stored as they are. */
  readonly pack?: (
    payload: Buffer,
  ) => { readonly codec: number; readonly stored: Buffer } | undefined
}

export interface SegmentTwinPlace {
  readonly offset: number
  readonly valueLength: number
  readonly storedLength: number
}

export interface SegmentTwin {
  readonly bytes: Buffer
  /** Where each value lies. */
  readonly places: readonly SegmentTwinPlace[]
}

const PART_MAX = 2 ** 20

function seed(salt: Buffer, number: number, position: number): bigint {
  const place = Buffer.alloc(24)
  salt.copy(place)
  place.writeBigUInt64LE(BigInt(number), 8)
  place.writeBigUInt64LE(BigInt(position), 16)
  return hash64(place, 0n)
}

function header({ salt, number }: SegmentTwinSpec): Buffer {
  const bytes = Buffer.alloc(64)
  bytes.write('SETTVLG\0', 'latin1')
  bytes.writeUInt32LE(1, 8)
  bytes.writeBigUInt64LE(BigInt(number), 16)
  salt.copy(bytes, 24)
  bytes.writeBigUInt64LE(hash64(bytes.subarray(0, 56), 0n), 56)
  return bytes
}

/** LZ4 where it saves an eighth. */
export function packLz4(payload: Buffer): { codec: number; stored: Buffer } | undefined {
  const stored = lz4EncodeTwin(payload)
  const pays = stored.length <= payload.length - Math.floor(payload.length / 8)
  return pays && payload.length > 0 ? { codec: 1, stored } : undefined
}

function part(
  { salt, number, pack }: SegmentTwinSpec,
  { key, value }: SegmentTwinValue,
  position: number,
  offset: number,
): Buffer {
  const payload = value.subarray(position, position + PART_MAX)
  const { codec, stored } = pack?.(payload) ?? { codec: 0, stored: payload }
  const bytes = Buffer.alloc(32 + Math.ceil(stored.length / 8) * 8)
  bytes.writeUInt32LE(payload.length, 8)
  bytes[12] = codec
  bytes.writeUIntLE(codec === 0 ? 0 : stored.length, 13, 3)
  bytes.writeBigUInt64LE(hash64(key, 0n), 16)
  bytes.writeUInt32LE(position, 24)
  bytes.writeUInt32LE(position + payload.length === value.length ? 1 : 0, 28)
  stored.copy(bytes, 32)
  const covered = bytes.subarray(8, 32 + stored.length)
  bytes.writeBigUInt64LE(hash64(covered, seed(salt, number, offset)), 0)
  return bytes
}

function footer({ salt, number, values }: SegmentTwinSpec, at: number): Buffer {
  const bytes = Buffer.alloc(128)
  bytes.writeBigUInt64LE(BigInt(values.length), 0)
  const valueBytes = values.reduce((sum, { value }) => sum + value.length, 0)
  bytes.writeBigUInt64LE(BigInt(valueBytes), 8)
  bytes.writeBigUInt64LE(BigInt(at + 128), 64)
  bytes.writeBigUInt64LE(BigInt(number), 72)
  salt.copy(bytes, 80)
  bytes.writeUInt32LE(1, 88)
  bytes.writeBigUInt64LE(hash64(bytes.subarray(0, 112), seed(salt, number, at)), 112)
  bytes.write('SETTVLG\0', 120, 'latin1')
  return bytes
}

export function segmentTwin(spec: SegmentTwinSpec): SegmentTwin {
  const pieces = [header(spec)]
  const places: SegmentTwinPlace[] = []
  let at = 64
  for (const each of spec.values) {
    const offset = at
    for (let position = 0; position === 0 || position < each.value.length; position += PART_MAX) {
      const bytes = part(spec, each, position, at)
      pieces.push(bytes)
      at += bytes.length
    }
    places.push({ offset, valueLength: each.value.length, storedLength: at - offset })
  }
  pieces.push(footer(spec, at))
  return { bytes: Buffer.concat(pieces), places }
}

/** FORMAT §9: what an entry of kind 5 holds. */
export function pointerTwin(segment: number, place: SegmentTwinPlace): Buffer {
  const bytes = Buffer.alloc(24)
  bytes.writeBigUInt64LE(BigInt(segment))
  bytes.writeBigUInt64LE(BigInt(place.offset), 8)
  bytes.writeUInt32LE(place.valueLength, 16)
  bytes.writeUInt32LE(place.storedLength, 20)
  return bytes
}

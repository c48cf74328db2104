// The trailer of a block (FORMAT §6) and the entry of a block of its own (FORMAT §6.1). No IO.
import { CorruptionError } from '../base/errors.ts'
import { KEY_LENGTH_MAX, VERSION_MAX } from '../base/limits.ts'
import {
  KIND_DELETE,
  KIND_MASK,
  KIND_POINTER,
  KIND_PUT,
  TAG_EXPIRY,
  TAG_META,
} from '../kernel/layout.ts'
import { CODEC_NONE, type PackedForm, refuseNewerCodec } from './packed-form.ts'
import { readValuePointer, VALUE_POINTER_BYTES } from './segments/value-pointer.ts'

/** What a tag may have in a table; the end of a commit is the WAL's business. */
const TAG_BITS = KIND_MASK | TAG_META | TAG_EXPIRY
/** Bytes of the trailer that its checksum covers together with the payload. */
export const TRAILER_COVERED = 8

/** Writes codec, stored and payload length; the checksum is the caller's. */
export function encodeTrailer(
  bytes: Buffer,
  at: number,
  payloadLength: number,
  packed: PackedForm = { codec: CODEC_NONE, length: payloadLength },
): void {
  const { codec, length } = packed
  bytes.writeUInt32LE(codec === CODEC_NONE ? 0 : (length << 8) | codec, at)
  bytes.writeUInt32LE(payloadLength, at + 4)
}

export interface TrailerPlace {
  readonly file: string
  /** File offset of the block. */
  readonly offset: number
  /** Bytes before the trailer. */
  readonly storedLength: number
  /** Before compression, as the index says. */
  readonly payloadLength: number
}

/** Checks a trailer whose checksum was found right; returns the codec. */
export function checkTrailer(bytes: Buffer, at: number, place: TrailerPlace): number {
  const { file, offset, storedLength, payloadLength } = place
  const codec = bytes[at] as number
  refuseNewerCodec(codec, file, offset)
  const refuse = (behind: number, expected: string, found: string): never => {
    throw new CorruptionError({ file, offset: offset + storedLength + behind, expected, found })
  }
  const stored = bytes.readUIntLE(at + 1, 3)
  if (codec === CODEC_NONE && stored !== 0) refuse(1, 'reserved zeros', 'others')
  if (codec !== CODEC_NONE && stored !== storedLength) {
    refuse(1, `stored length ${storedLength}`, `${stored}`)
  }
  const found = bytes.readUInt32LE(at + 4)
  if (found !== payloadLength) refuse(4, `payload length ${payloadLength}`, `${found}`)
  if ((codec === CODEC_NONE) !== (storedLength === payloadLength)) {
    refuse(0, 'a codec that fits the lengths of the block', `${codec}`)
  }
  return codec
}

/** The only entry of a block, as offsets into its payload. */
export interface AloneEntry {
  readonly keyStart: number
  readonly keyLength: number
  readonly valueLength: number
  readonly tag: number
  readonly meta: number
  /** Already with the base version. */
  readonly version: number
  readonly expiresAt: number
}

/** Restart array of one entry: offset 0, count 1. */
export const ALONE_RESTARTS = 8
/** Most bytes before the key: three varints, tag, version, meta, expiresAt. */
export const ALONE_HEADER_MAX = 48

/** Writes the entry header of a block of its own so that it ends at `end`; returns where it starts. */
export function encodeAloneHeader(bytes: Buffer, end: number, entry: AloneFields): number {
  const header = Buffer.alloc(ALONE_HEADER_MAX)
  let at = putVarint(header, 0, 0)
  at = putVarint(header, at, entry.keyLength)
  at = putVarint(header, at, entry.valueLength)
  header[at++] = entry.tag
  at = putVarint(header, at, entry.versionOffset)
  if ((entry.tag & TAG_META) !== 0) header[at++] = entry.meta
  if ((entry.tag & TAG_EXPIRY) !== 0) at = putVarint(header, at, entry.expiresAt)
  bytes.set(header.subarray(0, at), end - at)
  return end - at
}

export interface AloneFields {
  readonly keyLength: number
  readonly valueLength: number
  readonly tag: number
  readonly meta: number
  /** version - base version */
  readonly versionOffset: number
  readonly expiresAt: number
}

/** Parses the payload of a block that must hold one entry; undefined when it does not. */
export function decodeAlone(payload: Buffer, baseVersion: number): AloneEntry | undefined {
  const { length } = payload
  if (length < ALONE_RESTARTS + 6) return undefined
  if (payload.readUInt32LE(length - 4) !== 1 || payload.readUInt32LE(length - 8) !== 0) {
    return undefined
  }
  const reader: VarintReader = { bytes: payload, at: 0, end: length - ALONE_RESTARTS, ok: true }
  const shared = takeVarint(reader)
  const keyLength = takeVarint(reader)
  const valueLength = takeVarint(reader)
  const tag = takeByte(reader)
  const version = takeVarint(reader) + baseVersion
  const meta = (tag & TAG_META) !== 0 ? takeByte(reader) : 0
  const expiresAt = (tag & TAG_EXPIRY) !== 0 ? takeVarint(reader) : 0
  const whole = keyLength <= KEY_LENGTH_MAX && reader.at + keyLength + valueLength === reader.end
  const kind = tag & KIND_MASK
  const known = [KIND_PUT, KIND_DELETE, KIND_POINTER].includes(kind) && (tag & ~TAG_BITS) === 0
  if (!reader.ok || shared !== 0 || !whole || !known || version > VERSION_MAX) return undefined
  if (kind === KIND_POINTER) {
    if (valueLength !== VALUE_POINTER_BYTES) return undefined
    if (readValuePointer(payload, reader.at + keyLength) === undefined) return undefined
  }
  return { keyStart: reader.at, keyLength, valueLength, tag, meta, version, expiresAt }
}

function putVarint(bytes: Buffer, start: number, value: number): number {
  let at = start
  let rest = value
  while (rest >= 0x80) {
    bytes[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  bytes[at++] = rest
  return at
}

interface VarintReader {
  readonly bytes: Buffer
  at: number
  readonly end: number
  ok: boolean
}

function takeByte(reader: VarintReader): number {
  if (reader.at >= reader.end) {
    reader.ok = false
    return 0
  }
  return reader.bytes[reader.at++] as number
}

function takeVarint(reader: VarintReader): number {
  let value = 0
  let scale = 1
  for (let i = 0; i < 8; i++) {
    const byte = takeByte(reader)
    value += (byte & 0x7f) * scale
    if (byte < 0x80) {
      if (value > Number.MAX_SAFE_INTEGER) reader.ok = false
      return value
    }
    scale *= 0x80
  }
  reader.ok = false
  return 0
}

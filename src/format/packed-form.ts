// How bytes are stored: as they are, or compressed where that pays (FORMAT §6.7). Blocks of tables, parts of values.
import { SettError } from '../base/errors.ts'

export const CODEC_NONE = 0
export const CODEC_LZ4 = 1
export const CODEC_ZSTD = 2

/** How a payload is stored. */
export interface PackedForm {
  readonly codec: number
  /** Bytes stored, without a block's trailer; with codec 0 the payload's length. */
  readonly length: number
}

/** Longest form in which a payload is stored compressed: it saves an eighth. (RocksDB's rule, "GoodCompressionRatio":
 * below that the reader's work is not worth the space.) */
export function packedMax(payloadLength: number): number {
  return payloadLength - (payloadLength >>> 3)
}

/** For bytes whose checksum was found right: a flipped bit never reads as a newer codec. */
export function refuseNewerCodec(codec: number, file: string, offset: number): void {
  if (codec <= CODEC_ZSTD) return
  throw new SettError(
    'SETT_NEWER_FORMAT',
    `${file} has codec ${codec} at offset ${offset}; this release reads codecs 0 to ${CODEC_ZSTD}. Open the ` +
      'database with a newer release.',
  )
}

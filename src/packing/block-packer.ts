// Compressed blocks from payloads (FORMAT §6.7), where they lie. Any thread; the memory is the writer's alone. One
// packer per table.
import { PACKED_PAYLOAD_MAX } from '../base/limits.ts'
import type { Compression } from '../base/option-table.ts'
import { zstd } from '../base/zstd.ts'
import {
  CODEC_LZ4,
  CODEC_NONE,
  CODEC_ZSTD,
  type PackedForm,
  packedMax,
} from '../format/packed-form.ts'
import { LZ4_TABLE_BYTES } from '../kernel/layout.ts'
import { type PackingMachine, requireZstd } from './unpack-block.ts'

/** Scratch of a packer: LZ4's table, and the longest compressed block. */
export const PACKER_BYTES: number = LZ4_TABLE_BYTES + 8 + packedMax(PACKED_PAYLOAD_MAX)

/** After so many blocks in a row that did not compress, only every so-manyth is tried, until one does: data that
 * was compressed or encrypted before then costs next to nothing. */
const FAILURES_MAX = 16
const TRY_EVERY = 8

/** Packs the payloads of one table, where they lie. */
export class BlockPacker {
  readonly codec: number
  readonly #machine: PackingMachine
  readonly #table: number
  readonly #scratch: number
  readonly #compression: Compression
  #failures = 0

  /** `memory`: PACKER_BYTES; unused without compression. */
  constructor(machine: PackingMachine, compression: Compression, memory: number) {
    this.#machine = machine
    this.#compression = compression
    this.codec = CODECS[compression]
    this.#table = memory
    this.#scratch = memory + LZ4_TABLE_BYTES
  }

  /** Puts the compressed form in the payload's place, if it is an eighth shorter. */
  pack(address: number, length: number): PackedForm {
    const whole = { codec: CODEC_NONE, length }
    if (this.#compression === 'none' || length > PACKED_PAYLOAD_MAX) return whole
    if (this.#failures >= FAILURES_MAX && this.#failures % TRY_EVERY !== 0) {
      this.#failures += 1
      return whole
    }
    const packed =
      this.#compression === 'lz4' ? this.#lz4(address, length) : this.#zstd(address, length)
    this.#failures = packed === 0 ? this.#failures + 1 : 0
    return packed === 0 ? whole : { codec: this.codec, length: packed }
  }

  #lz4(address: number, length: number): number {
    const { kernels } = this.#machine
    const scratch = this.#scratch
    const packed = kernels.lz4Compress(address, length, scratch, packedMax(length), this.#table)
    kernels.moveBytes(address, scratch, packed)
    return packed
  }

  #zstd(address: number, length: number): number {
    const { bytes } = this.#machine.heap
    const packed = requireZstd('A new table', zstd).compress(
      bytes.subarray(address, address + length),
    )
    if (packed.length > packedMax(length)) return 0
    bytes.set(packed, address)
    return packed.length
  }
}

const CODECS: { readonly [name in Compression]: number } = {
  none: 0,
  lz4: CODEC_LZ4,
  zstd: CODEC_ZSTD,
}

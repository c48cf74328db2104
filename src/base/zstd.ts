// zstd where this Node has it: node:zlib's, from 22.15 on. Any thread; the calls block it.
import * as zlib from 'node:zlib'

export interface Zstd {
  compress(bytes: Uint8Array): Uint8Array
  /** At most `length` bytes come back; throws on anything that is not a zstd frame. */
  decompress(bytes: Uint8Array, length: number): Uint8Array
}

/** What to tell whoever's Node has none. */
export const ZSTD_NEEDS = 'Node 22.15 or a newer 22, or Node 23.8 or later'

type Call = (bytes: Uint8Array, options: object) => Uint8Array

/** BadgerDB's default as well: on blocks of a few KiB higher levels cost far more time than they save space. */
const LEVEL = 1

/** undefined: this Node has no zstd. `library` is for tests. */
export function findZstd(library: object = zlib): Zstd | undefined {
  const compress: unknown = Reflect.get(library, 'zstdCompressSync')
  const decompress: unknown = Reflect.get(library, 'zstdDecompressSync')
  if (typeof compress !== 'function' || typeof decompress !== 'function') return undefined
  const constants = Reflect.get(library, 'constants') as Record<string, number>
  const params = { [constants['ZSTD_c_compressionLevel'] as number]: LEVEL }
  return {
    compress: (bytes) => (compress as Call)(bytes, { params }),
    decompress: (bytes, length) => (decompress as Call)(bytes, { maxOutputLength: length }),
  }
}

export const zstd: Zstd | undefined = findZstd()

// What an entry takes in each kind of file, by the format. Pure. Keys are short: what blocks, index and filter add to
// each entry is a constant.

import { packedMax } from '../../format/packed-form.ts'
import { PART_PAYLOAD_MAX, partBytes } from '../../format/segments/segment-part.ts'
import { VALUE_POINTER_BYTES } from '../../format/segments/value-pointer.ts'
import { RECORD_HEADER } from '../../kernel/layout.ts'
import { recordBytes } from '../../memtable/memtable.ts'

/** Bytes. */
export interface EntryBytes {
  /** Of key and value. */
  readonly given: number
  /** A record of a log; frames, of which a group of commits shares one, are not in it. */
  readonly log: number
  readonly memtable: number
  readonly table: number
  /** The same before compression. */
  readonly plain: number
  /** All parts of the value; 0: it lies in the table. */
  readonly segment: number
}

export interface EntrySizes {
  readonly put: EntryBytes
  readonly tombstone: EntryBytes
}

export interface EntryShape {
  readonly keyBytes: number
  readonly valueBytes: number
  /** Bytes to which a byte of a value is compressed. */
  readonly compressionRatio: number
}

/** What a record takes in a memtable beside key and value: header, share of the tree, padding on average. */
const MEMTABLE_OVERHEAD: number = RECORD_HEADER + 24 + 4
/** What an entry takes in a table beside key and value: lengths, tag, version, its share of index and filter, less
 * what it shares of its key with the one before. */
const TABLE_OVERHEAD = 6

export function entrySizes(shape: EntryShape, valueThreshold: number): EntrySizes {
  const { keyBytes, valueBytes, compressionRatio } = shape
  const separated = valueBytes >= valueThreshold
  const inTable = separated ? VALUE_POINTER_BYTES : valueBytes
  const stored = separated ? VALUE_POINTER_BYTES : storedLength(valueBytes, compressionRatio)
  return {
    put: {
      given: keyBytes + valueBytes,
      log: recordBytes(keyBytes, valueBytes),
      memtable: keyBytes + valueBytes + MEMTABLE_OVERHEAD,
      table: keyBytes + stored + TABLE_OVERHEAD,
      plain: keyBytes + inTable + TABLE_OVERHEAD,
      segment: separated ? segmentBytes(valueBytes, compressionRatio) : 0,
    },
    tombstone: {
      given: keyBytes,
      log: recordBytes(keyBytes, 0),
      memtable: keyBytes + MEMTABLE_OVERHEAD,
      table: keyBytes + TABLE_OVERHEAD,
      plain: keyBytes + TABLE_OVERHEAD,
      segment: 0,
    },
  }
}

function segmentBytes(valueBytes: number, ratio: number): number {
  const full = Math.floor(valueBytes / PART_PAYLOAD_MAX)
  const rest = valueBytes - full * PART_PAYLOAD_MAX
  const tail = rest > 0 || full === 0 ? partBytes(storedLength(rest, ratio)) : 0
  return full * partBytes(storedLength(PART_PAYLOAD_MAX, ratio)) + tail
}

/** Compressed only where that pays. */
function storedLength(length: number, ratio: number): number {
  const packed = Math.min(length, Math.max(1, Math.ceil(length * ratio)))
  return packed <= packedMax(length) ? packed : length
}

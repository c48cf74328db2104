// The heap memory a table writer works in, carved the same way by whoever sizes it and by the writer: fixed
// parts by the shape of the tables, and the output region, which takes all that is left.
import { assert } from '../base/assert.ts'
import { KEY_LENGTH_MAX, KIB, MIB } from '../base/limits.ts'
import type { Compression } from '../base/option-table.ts'
import { Scratch } from '../cursor/scratch.ts'
import { ALONE_HEADER_MAX, ALONE_RESTARTS } from '../format/sstable-block.ts'
import { type FilterShape, filterBlocks } from '../format/sstable-filter.ts'
import {
  BLOCK_ENTRY_SIZE,
  BLOCK_TRAILER,
  BUILDER_SIZE,
  DESC_SIZE,
  FILTER_HEADER,
} from '../kernel/layout.ts'
import type { Region } from '../memory/shared-heap.ts'
import { PACKER_BYTES } from '../packing/block-packer.ts'
import { unpackRoom } from '../packing/unpack-block.ts'
import { intervalKeyBytes } from './table-source.ts'

/** How tables are to look. */
export interface WriterShape {
  readonly blockSize: number
  /** A table is closed at the first user key after this many stored bytes. */
  readonly tableSize: number
  readonly filter: FilterShape
  readonly compression: Compression
  /** A table is closed at the first user key after it refers to so many stored bytes in segments. Without:
   * VALUES_PER_TABLE times `tableSize`. */
  readonly valueBytesMax?: number
}

/** Bytes in segments that a table refers to, per byte of `tableSize`: collecting garbage copies the values of one table
 * at a time, and is to stay a job like others. */
const VALUES_PER_TABLE = 4

/** Bytes of values in segments after which a table is closed. */
export function valueBytesMax(shape: Pick<WriterShape, 'tableSize' | 'valueBytesMax'>): number {
  return shape.valueBytesMax ?? VALUES_PER_TABLE * shape.tableSize
}

/** How many times more blocks a compressed table may have; one whose data is denser still is closed before it reaches
 * its size. */
const DENSITY = 2
/** A table of smaller entries than this is closed before it reaches its size, for want of room for hashes. */
const BYTES_PER_HASH = 64
/** Entries take no less than eight bytes. */
const TABLES_PER_SIZE = 8
/** Room for the first and last keys of a block. */
const KEY_BYTES_PER_BLOCK = 192
const HASHES_MAX = 4 * MIB
const BLOCKS_MAX = 128 * KIB
const KEYS_MAX = 8 * MIB
const KEYS_MIN = 6 * (KEY_LENGTH_MAX + 1)
const OUT_MIN = 128 * KIB
const OUT_MAX = MIB
/** Descriptors of the re-read. */
export const CHECK_DESCRIPTORS = 256
const SLACK = 256

interface FixedParts {
  readonly hashes: number
  readonly blocks: number
  readonly keyBytes: number
  readonly packer: number
}

function fixedParts({ tableSize, blockSize, compression }: WriterShape): FixedParts {
  // The hashes' memory serves the re-read, once the filter is written.
  const checkBytes = CHECK_DESCRIPTORS * DESC_SIZE + intervalKeyBytes(blockSize) + 64
  const hashesMin = Math.ceil(checkBytes / 8)
  const wanted = Math.ceil(tableSize / BYTES_PER_HASH)
  const plain = Math.min(BLOCKS_MAX, Math.ceil((1.25 * tableSize) / blockSize) + 1024)
  const blocks = compression === 'none' ? plain : DENSITY * plain
  return {
    hashes: Math.max(hashesMin, Math.min(HASHES_MAX, wanted)),
    blocks,
    keyBytes: Math.max(KEYS_MIN, Math.min(KEYS_MAX, plain * KEY_BYTES_PER_BLOCK)),
    packer: compression === 'none' ? 0 : PACKER_BYTES,
  }
}

function fixedBytes({ hashes, blocks, keyBytes, packer }: FixedParts): number {
  return BUILDER_SIZE + 8 * hashes + BLOCK_ENTRY_SIZE * blocks + keyBytes + packer + SLACK
}

/** Least output region: the builder's own need, the filter, and the largest entry in a block of its own. */
function outBytes(shape: WriterShape, hashes: number, largestEntry: number): number {
  const filter = FILTER_HEADER + 64 * filterBlocks(shape.filter, hashes)
  return Math.max(
    OUT_MIN,
    Math.min(OUT_MAX, shape.tableSize),
    2 * shape.blockSize + 64 * KIB + 64,
    filter + BLOCK_TRAILER,
    unpackRoom(largestEntry) + ALONE_HEADER_MAX + ALONE_RESTARTS + 64,
  )
}

/** Bytes a writer needs; `largestEntry` is the largest key + value, or block, that will come. */
export function writerBytes(shape: WriterShape, largestEntry: number): number {
  const parts = fixedParts(shape)
  return fixedBytes(parts) + outBytes(shape, parts.hashes, largestEntry)
}

/** Most tables that so many bytes of entries make. They end before their size when there is no room for hashes, which
 * eight tables per size provide for, or for the first and last keys of their blocks. Neither is longer than the block,
 * which has all its bytes. */
export function tablesAtMost(shape: WriterShape, bytes: number): number {
  const boundsBytes = fixedParts(shape).keyBytes - 2 * (KEY_LENGTH_MAX + 1)
  const ofLongKeys = Math.ceil((2 * bytes) / boundsBytes)
  return Math.max(TABLES_PER_SIZE * Math.ceil(bytes / shape.tableSize), ofLongKeys)
}

export interface WriterMemory {
  /** Address of the BUILDER_* structure. */
  readonly builder: number
  /** 8 bytes. */
  readonly salt: number
  readonly hashes: Region
  readonly blocks: Region
  readonly keys: Region
  /** Where blocks are compressed; 0: they are not. */
  readonly packer: number
  readonly out: Region
}

export function carveWriter(region: Region, shape: WriterShape): WriterMemory {
  const parts = fixedParts(shape)
  const scratch = new Scratch(region)
  const builder = scratch.take(BUILDER_SIZE)
  const salt = scratch.take(8)
  const hashes = scratch.region(8 * parts.hashes)
  const blocks = scratch.region(BLOCK_ENTRY_SIZE * parts.blocks)
  const keys = scratch.region(parts.keyBytes)
  const packer = parts.packer === 0 ? 0 : scratch.take(parts.packer)
  const address = scratch.take(0, 64)
  assert(scratch.free >= outBytes(shape, parts.hashes, 0), 'the workspace has room for a writer')
  return {
    builder,
    salt,
    hashes,
    blocks,
    keys,
    packer,
    out: { address, length: scratch.free - (scratch.free % 8) },
  }
}

/** Where the longest part of a table fits, once its filter is written and until its blocks are checked. */
export function roomiest({ out, hashes }: WriterMemory): Region {
  return hashes.length > out.length ? hashes : out
}

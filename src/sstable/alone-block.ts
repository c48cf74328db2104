// Blocks of one entry that are too long for a source's buffers: the entry is handed over without its value, which
// its holder reads later, verified again.
import type { LazyValue } from '../cursor/lazy-values.ts'
import type { SpareMemory } from '../cursor/run-source.ts'
import { type KernelHeap, storeU32, storeU64 } from '../cursor/words.ts'
import { type AloneEntry, decodeAlone } from '../format/sstable-block.ts'
import {
  DESC_EXPIRES_AT,
  DESC_FLAGS,
  DESC_KEY,
  DESC_KEY_LENGTH,
  DESC_LAZY,
  DESC_META,
  DESC_PREFIX,
  DESC_TAG,
  DESC_VALUE,
  DESC_VALUE_LENGTH,
  DESC_VERSION,
} from '../kernel/layout.ts'
import {
  malformedBlock,
  readBlockCopy,
  readTableBlock,
  roomOf,
  type TableBlocks,
} from './table-blocks.ts'
import type { TableOpener } from './table-source.ts'

export interface AlonePlace {
  readonly table: TableBlocks
  readonly ordinal: number
  /** Goes into DESC_VALUE. */
  readonly token: number
  /** Address of the descriptor to fill. */
  readonly descriptor: number
  /** Where the key goes: KEY_LENGTH_MAX bytes. */
  readonly key: number
}

/** Reads the block, verified, and describes its entry as lazy. */
export function placeAloneEntry(machine: KernelHeap, spare: SpareMemory, place: AlonePlace): void {
  const { table, ordinal } = place
  const { bytes } = machine.heap
  const address = spare.borrow(roomOf(table, ordinal))
  if (address === 0) {
    describe(machine, place, readBlockCopy(table, ordinal))
    return
  }
  try {
    readTableBlock(machine, table, ordinal, address)
    describe(machine, place, bytes.subarray(address, address + table.payloadLength(ordinal)))
  } finally {
    spare.giveBack(address)
  }
}

function describe(machine: KernelHeap, place: AlonePlace, payload: Buffer): void {
  const { table, ordinal, descriptor, key } = place
  const { bytes, u32 } = machine.heap
  const entry = parseAlone(table, ordinal, payload)
  const { keyStart, keyLength } = entry
  bytes.set(payload.subarray(keyStart, keyStart + keyLength), key)
  const prefix = Buffer.alloc(8)
  payload.copy(prefix, 0, keyStart, keyStart + Math.min(8, keyLength))
  storeU32(u32, descriptor + DESC_PREFIX, prefix.readUInt32BE(4))
  storeU32(u32, descriptor + DESC_PREFIX + 4, prefix.readUInt32BE(0))
  storeU32(u32, descriptor + DESC_KEY, key)
  storeU32(u32, descriptor + DESC_KEY_LENGTH, keyLength)
  storeU32(u32, descriptor + DESC_VALUE, place.token)
  storeU32(u32, descriptor + DESC_VALUE_LENGTH, entry.valueLength)
  storeU64(u32, descriptor + DESC_VERSION, entry.version)
  storeU64(u32, descriptor + DESC_EXPIRES_AT, entry.expiresAt)
  storeU32(u32, descriptor + DESC_TAG, 0)
  bytes[descriptor + DESC_TAG] = entry.tag
  bytes[descriptor + DESC_META] = entry.meta
  storeU32(u32, descriptor + DESC_FLAGS, DESC_LAZY)
}

export interface ValueAccess {
  readonly machine: KernelHeap
  readonly opener: TableOpener
  readonly spare: SpareMemory
}

/** The value of such a block, by the table's number: the table is opened for each read. */
export function lazyTableValue(
  access: ValueAccess,
  table: TableBlocks,
  ordinal: number,
): LazyValue {
  const { machine, opener, spare } = access
  const { meta } = table
  const room = roomOf(table, ordinal)
  const payloadLength = table.payloadLength(ordinal)
  const readInto = (open: TableBlocks, address: number): Buffer => {
    readTableBlock(machine, open, ordinal, address)
    return machine.heap.bytes.subarray(address, address + payloadLength)
  }
  const withTable = <T>(use: (open: TableBlocks) => T): T => {
    const open = opener.acquire(meta)
    try {
      return use(open)
    } finally {
      opener.release(open)
    }
  }
  return {
    room,
    readInto: (address) =>
      withTable((open) => {
        const { keyStart, keyLength } = parseAlone(open, ordinal, readInto(open, address))
        return address + keyStart + keyLength
      }),
    // Through the heap if it has room, for the checksum is many times faster there.
    readBytes: () =>
      withTable((open) => {
        const address = spare.borrow(room)
        if (address === 0) return aloneValue(open, ordinal, readBlockCopy(open, ordinal))
        try {
          return Buffer.from(aloneValue(open, ordinal, readInto(open, address)))
        } finally {
          spare.giveBack(address)
        }
      }),
  }
}

function aloneValue(table: TableBlocks, ordinal: number, payload: Buffer): Buffer {
  const { keyStart, keyLength, valueLength } = parseAlone(table, ordinal, payload)
  return payload.subarray(keyStart + keyLength, keyStart + keyLength + valueLength)
}

function parseAlone(table: TableBlocks, ordinal: number, payload: Buffer): AloneEntry {
  const entry = decodeAlone(payload, table.meta.baseVersion)
  if (entry === undefined) throw malformedBlock(table, ordinal)
  return entry
}

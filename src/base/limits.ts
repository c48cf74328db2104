// Hard limits of format and memory, and the relations between them.
import { assert } from './assert.ts'

export const KIB: number = 1024
export const MIB: number = 1024 * KIB
export const GIB: number = 1024 * MIB

/** Longest user key in bytes; the record header holds it in 16 bits. */
export const KEY_LENGTH_MAX = 65_535
/** Longest value in bytes. What a commit carries itself is further bounded by `memoryBudget / 4`. */
export const VALUE_LENGTH_MAX: number = GIB
/** Versions stay exact in a double. */
export const VERSION_MAX: number = Number.MAX_SAFE_INTEGER
/** Every restart interval holds this many entries (docs/FORMAT.md §6.1). */
export const RESTART_INTERVAL = 16
/** Longest payload of a compressed block; longer ones are stored as they are. It bounds what a reader may be asked to
 * make room for, whatever a file says. */
export const PACKED_PAYLOAD_MAX: number = MIB
/** 32-bit wasm addresses. */
export const HEAP_BYTES_MAX: number = 4 * GIB - 64 * KIB
export const MEMTABLE_SIZE_MIN: number = 64 * KIB
export const MEMORY_BUDGET_MIN: number = 8 * MIB
/** Most threads for background work, of one database and of several together. */
export const WORKERS_MAX = 128
export const LEVEL_COUNT = 7
/** Segments the values of one table may lie in: a table is closed before it refers to more. */
export const SEGMENTS_PER_TABLE_MAX = 2048
/** Steps in which a table says how much of it expires when: each counts for as much, so a table knows what has expired
 * to a sixteenth of what ever will. */
export const EXPIRY_STEPS_MAX = 16
export const FORMAT_VERSION = 1

assert(VALUE_LENGTH_MAX < 2 ** 32, 'value lengths fit in 32 bits')
assert(KEY_LENGTH_MAX < 2 ** 16, 'key lengths fit in 16 bits')

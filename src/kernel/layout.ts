// Offsets of the in-memory structures that TypeScript and the wasm kernels share. The kernels repeat
// these numbers in native-wasm/assembly/layout.ts; a test holds the two files equal.
// Record, block, index and filter layouts are those of docs/FORMAT.md.

// Record header (FORMAT §4).
export const RECORD_VALUE_LENGTH = 0
export const RECORD_KEY_LENGTH = 4
export const RECORD_TAG = 6
export const RECORD_META = 7
export const RECORD_VERSION = 8
export const RECORD_HEADER = 16
export const RECORD_HEADER_WITH_EXPIRY = 24

// Tag byte (FORMAT §3).
export const KIND_MASK = 0x0f
export const KIND_PUT = 1
export const KIND_DELETE = 2
export const KIND_RANGE_DELETE = 3
export const KIND_MERGE = 4
export const KIND_POINTER = 5
export const TAG_META = 0x10
export const TAG_EXPIRY = 0x20
export const TAG_COMMIT_END = 0x80

// Descriptor, 48 bytes: one decoded entry. Arrays of descriptors are what cursors exchange.
export const DESC_SIZE = 48
/** u64: first 8 key bytes as a big-endian number, zero padded. */
export const DESC_PREFIX = 0
export const DESC_KEY = 8
export const DESC_KEY_LENGTH = 12
/** Address of the value; for DESC_LAZY entries a token chosen by the caller. */
export const DESC_VALUE = 16
export const DESC_VALUE_LENGTH = 20
/** u64 */
export const DESC_VERSION = 24
/** u64, 0 = never */
export const DESC_EXPIRES_AT = 32
/** u8, without TAG_COMMIT_END */
export const DESC_TAG = 40
export const DESC_META = 41
/** u32 */
export const DESC_FLAGS = 44
/** The value is not in memory: the caller fetches it by the token in DESC_VALUE. */
export const DESC_LAZY = 1
/** mergeScan left the value where it lies (DESC_VALUE), because it is large. */
export const DESC_IN_PLACE = 2

// Memtable arena header, 64 bytes. Records grow up from ARENA_HEADER, tree nodes down from the end.
export const ARENA_HEADER = 64
/** u32: entries linked (stored last, atomically). Read-only for TypeScript. */
export const ARENA_COUNT = 0
/** u32: root node. Kernel-owned. */
export const ARENA_ROOT = 4
/** u32: first byte of the lowest tree node. Kernel-owned; TypeScript reads it to see what is free. */
export const ARENA_NODE_START = 8
/** u32: end of the arena. */
export const ARENA_END = 12

/** Bytes of node space that linking one record may need at worst, and a constant for the whole run. */
export const LINK_RESERVE_PER_RECORD = 40
export const LINK_RESERVE = 16_384

// Merge source, 32 bytes: a run of descriptors in iteration order, refilled by the caller. The bytes from 12
// on are the kernel's own.
export const SOURCE_SIZE = 32
/** u32: next descriptor to take. */
export const SOURCE_NEXT = 0
/** u32: end of the descriptors at hand. */
export const SOURCE_END = 4
/** u32: 0 = more may come (refill when next = end), 1 = these are the last. */
export const SOURCE_LAST = 8

// Merge state, 128 bytes, written by the caller, moved on by mergeScan / mergeCompact.
export const MERGE_STATE_SIZE = 128
/** u32: address of SOURCE_SIZE * count */
export const MERGE_SOURCES = 0
export const MERGE_SOURCE_COUNT = 4
/** u32: 1 = keys descend (sources deliver key descending, version ascending). Scan only. */
export const MERGE_REVERSE = 8
/** u32 out: the source that must be refilled, after MERGE_REFILL. */
export const MERGE_WANTED = 12
/** u64: read version (scan) */
export const MERGE_READ_VERSION = 16
/** u64: now in ms; entries with 0 < expiresAt <= now are hidden (scan). */
export const MERGE_NOW = 24
// Lower and upper bound: address, length (0 = unbounded), inclusive flag.
export const MERGE_LOWER = 32
export const MERGE_LOWER_LENGTH = 36
export const MERGE_LOWER_INCLUSIVE = 40
export const MERGE_UPPER = 44
export const MERGE_UPPER_LENGTH = 48
export const MERGE_UPPER_INCLUSIVE = 52
// Output: descriptors. MERGE_OUT_COUNT is how many are final. Scan: their bytes lie in the slab.
export const MERGE_OUT = 56
export const MERGE_OUT_CAPACITY = 60
export const MERGE_OUT_COUNT = 64
export const MERGE_SLAB = 68
export const MERGE_SLAB_CAPACITY = 72
export const MERGE_SLAB_USED = 76
/** u32: scan: 1 = leave values out of the slab (keys only) */
export const MERGE_KEYS_ONLY = 80
/** u32: kernel-private: out slot OUT_COUNT holds a candidate (reverse), or compaction's group state. */
export const MERGE_PRIVATE = 84
/** u32: compaction: address of u64 snapshot versions, ascending, at least one. */
export const MERGE_SNAPSHOTS = 88
export const MERGE_SNAPSHOT_COUNT = 92
/** u32: compaction: 1 = nothing older lies below, so tombstones visible to all snapshots go. */
export const MERGE_DROP_TOMBSTONES = 96
/** u32 kernel-private */
export const MERGE_PRIVATE_2 = 100
/** u64 out: compaction: entries dropped. */
export const MERGE_DROPPED = 104
/** u64 out: compaction: highest version dropped. */
export const MERGE_DROPPED_VERSION = 112
/** u32: scan and compaction: address of KEY_LENGTH_MAX + 1 bytes in which the kernel keeps the key it is
 * at between two calls. */
export const MERGE_KEY_SCRATCH = 120
/** u32: compaction: address of a u64 per snapshot, or 0: nothing expires. Whoever reads at this snapshot or at a newer
 * version sees only what expires after that time (ms since 1970). */
export const MERGE_HORIZONS = 124

// Status of mergeScan / mergeCompact.
/** Source MERGE_WANTED has no descriptor left and is not last: refill it and call again. */
export const MERGE_REFILL = 1
/** Output or slab is full: take it, reset OUT_COUNT and SLAB_USED to 0, call again. */
export const MERGE_FULL = 2
/** All sources ended, or the far bound was passed. */
export const MERGE_DONE = 3

// Table builder, 200 bytes: appends data blocks to an output region.
export const BUILDER_SIZE = 200
// Set by the caller:
/** u32: output region and its capacity (>= block size + 64 KiB + 64) */
export const BUILDER_OUT = 0
export const BUILDER_OUT_CAPACITY = 4
/** u32: block entries, BLOCK_ENTRY_SIZE each, and how many fit. A new user key is refused (reason 2) once
 * only an eighth of them (rounded down) would stay free: that eighth is the reserve for further versions
 * of the user key being written. They need no key bytes and no hash: only this region has a reserve. */
export const BUILDER_BLOCKS = 8
export const BUILDER_BLOCKS_CAPACITY = 12
/** u32: key area for first and last keys of the blocks, and its capacity */
export const BUILDER_KEYS = 16
export const BUILDER_KEYS_CAPACITY = 20
/** u32: u64 hashes of distinct user keys, and how many fit */
export const BUILDER_HASHES = 24
export const BUILDER_HASHES_CAPACITY = 28
/** u32 */
export const BUILDER_BLOCK_SIZE = 32
/** u32: address of the 8-byte salt */
export const BUILDER_SALT = 36
/** u64: file number, base version, file offset of BUILDER_OUT */
export const BUILDER_FILE_NUMBER = 40
export const BUILDER_BASE_VERSION = 48
export const BUILDER_FILE_OFFSET = 56
// Counted by the kernel; the caller zeroes them at the start of a table:
/** u32: bytes of finished blocks in the output region; the caller writes and resets it to 0 (and
 * advances BUILDER_FILE_OFFSET) only through builderDrained. */
export const BUILDER_OUT_USED = 64
export const BUILDER_BLOCK_COUNT = 68
export const BUILDER_KEYS_USED = 72
export const BUILDER_HASH_COUNT = 76
/** u32 kernel-private, 48 bytes: the open block (entry bytes, entries, restarts, last key), stop reason, payload
 * of the closed block. Its
 * restart offsets wait at the very end of the output region. */
export const BUILDER_OPEN = 80
// u64 counts for the table's properties (FORMAT §6.5), kept by builderAppend and builderAlone:
export const BUILDER_ENTRIES = 128
export const BUILDER_TOMBSTONES = 136
export const BUILDER_SMALLEST_VERSION = 144
export const BUILDER_LARGEST_VERSION = 152
/** 0: none expires */
export const BUILDER_EARLIEST_EXPIRY = 160
/** 0: some entry never expires */
export const BUILDER_LATEST_EXPIRY = 168
export const BUILDER_KEY_BYTES = 176
export const BUILDER_VALUE_BYTES = 184

/** u32, set by the caller: 1 = builderAppend stops (reason 4) before an entry that begins a new block, so that the
 * caller can compress the full one: builderCloseBlock, builderSealBlock. */
export const BUILDER_STOP_AT_BLOCK = 192

// One finished (or open) block as the builder lists it, 40 bytes.
export const BLOCK_ENTRY_SIZE = 40
/** u64 */
export const BLOCK_ENTRY_OFFSET = 0
/** u32: stored length with trailer */
export const BLOCK_ENTRY_LENGTH = 8
/** u32: addresses of first and last key, in the key area; equal keys may share their bytes */
export const BLOCK_ENTRY_FIRST_KEY = 12
export const BLOCK_ENTRY_FIRST_KEY_LENGTH = 16
export const BLOCK_ENTRY_LAST_KEY = 20
export const BLOCK_ENTRY_LAST_KEY_LENGTH = 24
export const BLOCK_ENTRY_ENTRIES = 28
/** u32: payload length before compression */
export const BLOCK_ENTRY_PAYLOAD = 32

/** Bytes after a block's payload (FORMAT §6). */
export const BLOCK_TRAILER = 16
/** Memory an LZ4 compressor works in: 2^12 slots of u32. */
export const LZ4_TABLE_BYTES = 16_384
/** First byte of filter bits in a filter payload (FORMAT §6.3). */
export const FILTER_HEADER = 64

// Guide to a block in memory, built by blockGuide: samples at even distances, of each a head (u32: 4 key bytes behind
// those all keys share, as a big-endian number, zero padded), and behind the heads, padded to a multiple of 4, the
// offsets of their entries (u16).
/** u16: how many samples */
export const GUIDE_SAMPLES = 0
/** u16: bytes all keys of the block begin with */
export const GUIDE_COMMON = 2
/** u32: offset of the first key's bytes */
export const GUIDE_FIRST_KEY = 4
/** u64: the first 8 bytes of the first key, as a big-endian number, zero padded */
export const GUIDE_LEAD = 8
/** Where the heads begin. */
export const GUIDE_HEADER = 16

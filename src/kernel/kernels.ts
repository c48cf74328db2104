// The kernels: hot functions over one memory. Every pointer is a byte address in that memory, every
// length is in bytes. No kernel allocates, keeps static data or throws; what they read is bounds-checked
// where it comes from disk or from another thread. Versions are numbers below 2^53.
// src/kernel/wasm-kernels.ts binds the wasm module; test/twins/ holds the slow, obvious twin of each.

export interface Kernels {
  /** XXH64 of `length` bytes; the 8-byte seed is read at `seed` (0 = seed 0), the digest stored at `out`. */
  hash64(data: number, length: number, seed: number, out: number): void
  /** FORMAT §1: stores checksum(bytes, position) at `out`; `salt` points at 8 bytes. */
  checksum(
    data: number,
    length: number,
    salt: number,
    fileNumber: number,
    position: number,
    out: number,
  ): void
  /** FORMAT §1: 1 when the 8 bytes at `expected` are checksum(bytes, position). */
  checksumMatches(
    data: number,
    length: number,
    salt: number,
    fileNumber: number,
    position: number,
    expected: number,
  ): number

  /** Prepares an empty memtable in [arena, end); 8-aligned, at least 64 KiB. */
  memtableInit(arena: number, end: number): void
  /** Links the contiguous records in [first, end). A record with the key and version of one already linked
   * replaces it. Returns how many were walked; -1: not enough node space (nothing linked; callers keep
   * LINK_RESERVE + LINK_RESERVE_PER_RECORD * n free between records and nodes); -2: a record is malformed
   * (nothing linked). */
  memtableLink(arena: number, first: number, end: number): number
  /** Newest record of the key with version <= maxVersion, or 0. Lock-free beside memtableLink. */
  memtableGet(arena: number, key: number, keyLength: number, maxVersion: number): number
  /** Fills descriptors (pointing into the arena) in order from a position; stateless, lock-free.
   * mode 0: from the very start (reverse: the end); 1: from (key, version) inclusive; 2: exclusive.
   * Forward order is key ascending, version descending; reverse is its mirror. Returns the count. */
  memtablePage(
    arena: number,
    mode: number,
    key: number,
    keyLength: number,
    version: number,
    reverse: number,
    out: number,
    capacity: number,
  ): number

  /** Writes a filter payload (FORMAT §6.3) for `count` u64 hashes to `out`:
   * FILTER_HEADER + 64 * blockCount bytes. */
  filterBuild(hashes: number, count: number, k: number, blockCount: number, out: number): void
  /** `hash` points at the 8-byte xxh64 (seed 0) of the key. 0 = certainly absent. */
  filterProbe(filter: number, hash: number): number

  /** First entry of an index payload (FORMAT §6.2) whose last key is >= key: i when the key also is >= its
   * first key, else -(i + 1), so a gap; count (not found) is returned as -(count + 1). */
  fenceSearch(index: number, key: number, keyLength: number): number
  /** 1 when an index payload of `length` bytes is well formed: boundaries ascend and end inside, blocks lie
   * inside [64, fileLimit) in ascending order, keys ascend, prefixes and `common` are right, payload
   * lengths agree with stored ones. */
  fenceValidate(index: number, length: number, fileLimit: number): number

  /** Compresses to an LZ4 block of at most `capacity` bytes. `table` is LZ4_TABLE_BYTES, 8-aligned; what it
   * holds changes nothing. Returns the length, 0 = it does not fit. */
  lz4Compress(
    source: number,
    length: number,
    target: number,
    capacity: number,
    table: number,
  ): number
  /** Decompresses an LZ4 block (of less than 16 MiB) that must give exactly `payload` bytes: 1, or 0 = it does not;
   * the target may then hold anything. Right also in place, where the source ends FORMAT §6.7's margin behind
   * the target. */
  lz4Decompress(source: number, length: number, target: number, payload: number): number

  /** Looks a key up in a verified block payload. 0 = not in it; 1 = `out` holds the newest entry with version
   * <= maxVersion as a descriptor (its key is the caller's, its value lies in the block); 2 = the key runs to
   * the block's end without one: look in the next block; -1 = damaged. `guide` is that of the block, or 0: it makes
   * the search faster and changes no answer. */
  blockGet(
    block: number,
    length: number,
    guide: number,
    baseVersion: number,
    key: number,
    keyLength: number,
    maxVersion: number,
    out: number,
  ): number
  /** Last restart whose key is < key (0 when none is), or -1 = damaged. The first entry >= key lies in its
   * interval or at the start of the next one. */
  blockSeek(block: number, length: number, key: number, keyLength: number): number
  /** Number of restarts, or -1 = damaged. */
  blockRestarts(block: number, length: number): number
  /** Decodes the restart intervals [from, to) into descriptors; keys are laid out in the key area, values stay
   * in the block. Reverse: the same entries, last first. Stops before an interval that does not fit; the
   * restart it stopped at (from + intervals done; reverse: to - intervals done) is stored as u32 at `stopped`.
   * Returns the count, -1 = damaged, -2 = not even one interval fits. */
  blockDecode(
    block: number,
    length: number,
    baseVersion: number,
    from: number,
    to: number,
    reverse: number,
    out: number,
    capacity: number,
    keys: number,
    keysCapacity: number,
    stopped: number,
  ): number

  /** Writes a guide (GUIDE_* of layout.ts) to a block of at most 64 KiB, with as many samples as fit into `room` bytes:
   * 1, or 0 = not even one fits, or the block is damaged. */
  blockGuide(block: number, length: number, guide: number, room: number): number

  /** 1 when each of the descriptors from `first` on comes before the next one: key ascending, version descending. */
  entriesAscend(first: number, count: number): number
  /** Copies bytes; the areas may overlap. */
  moveBytes(target: number, source: number, length: number): void

  /** Merges sources into the newest visible put of each key: see MERGE_* in layout.ts. Keys and values are
   * copied to the slab; a value longer than a quarter of the slab stays in place (DESC_IN_PLACE), as do
   * lazy ones. Returns MERGE_REFILL, MERGE_FULL or MERGE_DONE. Nothing that survives a MERGE_REFILL return
   * points into a source's buffers, except DESC_IN_PLACE values. */
  mergeScan(state: number): number
  /** Merges sources, forward, into the entries compaction must keep, as copies of their descriptors. An entry
   * is kept when it is newer than every snapshot, or the newest of its key at or below some snapshot; a
   * tombstone visible to every snapshot goes when MERGE_DROP_TOMBSTONES is set. A put that has expired by its
   * horizon (MERGE_HORIZONS) is a tombstone: it goes as one would, or is kept as one of its version. Before
   * MERGE_REFILL is acted on, the caller must use up MERGE_OUT_COUNT descriptors: they point into the sources. */
  mergeCompact(state: number): number

  /** Starts a table: zeroes the counters. */
  builderStart(builder: number): void
  /** Appends entries (key ascending, version descending). Returns how many were taken; fewer than `count` means:
   * the next one is DESC_LAZY or larger than a block may be (write it with builderAlone), or a region is full
   * (out: drain; blocks, keys or hashes: end the table at the next user key). */
  builderAppend(builder: number, descriptors: number, count: number): number
  /** Why builderAppend stopped: 0 nothing, 1 out region full, 2 block, key or hash region full, 3 the entry wants
   * a block of its own, 4 the open block is full and is the caller's to close (BUILDER_STOP_AT_BLOCK). */
  builderStopped(builder: number): number
  /** Completes the payload of the open block, which begins BUILDER_OUT_USED bytes into the output region. Returns its
   * length, 0 = no block is open. The next call must be builderSealBlock. */
  builderCloseBlock(builder: number): number
  /** Ends the closed block, of whose payload the caller may have put a compressed form of `stored` bytes in its place:
   * trailer, checksum, block entry. Codec 0: `stored` is the payload's length. */
  builderSealBlock(builder: number, codec: number, stored: number): void
  /** Closes the open block, if any, and seals it as it is. */
  builderFinishBlock(builder: number): void
  /** The caller wrote BUILDER_OUT_USED bytes at BUILDER_FILE_OFFSET: advances the offset, empties the region
   * (a block still open moves to its start). */
  builderDrained(builder: number): void
  /** Registers a block of one entry that the caller wrote itself right after BUILDER_FILE_OFFSET (region drained,
   * no block open): adds its block entry, key copies and hash, advances the offset. `payload`: its
   * length before compression. 0 = region full. */
  builderAlone(builder: number, descriptor: number, storedLength: number, payload: number): number
}

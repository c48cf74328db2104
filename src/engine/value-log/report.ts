// What collectGarbage() tells. Types only.

/**
 * Why a segment was not freed, or not yet: `'below-ratio'`: too little of it is garbage; `'held'`: a value is being
 * written to it, or a memtable points into it; `'pinned'`: it is given up, and its file goes as soon as a reader lets
 * it go; `'damaged'`: a value in it cannot be read, so nothing of it is copied; `'no-room'`: the volume has no
 * room to copy what of it is in use; `'in-use'`: something that came meanwhile points into it.
 */
export type NotFreedReason = 'below-ratio' | 'held' | 'pinned' | 'damaged' | 'no-room' | 'in-use'

export interface CollectedSegment {
  readonly number: number
  /** Bytes of the file. */
  readonly size: number
  /** Of these, bytes that tables pointed to before. */
  readonly liveBytes: number
  /** Bytes of the file less those that were copied. */
  readonly freed: number
  /** undefined: it is gone. */
  readonly reason?: NotFreedReason
}

export interface CollectReport {
  /** Sum over the segments. */
  readonly bytesFreed: number
  /** All there were, by number. */
  readonly segments: readonly CollectedSegment[]
}

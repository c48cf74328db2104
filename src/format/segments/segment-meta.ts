// What the manifest records of value-log segments: plain data, cloneable between threads.

export interface SegmentMeta {
  readonly number: number
  /** Bytes of the file. */
  readonly size: number
  /** The 8 salt bytes as 16 hex digits. */
  readonly salt: string
}

/** What a table refers to in one segment. */
export interface SegmentUse {
  readonly number: number
  /** Stored bytes of the values it points to. */
  readonly bytes: number
}

/** Both by number. */
export function sameUses(a: readonly SegmentUse[], b: readonly SegmentUse[]): boolean {
  const same = (use: SegmentUse, i: number): boolean =>
    use.number === b[i]?.number && use.bytes === b[i]?.bytes
  return a.length === b.length && a.every(same)
}

/** Bytes of the segments' files. */
export function segmentBytes(segments: readonly SegmentMeta[]): number {
  return segments.reduce((sum, { size }) => sum + size, 0)
}

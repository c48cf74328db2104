// What a repair did, gathered while it runs. Main thread.

/** Something that was there and is gone. */
export interface Loss {
  readonly kind: 'wal' | 'table' | 'segment'
  readonly file: string
  readonly offset: number
  /** Bytes; 0 unknown. */
  readonly length: number
  readonly why: string
  /** Of a segment: how many values that counted cannot be read any more. Their entries are left out. */
  readonly values?: number
  /** Between these keys, both included, entries are missing, and older values or deleted keys may show. */
  readonly keys?: { readonly first: Uint8Array; readonly last: Uint8Array }
}

export interface RepairReport {
  /** `'kept'`: the manifest was whole, and only what it names counts. */
  readonly manifest: 'kept' | 'rebuilt'
  readonly kept: {
    /** Tables that stay as they are. */
    readonly tables: number
    /** Damaged or misplaced tables, and tables with values in such segments, whose sound entries were copied into new
     * ones. */
    readonly salvagedTables: number
    /** Segments that stay as they are. */
    readonly segments: number
    /** Damaged or misplaced segments of which values were copied into new ones. */
    readonly salvagedSegments: number
    /** Entries of all tables there are now. */
    readonly entries: number
    /** Records read from logs. */
    readonly logRecords: number
  }
  readonly lost: readonly Loss[]
  /** What was decided and why, and what cannot be known. */
  readonly notes: readonly string[]
  /** Files that are not part of the database any more; nothing is deleted. */
  readonly moved: { readonly to: string; readonly names: readonly string[] }
}

export class RepairNotes {
  readonly lost: Loss[] = []
  readonly notes: string[] = []
  tables = 0
  salvagedTables = 0
  segments = 0
  salvagedSegments = 0
  logRecords = 0

  loss(loss: Loss): void {
    this.lost.push(loss)
  }

  note(text: string): void {
    this.notes.push(text)
  }
}

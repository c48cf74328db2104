// The one interface every store is measured through. A peer that lacks a call leaves it undefined and its cell
// stays empty.

export interface PeerSettings {
  /** Bytes written before a store may have to flush. */
  readonly memtableBytes: number
}

export interface SettleReport {
  /** Share of all entries that lie in sorted tables on disk; undefined: the store does not tell. */
  readonly tableShare: number | undefined
  readonly layout: string
}

export type Pair = readonly [key: Buffer, value: Buffer]

export interface PeerStore {
  /** One atomic commit. */
  writeBatch(pairs: readonly Pair[]): Promise<void>
  put(key: Buffer, value: Buffer): Promise<void>
  getSync(key: Buffer): Uint8Array | undefined
  get(key: Buffer): Promise<Uint8Array | undefined>
  /** The whole range in key order, page by page. */
  scan(visit: (page: readonly Pair[]) => void): Promise<void>
  /** Ends all background work, as a database at rest would have. */
  settle(): Promise<SettleReport>
  /** Milliseconds its background threads were busy, all together; undefined: not told. */
  busyMs(): number | undefined
  close(): Promise<void>
}

export interface Peer {
  readonly name: string
  /** When a write is acked, in words. */
  readonly durability: string
  /** False: nothing on disk, so no reopening; and answers of `null` are not checked. */
  readonly persistent: boolean
  readonly answers: boolean
  open(location: string, settings: PeerSettings): Promise<PeerStore>
}

// Tables without entries: a key range, and what lies in it as expectations. Pure. Keys are places in [0, KEY_SPACE);
// the keys there are lie evenly in it, and of each table only sums are known, so a merge adds densities.
import type { TableMeta } from '../../manifest/levels.ts'
import type { CompactionPlan } from '../plan.ts'
import type { Traffic } from './workload.ts'

/** Places: as many as six bytes tell apart. */
export const KEY_SPACE: number = 2 ** 48

/** Sums over a range of keys. Two tables of one range have nothing in common but chance. */
export interface Contents {
  /** Keys the first write of which is here. */
  readonly loaded: number
  /** Later writes, and among them those whose tombstones are gone. */
  readonly drawn: number
  readonly gone: number
}

export interface SyntheticTable extends TableMeta, Contents {
  /** Places [from, to). */
  readonly from: number
  readonly to: number
}

export type SyntheticLevels = readonly (readonly SyntheticTable[])[]

export interface Piece extends Contents {
  readonly from: number
  readonly to: number
}

interface Amount {
  readonly entries: number
  readonly tombstones: number
  readonly bytes: number
}

/** Entries expected where so much was written: one for each key, its newest. */
export function amountOf(piece: Piece, traffic: Traffic): Amount {
  const { from, to, loaded, drawn, gone } = piece
  const keys = (traffic.keys * (to - from)) / KEY_SPACE
  if (keys <= 0) return { entries: 0, tombstones: 0, bytes: 0 }
  const drawnShare = traffic.drawnShare(drawn / keys)
  const { deletedShare } = traffic
  const puts = keys * drawnShare * (1 - deletedShare) + (1 - drawnShare) * loaded
  const tombstones = keys * deletedShare * traffic.drawnShare((drawn - gone) / keys)
  const bytes = puts * traffic.putBytes + tombstones * traffic.tombstoneBytes
  return { entries: puts + tombstones, tombstones, bytes }
}

export interface Cutting {
  readonly traffic: Traffic
  readonly tableSize: number
  /** The next table's number. */
  readonly next: () => number
}

/** Versions count flushes here. */
export interface Versions {
  readonly smallest: number
  readonly largest: number
}

/** Pieces in key order, cut into tables. */
export function cutTables(
  pieces: readonly Piece[],
  versions: Versions,
  { traffic, tableSize, next }: Cutting,
): SyntheticTable[] {
  const tables: SyntheticTable[] = []
  let open = new OpenTable()
  const close = (): void => {
    const table = open.finish(versions, next)
    if (table !== undefined) tables.push(table)
    open = new OpenTable()
  }
  for (const piece of pieces) {
    let rest = piece
    for (;;) {
      const amount = amountOf(rest, traffic)
      const room = tableSize - open.bytes
      if (amount.bytes < room || rest.to - rest.from < 2) {
        open.add(rest, amount)
        break
      }
      const [head, tail] = split(rest, Math.max(room / amount.bytes, 0))
      if (head !== undefined) open.add(head, amountOf(head, traffic))
      close()
      if (tail === undefined) break
      rest = tail
    }
  }
  close()
  return tables
}

/** The first share of a piece, and the rest. */
function split(piece: Piece, share: number): [Piece | undefined, Piece | undefined] {
  const width = piece.to - piece.from
  const at = piece.from + Math.min(width, Math.max(1, Math.round(width * share)))
  return [part(piece, piece.from, at), part(piece, at, piece.to)]
}

function part(piece: Piece, from: number, to: number): Piece | undefined {
  if (from >= to) return undefined
  const share = (to - from) / (piece.to - piece.from)
  const { loaded, drawn, gone } = piece
  return { from, to, loaded: loaded * share, drawn: drawn * share, gone: gone * share }
}

class OpenTable {
  bytes = 0
  #from = -1
  #to = 0
  #entries = 0
  #tombstones = 0
  #loaded = 0
  #drawn = 0
  #gone = 0

  add(piece: Piece, amount: Amount): void {
    if (amount.entries === 0) return
    if (this.#from < 0) this.#from = piece.from
    this.#to = piece.to
    this.#loaded += piece.loaded
    this.#drawn += piece.drawn
    this.#gone += piece.gone
    this.bytes += amount.bytes
    this.#entries += amount.entries
    this.#tombstones += amount.tombstones
  }

  /** undefined: nothing was added. */
  finish(versions: Versions, next: () => number): SyntheticTable | undefined {
    if (this.#from < 0) return undefined
    return {
      number: next(),
      size: this.bytes,
      salt: '',
      entries: this.#entries,
      tombstones: this.#tombstones,
      earliestExpiry: 0,
      latestExpiry: 0,
      smallestVersion: versions.smallest,
      largestVersion: versions.largest,
      baseVersion: 0,
      largestBlock: 0,
      newestWal: 0,
      smallestKey: keyAt(this.#from),
      largestKey: keyAt(this.#to - 1),
      from: this.#from,
      to: this.#to,
      loaded: this.#loaded,
      drawn: this.#drawn,
      gone: this.#gone,
    }
  }
}

function keyAt(place: number): Buffer {
  const key = Buffer.allocUnsafe(6)
  key.writeUIntBE(place, 0, 6)
  return key
}

/** What a compaction of these tables writes. */
export function mergeTables(
  tables: readonly SyntheticTable[],
  plan: CompactionPlan,
  cutting: Cutting,
): SyntheticTable[] {
  const versions = {
    smallest: tables.reduce((least, table) => Math.min(least, table.smallestVersion), Infinity),
    largest: tables.reduce((most, table) => Math.max(most, table.largestVersion), 0),
  }
  const pieces = overlay(tables)
  const kept = plan.dropTombstones ? pieces.map((each) => ({ ...each, gone: each.drawn })) : pieces
  return cutTables(kept, versions, cutting)
}

/** The sums of all tables, between any two of their bounds. */
function overlay(tables: readonly SyntheticTable[]): Piece[] {
  const coming = [...tables].sort((a, b) => a.from - b.from)
  const bounds = [...new Set(tables.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b)
  const pieces: Piece[] = []
  let here: SyntheticTable[] = []
  let taken = 0
  for (let i = 0; i + 1 < bounds.length; i += 1) {
    const from = bounds[i]!
    const to = bounds[i + 1]!
    here = here.filter((table) => table.to > from)
    while (taken < coming.length && coming[taken]!.from <= from) {
      here.push(coming[taken]!)
      taken += 1
    }
    if (here.length === 0) continue
    const sum = { from, to, loaded: 0, drawn: 0, gone: 0 }
    for (const table of here) {
      const share = (to - from) / (table.to - table.from)
      sum.loaded += table.loaded * share
      sum.drawn += table.drawn * share
      sum.gone += table.gone * share
    }
    pieces.push(sum)
  }
  return pieces
}

// Tables without entries: a key range, and what lies in it as expectations. Pure. Keys are places in [0, KEY_SPACE);
// the keys there are lie evenly in it, and of each table only means are known, so a merge adds up strata.
import type { SegmentUse } from '../../format/segments/segment-meta.ts'
import type { TableMeta } from '../../manifest/levels.ts'
import {
  gathered,
  mixed,
  NO_SEGMENT,
  overlaid,
  putsOf,
  relocated,
  type Strata,
  sumOf,
} from './strata.ts'
import type { Traffic } from './workload.ts'

/** Places: as many as six bytes tell apart. */
export const KEY_SPACE: number = 2 ** 48

/** A range of keys that are all alike. Two tables of one range have nothing in common but chance. */
export interface Piece {
  /** Places [from, to). */
  readonly from: number
  readonly to: number
  readonly strata: Strata
  /** Of the writes per key, the newest ones whose tombstones are not gone. */
  readonly buried: number
}

/** Fewer puts per key than this are none: all of them are hidden, but for what rounding leaves. */
const UNSEEN = 1e-9
/** A table of more strata has them gathered. */
const STRATA_SOUGHT = 64

export interface SyntheticTable extends TableMeta, Piece {
  /** Of the file, and of the values it points to. */
  readonly weight: number
  /** One for each stratum with values in a segment, so perhaps several for one segment. */
  readonly segments?: readonly SegmentUse[]
}

export type SyntheticLevels = readonly (readonly SyntheticTable[])[]

interface Amount {
  readonly entries: number
  readonly tombstones: number
  /** Of the file. */
  readonly bytes: number
  /** Of the values in segments. */
  readonly values: number
}

/** Entries expected where so much was written: one for each key, its newest. */
export function amountOf({ from, to, strata, buried }: Piece, traffic: Traffic): Amount {
  const keys = (traffic.keys * (to - from)) / KEY_SPACE
  const { loaded, drawn } = sumOf(strata)
  const drawnShare = traffic.drawnShare(drawn)
  const { deletedShare, sizes } = traffic
  const puts = keys * (drawnShare * (1 - deletedShare) + (1 - drawnShare) * loaded)
  const tombstones = keys * deletedShare * traffic.drawnShare(buried)
  return {
    entries: puts + tombstones,
    tombstones,
    bytes: puts * sizes.put.table + tombstones * sizes.tombstone.table,
    values: puts * sizes.put.segment,
  }
}

/** A table is cut after so many bytes. */
export interface TableLimits {
  readonly bytes: number
  /** Of values in segments. */
  readonly values: number
}

export interface Cutting {
  readonly traffic: Traffic
  readonly limits: TableLimits
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
  { traffic, limits, next }: Cutting,
): SyntheticTable[] {
  const tables: SyntheticTable[] = []
  let open = new OpenTable(traffic)
  const close = (): void => {
    const table = open.finish(versions, next)
    if (table !== undefined) tables.push(table)
    open = new OpenTable(traffic)
  }
  for (const piece of pieces) {
    let rest = piece
    for (;;) {
      const amount = amountOf(rest, traffic)
      const share = open.shareThatFits(amount, limits)
      if (share > 1 || rest.to - rest.from < 2) {
        open.add(rest, amount)
        break
      }
      const [head, tail] = split(rest, share)
      open.add(head, amountOf(head, traffic))
      close()
      if (tail === undefined) break
      rest = tail
    }
  }
  close()
  return tables
}

/** The first share of a piece, and the rest. */
function split(piece: Piece, share: number): [Piece, Piece | undefined] {
  const { from, to } = piece
  const width = to - from
  const at = from + Math.min(width, Math.max(1, Math.round(width * share)))
  return [{ ...piece, to: at }, at < to ? { ...piece, from: at } : undefined]
}

class OpenTable {
  readonly #traffic: Traffic
  #bytes = 0
  #values = 0
  #from = 0
  #to = 0
  #entries = 0
  #tombstones = 0
  /** Places that pieces cover. */
  #places = 0
  #strata: Strata = []
  #buried = 0

  constructor(traffic: Traffic) {
    this.#traffic = traffic
  }

  /** Above 1: it fits as a whole. */
  shareThatFits(amount: Amount, limits: TableLimits): number {
    const share = (room: number, wanted: number): number =>
      wanted === 0 || wanted < room ? Number.POSITIVE_INFINITY : Math.max(0, room / wanted)
    return Math.min(
      share(limits.bytes - this.#bytes, amount.bytes),
      share(limits.values - this.#values, amount.values),
    )
  }

  add({ from, to, strata, buried }: Piece, amount: Amount): void {
    if (amount.entries === 0) return
    if (this.#places === 0) this.#from = from
    this.#to = to
    const places = to - from
    const before = this.#places / (this.#places + places)
    this.#strata = before === 0 ? strata : mixed(this.#strata, before, strata, 1 - before)
    this.#buried = this.#buried * before + buried * (1 - before)
    this.#places += places
    this.#bytes += amount.bytes
    this.#values += amount.values
    this.#entries += amount.entries
    this.#tombstones += amount.tombstones
  }

  /** undefined: nothing was added. */
  finish(versions: Versions, next: () => number): SyntheticTable | undefined {
    if (this.#places === 0) return undefined
    const { put, tombstone } = this.#traffic.sizes
    const plain =
      (this.#entries - this.#tombstones) * put.plain + this.#tombstones * tombstone.plain
    // Between pieces there may be gaps.
    const covered = this.#places / (this.#to - this.#from)
    const mean = covered === 1 ? this.#strata : mixed(this.#strata, covered, [], 0)
    const { strata, uses } = this.#placed(mean)
    return {
      number: next(),
      size: this.#bytes,
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
      ...(put.plain === put.table ? {} : { packing: { codec: 1, payloadBytes: plain } }),
      ...(uses.length === 0 ? {} : { segments: uses }),
      weight: this.#bytes + uses.reduce((sum, { bytes }) => sum + bytes, 0),
      from: this.#from,
      to: this.#to,
      strata,
      buried: this.#buried * covered,
    }
  }

  /** The strata of which something is seen, and what of each. */
  #placed(strata: Strata): { readonly strata: Strata; readonly uses: readonly SegmentUse[] } {
    if (!this.#traffic.separates) return { strata, uses: [] }
    const keys = (this.#traffic.keys * (this.#to - this.#from)) / KEY_SPACE
    const bytes = keys * this.#traffic.sizes.put.segment
    const fewer = strata.length > STRATA_SOUGHT ? gathered(strata, this.#traffic) : strata
    const puts = putsOf(fewer, this.#traffic)
    // What has no value is not seen, but hides what is older.
    const kept = fewer.filter(({ segment }, i) => segment === NO_SEGMENT || puts[i]! > UNSEEN)
    const uses: SegmentUse[] = []
    fewer.forEach(({ segment: number }, i) => {
      const seen = puts[i]!
      if (number !== NO_SEGMENT && seen > UNSEEN) uses.push({ number, bytes: seen * bytes })
    })
    return { strata: kept, uses }
  }
}

function keyAt(place: number): Buffer {
  const key = Buffer.allocUnsafe(6)
  key.writeUIntBE(place, 0, 6)
  return key
}

/** What becomes of what a merge reads. */
export interface Merging extends Cutting {
  readonly dropTombstones: boolean
  /** Values in these segments go to the segment `to`. */
  readonly relocate: ReadonlySet<number>
  readonly to: number
}

/** The table, with the values of one segment in another. */
export function renamed(table: SyntheticTable, from: number, to: number): SyntheticTable {
  const { segments = [] } = table
  const uses = segments.map((use) => (use.number === from ? { ...use, number: to } : use))
  return { ...table, strata: relocated(table.strata, new Set([from]), to), segments: uses }
}

/** What a compaction of these tables, the newest first, writes. */
export function mergeTables(tables: readonly SyntheticTable[], merging: Merging): SyntheticTable[] {
  const versions = {
    smallest: tables.reduce((least, table) => Math.min(least, table.smallestVersion), Infinity),
    largest: tables.reduce((most, table) => Math.max(most, table.largestVersion), 0),
  }
  const { dropTombstones, relocate, to } = merging
  const pieces = overlay(tables).map((piece) => {
    const strata = relocate.size === 0 ? piece.strata : relocated(piece.strata, relocate, to)
    return { ...piece, strata, buried: dropTombstones ? 0 : piece.buried }
  })
  return cutTables(pieces, versions, merging)
}

/** What all tables together have between any two of their bounds. */
function overlay(tables: readonly SyntheticTable[]): Piece[] {
  const order = new Map(tables.map((table, i) => [table, i]))
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
    here.sort((a, b) => order.get(a)! - order.get(b)!)
    const buried = here.reduce((sum, table) => sum + table.buried, 0)
    pieces.push({ from, to, strata: overlaid(here.map(({ strata }) => strata)), buried })
  }
  return pieces
}

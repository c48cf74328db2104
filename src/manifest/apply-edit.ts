// The manifest's state and how an edit changes it. Pure: a state is never modified, and an edit
// that contradicts the state changes nothing. Invariant: files are unique by number, levels below 0 are
// sorted and disjoint, every segment a table refers to is there.
import { compareBytes } from '../base/bytes.ts'
import { SettError } from '../base/errors.ts'
import { LEVEL_COUNT } from '../base/limits.ts'
import type { ManifestEdit, TableAddition, TablePlace } from '../format/manifest-edit.ts'
import type { SegmentMeta } from '../format/segments/segment-meta.ts'
import { SEGMENT_FRAME_BYTES } from '../format/segments/segment-part.ts'
import type { Levels, TableMeta } from './levels.ts'

export interface WalState {
  readonly number: number
  /** 16 hex digits */
  readonly salt: string
  readonly sealed?: {
    readonly length: number
    readonly lastVersion: number
    readonly digest: string
  }
}

export interface ManifestState {
  readonly levels: Levels
  /** By number, so in the order they were written. */
  readonly wals: readonly WalState[]
  /** By number. */
  readonly segments: readonly SegmentMeta[]
  /** Above every number ever named. */
  readonly nextFileNumber: number
  readonly lastVersion: number
  readonly historyFloor: number
  readonly retentionFloors: ReadonlyMap<string, number>
  /** Number of the edit that made this state. */
  readonly editNumber: number
}

/** Called with what contradicts; must throw. */
export type RejectEdit = (what: string) => never

export const EMPTY_STATE: ManifestState = {
  levels: Array.from({ length: LEVEL_COUNT }, () => []),
  wals: [],
  segments: [],
  nextFileNumber: 1,
  lastVersion: 0,
  historyFloor: 0,
  retentionFloors: new Map(),
  editNumber: 0,
}

const rejectAsBug: RejectEdit = (what) => {
  throw new SettError('SETT_INTERNAL', `A manifest edit contradicts the state: ${what}.`)
}

/** The state after `edit`, numbered one higher. */
export function applyEdit(
  state: ManifestState,
  edit: ManifestEdit,
  reject: RejectEdit = rejectAsBug,
): ManifestState {
  const base = edit.snapshot === true ? EMPTY_STATE : state
  const levels = changeLevels(base.levels, edit, reject)
  const wals = changeWals(base.wals, edit, reject)
  const segments = changeSegments(base.segments, edit, reject)
  const numbers = [
    ...(edit.tablesAdded ?? []).map(({ table }) => table.number),
    ...(edit.walsAdded ?? []).map(({ number }) => number),
    ...(edit.segmentsAdded ?? []).map(({ number }) => number),
  ]
  requireOneKind({ levels, wals, segments }, numbers, reject)
  requireSegments({ levels, segments }, edit, reject)
  return {
    levels,
    wals,
    segments,
    nextFileNumber: numbers.reduce(
      (next, number) => Math.max(next, number + 1),
      Math.max(base.nextFileNumber, edit.nextFileNumber ?? 0),
    ),
    lastVersion: Math.max(base.lastVersion, edit.lastVersion ?? 0),
    historyFloor: Math.max(base.historyFloor, edit.historyFloor ?? 0),
    retentionFloors: changeFloors(base.retentionFloors, edit, reject),
    editNumber: state.editNumber + 1,
  }
}

/** How many files it names. */
export function namedFiles({ levels, wals, segments }: ManifestState): number {
  return levels.flat().length + wals.length + segments.length
}

/** The edit that makes `state` out of nothing. */
export function snapshotEdit(state: ManifestState): ManifestEdit {
  const sealed = state.wals.flatMap((wal) =>
    wal.sealed === undefined ? [] : [{ number: wal.number, ...wal.sealed }],
  )
  return {
    snapshot: true,
    nextFileNumber: state.nextFileNumber,
    lastVersion: state.lastVersion,
    historyFloor: state.historyFloor,
    tablesAdded: state.levels.flatMap((tables, level) => tables.map((table) => ({ level, table }))),
    walsAdded: state.wals.map(({ number, salt }) => ({ number, salt })),
    walsSealed: sealed,
    segmentsAdded: state.segments,
    retentionFloors: [...state.retentionFloors].map(([name, version]) => ({ name, version })),
  }
}

function changeLevels(levels: Levels, edit: ManifestEdit, reject: RejectEdit): Levels {
  const removed = edit.tablesRemoved ?? []
  const added = edit.tablesAdded ?? []
  if (removed.length === 0 && added.length === 0) return levels
  const kept = withoutTables(levels, removed, reject)
  const result = withTables(kept, added)
  const touched = new Set([...removed, ...added].map(({ level }) => level))
  for (const level of touched) if (level > 0) requireDisjoint(result[level]!, level, reject)
  if (added.length > 0) requireUnique(result, reject)
  return result
}

function withoutTables(levels: Levels, removed: readonly TablePlace[], reject: RejectEdit): Levels {
  if (removed.length === 0) return levels
  const gone = levels.map(() => new Set<number>())
  for (const { level, number } of removed) {
    if (gone[level]!.has(number)) reject(`table ${number} is removed twice from level ${level}`)
    gone[level]!.add(number)
  }
  return levels.map((tables, level) => {
    const numbers = gone[level]!
    if (numbers.size === 0) return tables
    const left = tables.filter(({ number }) => !numbers.has(number))
    if (left.length + numbers.size !== tables.length) {
      reject(`a table is removed from level ${level} that is not there`)
    }
    return left
  })
}

function withTables(levels: Levels, added: readonly TableAddition[]): Levels {
  return levels.map((tables, level) => {
    const more = added.filter((addition) => addition.level === level)
    if (more.length === 0) return tables
    const all = [...tables, ...more.map(({ table }) => table)]
    return all.sort(level === 0 ? newestFirst : byKey)
  })
}

/**
 * Flushes are in commit order, so versions order level 0; number decides between tables of one
 * flush.
 */
function newestFirst(a: TableMeta, b: TableMeta): number {
  return b.largestVersion - a.largestVersion || b.number - a.number
}

function byKey(a: TableMeta, b: TableMeta): number {
  return compareBytes(a.smallestKey, b.smallestKey)
}

function requireDisjoint(tables: readonly TableMeta[], level: number, reject: RejectEdit): void {
  for (let i = 1; i < tables.length; i += 1) {
    const before = tables[i - 1]!
    const table = tables[i]!
    if (compareBytes(before.largestKey, table.smallestKey) >= 0) {
      reject(`tables ${before.number} and ${table.number} of level ${level} overlap`)
    }
  }
}

function requireUnique(levels: Levels, reject: RejectEdit): void {
  const seen = new Set<number>()
  for (const { number } of levels.flat()) {
    if (seen.has(number)) reject(`table ${number} is there twice`)
    seen.add(number)
  }
}

function requireOneKind(
  { levels, wals, segments }: Pick<ManifestState, 'levels' | 'wals' | 'segments'>,
  added: readonly number[],
  reject: RejectEdit,
): void {
  if (added.length === 0) return
  const wanted = new Set(added)
  const found = new Set<number>()
  for (const files of [wals, segments, ...levels]) {
    for (const { number } of files) {
      if (!wanted.has(number)) continue
      // Of one kind no number is there twice.
      if (found.has(number)) reject(`file ${number} is of two kinds`)
      found.add(number)
    }
  }
}

/** Only an edit that adds tables or drops segments can leave a table without one of its segments. */
function requireSegments(
  { levels, segments }: Pick<ManifestState, 'levels' | 'segments'>,
  edit: ManifestEdit,
  reject: RejectEdit,
): void {
  for (const { table } of edit.tablesAdded ?? []) {
    for (const { number, bytes } of table.segments ?? []) {
      const segment = withNumber(segments, number)
      if (segment === undefined) {
        reject(`table ${table.number} refers to segment ${number}, which is not there`)
      } else if (bytes > segment.size - SEGMENT_FRAME_BYTES) {
        reject(`table ${table.number} refers to more than segment ${number} holds`)
      }
    }
  }
  for (const number of edit.segmentsDropped ?? []) {
    const isIn = (table: TableMeta): boolean =>
      withNumber(table.segments ?? [], number) !== undefined
    const user = levels.flat().find(isIn)
    if (user === undefined) continue
    reject(`table ${user.number} refers to segment ${number}, which is not there`)
  }
}

/** In a list by number. */
function withNumber<T extends { readonly number: number }>(
  list: readonly T[],
  number: number,
): T | undefined {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (list[middle]!.number < number) low = middle + 1
    else high = middle
  }
  return list[low]?.number === number ? list[low] : undefined
}

function changeSegments(
  segments: readonly SegmentMeta[],
  { segmentsAdded = [], segmentsDropped = [] }: ManifestEdit,
  reject: RejectEdit,
): readonly SegmentMeta[] {
  if (segmentsAdded.length + segmentsDropped.length === 0) return segments
  const added = [...segmentsAdded].sort((a, b) => a.number - b.number)
  const isTwice = ({ number }: SegmentMeta, i: number): boolean =>
    added[i - 1]?.number === number || withNumber(segments, number) !== undefined
  const twice = added.find(isTwice)
  if (twice !== undefined) reject(`segment ${twice.number} is there twice`)
  const all = [...segments, ...added]
  // Numbers rise, so new ones stand at the end nearly always.
  const inOrder = added.length === 0 || added[0]!.number > (segments.at(-1)?.number ?? 0)
  if (!inOrder) all.sort((a, b) => a.number - b.number)
  const gone = new Set<number>()
  for (const number of segmentsDropped) {
    const there = withNumber(all, number) !== undefined && !gone.has(number)
    if (!there) reject(`segment ${number} is dropped but not there`)
    gone.add(number)
  }
  return gone.size === 0 ? all : all.filter(({ number }) => !gone.has(number))
}

function changeWals(
  wals: readonly WalState[],
  edit: ManifestEdit,
  reject: RejectEdit,
): readonly WalState[] {
  const { walsAdded = [], walsSealed = [], walsDropped = [] } = edit
  if (walsAdded.length + walsSealed.length + walsDropped.length === 0) return wals
  const byNumber = new Map(wals.map((wal) => [wal.number, wal]))
  let newest = wals.at(-1)?.number ?? 0
  for (const { number, salt } of walsAdded) {
    if (number <= newest) reject(`WAL ${number} is added behind WAL ${newest}`)
    newest = number
    byNumber.set(number, { number, salt })
  }
  for (const { number, ...sealed } of walsSealed) {
    const wal = byNumber.get(number)
    if (wal === undefined) reject(`WAL ${number} is sealed but not there`)
    else if (wal.sealed !== undefined) reject(`WAL ${number} is sealed twice`)
    else byNumber.set(number, { ...wal, sealed })
  }
  for (const number of walsDropped) {
    if (!byNumber.delete(number)) reject(`WAL ${number} is dropped but not there`)
  }
  return [...byNumber.values()]
}

function changeFloors(
  floors: ReadonlyMap<string, number>,
  edit: ManifestEdit,
  reject: RejectEdit,
): ReadonlyMap<string, number> {
  const { retentionFloors = [], retentionFloorsRemoved = [] } = edit
  if (retentionFloors.length + retentionFloorsRemoved.length === 0) return floors
  const changed = new Map(floors)
  for (const name of retentionFloorsRemoved) {
    if (!changed.delete(name)) reject('a retention floor is removed that is not there')
  }
  for (const { name, version } of retentionFloors) changed.set(name, version)
  return changed
}

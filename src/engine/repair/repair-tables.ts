// Tables of a repair: those that are whole stay, of the others what verifies is copied into new ones. Main
// thread.

import { compareBytes } from '../../base/bytes.ts'
import { VERSION_MAX } from '../../base/limits.ts'
import { plainBytes } from '../../format/table-meta.ts'
import { type DirectoryEntry, notAFile } from '../../inspect/directory-entries.ts'
import { readHeader } from '../../inspect/file-heads.ts'
import { tablePath } from '../../io/file-names.ts'
import type { CompactSpec, SalvageResult, SalvageSpec, TablesResult } from '../../jobs/job.ts'
import { compactWorkspaceBytes, salvageWorkspaceBytes } from '../../jobs/workspace.ts'
import type { Levels, TableMeta } from '../../manifest/levels.ts'
import type { Workshop } from './workshop.ts'

/** What a table nobody knows may hold, as a multiple of its size; such as compress better are rare. */
const UNPACKED = 8

/** Tables where the manifest has them; what is not there or not whole is told. */
export async function tablesNamed(
  shop: Workshop,
  levels: Levels,
  entries: readonly DirectoryEntry[],
): Promise<TableMeta[][]> {
  const found: TableMeta[][] = []
  for (const tables of levels) {
    const level: TableMeta[] = []
    for (const meta of tables) level.push(...(await namedTable(shop, meta, entries)))
    found.push(level)
  }
  return found
}

/** Every table of the directory, without a manifest. */
export async function tablesFound(
  shop: Workshop,
  entries: readonly DirectoryEntry[],
): Promise<TableMeta[]> {
  const found: TableMeta[] = []
  for (const entry of entries) {
    if (entry.file?.kind !== 'sst') continue
    const strange = notAFile(entry)
    if (strange !== undefined) {
      shop.notes.note(`${entry.name} is ${strange}, which is not followed`)
      continue
    }
    const number = readHeader(shop.fs, entry.path, 'sst')?.number ?? entry.file.number
    const twin = number !== entry.file.number && isTable(shop, entries, number)
    if (twin) shop.notes.note(`${entry.name} is a copy of table ${number}; it is left out`)
    else found.push(...(await salvage(shop, entry, undefined)).tables)
  }
  return found
}

function isTable(shop: Workshop, entries: readonly DirectoryEntry[], number: number): boolean {
  const own = entries.find(({ file }) => file?.kind === 'sst' && file.number === number)
  return own?.kind === 'file' && readHeader(shop.fs, own.path, 'sst')?.number === number
}

async function namedTable(
  shop: Workshop,
  meta: TableMeta,
  entries: readonly DirectoryEntry[],
): Promise<readonly TableMeta[]> {
  const tables = entries.filter(({ file, kind }) => file?.kind === 'sst' && kind === 'file')
  const own = tables.find(({ file }) => file?.number === meta.number)
  const other = tables.find((entry) => entry !== own && isThatTable(shop, entry, meta))
  const ownIsIt = own !== undefined && (other === undefined || isThatTable(shop, own, meta))
  if (own !== undefined && ownIsIt) {
    const { tables: good, number } = await salvage(shop, own, meta)
    if (number === meta.number || good.length > 0) return good
  }
  if (other !== undefined) {
    shop.notes.note(`Table ${meta.number} was found as ${other.name}`)
    return (await salvage(shop, other, meta)).tables
  }
  if (own === undefined) {
    const entry = entries.find(({ file }) => file?.kind === 'sst' && file.number === meta.number)
    const why = entry === undefined ? 'the file is missing' : `it is ${notAFile(entry)}`
    const { smallestKey: first, largestKey: last, size: length } = meta
    const file = tablePath(shop.directory, meta.number)
    shop.notes.loss({ kind: 'table', file, offset: 0, length, why, keys: { first, last } })
  }
  return []
}

function isThatTable(shop: Workshop, { path }: DirectoryEntry, meta: TableMeta): boolean {
  const header = readHeader(shop.fs, path, 'sst')
  return header?.number === meta.number && header.salt.toString('hex') === meta.salt
}

async function salvage(
  shop: Workshop,
  entry: DirectoryEntry,
  meta: TableMeta | undefined,
): Promise<{ readonly tables: readonly TableMeta[]; readonly number: number }> {
  const { notes } = shop
  const { whole, tables, number, lost, damage, lostValues } = await copySound(shop, entry, meta)
  if (whole !== undefined) {
    notes.tables += 1
    return { tables: [whole], number }
  }
  if (tables.length > 0) notes.salvagedTables += 1
  for (const { file: path, offset, length, expected, found, keys } of lost) {
    const why = `expected ${expected}, found ${found}`
    // Without an index only the bounds of the table are known.
    const bounds =
      meta === undefined ? undefined : { first: meta.smallestKey, last: meta.largestKey }
    const range = keys ?? bounds
    const known = range === undefined ? {} : { keys: range }
    notes.loss({ kind: 'table', file: path, offset, length, why, ...known })
  }
  if (lost.length + lostValues.length === 0) {
    for (const { offset, expected, found } of damage) {
      const what = `${entry.name} at offset ${offset}: expected ${expected}, found ${found}`
      notes.note(`${what}; every entry of it was saved`)
    }
  }
  return { tables, number }
}

async function copySound(
  shop: Workshop,
  { file, size }: Pick<DirectoryEntry, 'file' | 'size'>,
  meta: TableMeta | undefined,
): Promise<SalvageResult> {
  const { directory, shape, segments } = shop
  const bytes = Math.max(size, meta?.size ?? 0)
  const result = await shop.run<SalvageResult>(
    salvageWorkspaceBytes(shape, bytes),
    (workspace): SalvageSpec => ({
      kind: 'salvage',
      directory,
      file: file?.number ?? 0,
      ...(meta === undefined ? {} : { meta }),
      segments: segments.places,
      shape,
      numbers: shop.outputs(meta === undefined ? UNPACKED * bytes : plainBytes(meta), 1),
      workspace,
    }),
  )
  segments.take(result)
  return result
}

/** Of a table this repair has written: the table, or copies of it if its values lie in segments that do not stay. */
export async function onSoundSegments(
  shop: Workshop,
  meta: TableMeta,
): Promise<readonly TableMeta[]> {
  if (shop.segments.allStay(meta)) return [meta]
  const { number, size } = meta
  const { tables } = await copySound(shop, { file: { kind: 'sst', number }, size }, meta)
  return tables
}

/** Tables of any age in one level: those that overlap are merged, by key and version; nothing is dropped but
 * versions that a newer one of their key hides. */
export async function mergeAll(shop: Workshop, tables: readonly TableMeta[]): Promise<TableMeta[]> {
  const merged: TableMeta[] = []
  for (const cluster of clusters(tables)) {
    if (cluster.length === 1) merged.push(...cluster)
    else merged.push(...(await merge(shop, cluster)))
  }
  return merged
}

async function merge(shop: Workshop, tables: readonly TableMeta[]): Promise<readonly TableMeta[]> {
  const { directory, shape } = shop
  const sources = runs(tables)
  const largest = tables.reduce((most, { largestBlock }) => Math.max(most, largestBlock), 0)
  const bytes = tables.reduce((sum, table) => sum + plainBytes(table), 0)
  const result = await shop.run<TablesResult>(
    compactWorkspaceBytes(shape, sources.length, largest) + 8 * tables.length,
    (workspace): CompactSpec => ({
      kind: 'compact',
      directory,
      sources,
      outputLevel: 0,
      shape,
      numbers: shop.outputs(bytes, tables.length),
      workspace,
      snapshots: [VERSION_MAX],
      // What a lost table held may have been older.
      dropTombstones: false,
    }),
  )
  shop.segments.add(result.segments)
  return result.tables
}

function bySmallestKey(a: TableMeta, b: TableMeta): number {
  return compareBytes(a.smallestKey, b.smallestKey)
}

/** Groups between which no key is shared. */
function clusters(tables: readonly TableMeta[]): TableMeta[][] {
  const groups: TableMeta[][] = []
  let end: Uint8Array | undefined
  for (const table of [...tables].sort(bySmallestKey)) {
    const last = groups.at(-1)
    if (last !== undefined && end !== undefined && compareBytes(table.smallestKey, end) <= 0) {
      last.push(table)
      if (compareBytes(table.largestKey, end) > 0) end = table.largestKey
    } else {
      groups.push([table])
      end = table.largestKey
    }
  }
  return groups
}

/** As few runs as possible, each by key and disjoint. */
function runs(tables: readonly TableMeta[]): TableMeta[][] {
  const all: TableMeta[][] = []
  for (const table of [...tables].sort(bySmallestKey)) {
    const run = all.find((each) => {
      const last = each.at(-1)
      return last !== undefined && compareBytes(last.largestKey, table.smallestKey) < 0
    })
    if (run === undefined) all.push([table])
    else run.push(table)
  }
  return all
}

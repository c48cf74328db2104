// Repairs the directory of a database that does not open, or not wholly: reads what is there, writes what is
// missing under new numbers, and switches to a new manifest in one step; only then is anything moved. Main
// thread. A crash at any moment leaves the old state or the new one, and repairing again is right in both.
import { resolve } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { SettError } from '../../base/errors.ts'
import { LEVEL_COUNT } from '../../base/limits.ts'
import type { ResolvedOptions } from '../../base/options.ts'
import { systemRandom } from '../../base/random.ts'
import { checkVersionOrder } from '../../compaction/invariant.ts'
import { type DirectoryEntry, listEntries } from '../../inspect/directory-entries.ts'
import { lostFoundPath, segmentPath, tablePath } from '../../io/file-names.ts'
import type { OpenFile } from '../../io/file-system.ts'
import { nodeFileSystem } from '../../io/node-file-system.ts'
import type { VerifyResult, VerifySpec } from '../../jobs/job.ts'
import { verifyWorkspaceBytes } from '../../jobs/workspace.ts'
import { wasmKernels } from '../../kernel/wasm-kernels.ts'
import { EMPTY_STATE, type ManifestState } from '../../manifest/apply-edit.ts'
import type { TableMeta } from '../../manifest/levels.ts'
import { ManifestLog } from '../../manifest/manifest-log.ts'
import { FileNumbering } from '../file-numbering.ts'
import { createExecutor, lockDirectory, Undo } from '../open.ts'
import type { Environment } from '../types.ts'
import { findAuthority } from './authority.ts'
import { type SegmentSearch, segmentsNamed, segmentsThere } from './found-segments.ts'
import { type FoundWal, WalFinder } from './found-wals.ts'
import { tellMisnamed } from './misnamed.ts'
import { mergeAll, tablesFound, tablesNamed } from './repair-tables.ts'
import { tablesOfWal } from './repair-wals.ts'
import type { RepairReport } from './report.ts'
import { keepCurrent, setAside } from './set-aside.ts'
import { Workshop } from './workshop.ts'

/** The options are those of an open; only how work is done, and how what is written is laid out, is taken from them. */
export async function repairDirectory(
  location: string,
  options: ResolvedOptions,
  given?: Partial<Environment>,
): Promise<RepairReport> {
  const environment: Environment = {
    fs: nodeFileSystem,
    clock: systemClock,
    random: systemRandom,
    logger: options.logger,
    kernels: wasmKernels,
    notify: () => undefined,
    ...given,
  }
  const { fs } = environment
  const directory = resolve(location)
  requireDirectory(environment, directory)
  const undo = new Undo()
  try {
    const lock = await lockDirectory(directory, options, environment, undo)
    const executor = createExecutor(options, environment)
    undo.add(() => executor.close())
    dropEmptyFolders(environment, directory)
    const entries = listEntries(fs, directory)
    const next = entries.reduce((most, { file }) => Math.max(most, file?.number ?? 0), 0) + 1
    const numbering = new FileNumbering(next)
    const checkLock = (): void => lock.check()
    const shop = new Workshop({ directory, options, environment, executor, numbering, checkLock })
    return await repairWith(shop, entries)
  } finally {
    await undo.run()
  }
}

function requireDirectory({ fs }: Environment, directory: string): void {
  const kind = fs.statSync(directory)?.kind
  const linked = kind === 'other' ? fs.statSync(`${directory}/.`)?.kind : kind
  const entries = linked === 'directory' ? listEntries(fs, directory) : []
  const ours = entries.some(({ file }) => file !== undefined && file.kind !== 'lock')
  if (ours) return
  throw new SettError(
    'SETT_NOT_A_DATABASE',
    `${directory} holds no Sett database, so nothing was changed. Check the path.`,
  )
}

/** An earlier repair that did not get as far as moving anything left them. */
function dropEmptyFolders({ fs }: Environment, directory: string): void {
  for (const { file, kind, path } of listEntries(fs, directory)) {
    if (file?.kind !== 'lostFound' || kind !== 'directory') continue
    if (fs.listSync(path).length === 0) fs.removeSync(path)
  }
}

async function repairWith(
  shop: Workshop,
  entries: readonly DirectoryEntry[],
): Promise<RepairReport> {
  const first = shop.numbering.next
  let state: ManifestState
  let kept: boolean
  try {
    const authority = findAuthority(shop.fs, shop.directory, entries, shop.notes)
    const found = authority === undefined ? undefined : await byManifest(shop, authority, entries)
    kept = found !== undefined
    state = found ?? (await byTables(shop, entries))
  } catch (error) {
    await shop.settled()
    if (shop.owned) removeOutputs(shop, first)
    throw error
  }
  const manifest = await switchTo(shop, state)
  const moved = setAside(shop.fs, shop.directory, { number: manifest.number, state })
  await manifest.closeClean()
  const { notes } = shop
  shop.segments.tell(state.segments)
  const { tables, salvagedTables, segments, salvagedSegments, logRecords, lost } = notes
  const all = state.levels.flat()
  return {
    manifest: kept ? 'kept' : 'rebuilt',
    kept: {
      tables,
      salvagedTables,
      segments,
      salvagedSegments,
      entries: all.reduce((sum, table) => sum + table.entries, 0),
      logRecords,
    },
    lost,
    notes: notes.notes,
    moved: { to: lostFoundPath(shop.directory, manifest.number - 1), names: moved },
  }
}

/** undefined: the manifest is an older copy, for files it names are gone and there are newer ones. */
async function byManifest(
  shop: Workshop,
  state: ManifestState,
  entries: readonly DirectoryEntry[],
): Promise<ManifestState | undefined> {
  const finder = new WalFinder(shop.fs, shop.directory, entries, shop.notes)
  const named = finder.named(state)
  const chained = finder.chained(state, named)
  if (isOlderCopy(state, entries, [...named.values(), ...chained])) {
    shop.notes.note(
      'The manifest is an older copy: files it names are gone, and newer ones are there',
    )
    return undefined
  }
  const asAtOpen = chained.length > 0 ? undefined : finder.asAtOpen(state, named)
  const replayed = asAtOpen ?? [...named.values(), ...chained]
  if (asAtOpen === undefined) finder.tellLosses(replayed, state)
  shop.segments.found(await segmentsNamed(searchOf(shop, entries), state.segments))
  const levels = await tablesNamed(shop, state.levels, entries)
  const flushed = await flushAll(shop, replayed)
  const [level0 = [], ...deeper] = levels
  const all = [[...level0, ...flushed].sort(newestFirst), ...deeper]
  return {
    ...state,
    ...outcome(shop, state, inOrder(all) ? all : await oneLevel(shop, all.flat())),
  }
}

async function byTables(
  shop: Workshop,
  entries: readonly DirectoryEntry[],
): Promise<ManifestState> {
  const { notes } = shop
  notes.note('Without its manifest, every table and every log newer than them counts')
  notes.note(
    'A file that a flush or compaction had replaced, but not yet removed, cannot be told from a live one: ' +
      'a key deleted shortly before may be back',
  )
  notes.tables = 0
  notes.salvagedTables = 0
  const finder = new WalFinder(shop.fs, shop.directory, entries, notes)
  tellMisnamed(shop.fs, entries, notes)
  shop.segments.found(await segmentsThere(searchOf(shop, entries)))
  const tables = await tablesFound(shop, entries)
  const replayed = finder.newerThan(tables)
  finder.tellLosses(replayed, undefined)
  const flushed = await flushAll(shop, replayed)
  const levels = await oneLevel(shop, [...tables, ...flushed])
  const editNumber = replayed.reduce((most, { survey }) => Math.max(most, survey.manifestEdit), 0)
  return { ...EMPTY_STATE, editNumber, ...outcome(shop, EMPTY_STATE, levels) }
}

type Outcome = Pick<
  ManifestState,
  'levels' | 'wals' | 'segments' | 'lastVersion' | 'historyFloor' | 'nextFileNumber'
>

/** Older versions may be gone from here on, so no history before now is offered. */
function outcome(
  shop: Workshop,
  state: ManifestState,
  levels: readonly (readonly TableMeta[])[],
): Outcome {
  const newest = levels.flat().reduce((most, table) => Math.max(most, table.largestVersion), 0)
  const lastVersion = Math.max(state.lastVersion, newest)
  const nextFileNumber = Math.max(state.nextFileNumber, shop.numbering.next)
  const segments = shop.segments.named(levels)
  return { levels, wals: [], segments, lastVersion, historyFloor: lastVersion, nextFileNumber }
}

function searchOf(shop: Workshop, entries: readonly DirectoryEntry[]): SegmentSearch {
  const { fs, directory, notes } = shop
  return {
    fs,
    entries,
    notes,
    verify: async (segment) => {
      const { problems } = await shop.run<VerifyResult>(
        verifyWorkspaceBytes([], [segment]),
        (workspace): VerifySpec => ({
          kind: 'verify',
          directory,
          tables: [],
          segments: [segment],
          workspace,
        }),
      )
      return problems
    },
  }
}

function isOlderCopy(
  state: ManifestState,
  entries: readonly DirectoryEntry[],
  wals: readonly FoundWal[],
): boolean {
  const present = (kind: 'sst' | 'wal', number: number): boolean =>
    entries.some(({ file }) => file?.kind === kind && file.number === number)
  const gone =
    state.levels.flat().some(({ number }) => !present('sst', number)) ||
    state.wals.some(({ number }) => !present('wal', number))
  if (!gone) return false
  const newerTable = entries.some(
    ({ file }) => file?.kind === 'sst' && file.number >= state.nextFileNumber,
  )
  return newerTable || wals.some(({ survey }) => survey.manifestEdit > state.editNumber)
}

async function flushAll(shop: Workshop, wals: readonly FoundWal[]): Promise<TableMeta[]> {
  const tables: TableMeta[] = []
  for (const wal of wals) tables.push(...(await tablesOfWal(shop, wal)))
  return tables
}

function newestFirst(a: TableMeta, b: TableMeta): number {
  return b.largestVersion - a.largestVersion || b.number - a.number
}

function inOrder(levels: readonly (readonly TableMeta[])[]): boolean {
  try {
    checkVersionOrder(levels)
    return true
  } catch (error) {
    if (error instanceof SettError && error.code === 'SETT_INTERNAL') return false
    throw error
  }
}

async function oneLevel(shop: Workshop, tables: readonly TableMeta[]): Promise<TableMeta[][]> {
  const last = await mergeAll(shop, tables)
  return Array.from({ length: LEVEL_COUNT }, (_, level) => (level === LEVEL_COUNT - 1 ? last : []))
}

/** The one step that counts: CURRENT names the new manifest, or still the old one. */
async function switchTo(shop: Workshop, state: ManifestState): Promise<ManifestLog> {
  const { fs, directory, numbering, environment, checkLock } = shop
  const folder = lostFoundPath(directory, numbering.take())
  const number = numbering.take()
  fs.makeDirectorySync(folder)
  keepCurrent(fs, directory, folder)
  const salt = new Uint8Array(8)
  environment.random.fill(salt)
  const sync = (file: OpenFile): Promise<void> => file.dataSync()
  return ManifestLog.create({ fs, directory, number, salt, sync, checkLock }, state)
}

/** A repair that failed leaves nothing of its own. */
function removeOutputs({ fs, directory, numbering }: Workshop, first: number): void {
  for (const { file } of listEntries(fs, directory)) {
    if (file === undefined || file.number < first || file.number >= numbering.next) continue
    if (file.kind === 'sst') fs.removeSync(tablePath(directory, file.number))
    else if (file.kind === 'vlog') fs.removeSync(segmentPath(directory, file.number))
  }
}

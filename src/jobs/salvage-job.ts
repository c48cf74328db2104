// Copies what verifies of a damaged table into new tables, under new numbers; a table without damage is only
// read. Of the versions of a key in one table the newest is kept. The damaged file stays as it is.
import { CorruptionError, type CorruptionPlace } from '../base/errors.ts'
import { VERSION_MAX } from '../base/limits.ts'
import { CompactMerge, compactScratchBytes } from '../cursor/compact-merge.ts'
import { LazyValues } from '../cursor/lazy-values.ts'
import { Scratch } from '../cursor/scratch.ts'
import { FILE_HEADER_BYTES } from '../format/file-header.ts'
import { blockKeys } from '../format/sstable-index.ts'
import { tablePath } from '../io/file-names.ts'
import type { OpenFile } from '../io/file-system.ts'
import { BLOCK_TRAILER } from '../kernel/layout.ts'
import type { TableMeta } from '../manifest/levels.ts'
import {
  type FoundBlocks,
  findBlocks,
  identify,
  ownMeta,
  type TableIdentity,
} from '../sstable/salvage-blocks.ts'
import type { TableBlocks } from '../sstable/table-blocks.ts'
import { type CheckMemory, decodeBytes, tallyBlocks } from '../sstable/table-check.ts'
import { TableSource, tableSourceBytes } from '../sstable/table-source.ts'
import { TablesWriter } from '../sstable/tables-writer.ts'
import type { JobContext, LostPart, SalvageResult, SalvageSpec } from './job.ts'
import { mergeIntoTables, orAbandon } from './merge-tables.ts'
import { OutputNumbers } from './output-numbers.ts'
import { LostValueList } from './salvage/lost-values.ts'
import { POINTED_VALUES_BYTES, PointedValues } from './salvage/pointed-values.ts'
import { ValueJudge, ValueSieve } from './salvage/value-sieve.ts'
import { separationMemory, separatorOf } from './separate-values.ts'
import { placeOf, runVerify } from './verify-job.ts'
import { compactSourceBlock, salvageImageBytes } from './workspace.ts'

type Block = FoundBlocks['blocks'][number]

export function runSalvage(spec: SalvageSpec, context: JobContext): SalvageResult {
  const { fs, heap } = context
  const file = fs.openSync(tablePath(spec.directory, spec.file), 'read')
  try {
    const { whole, damage } = wholeTable(spec, context, file)
    if (whole !== undefined) {
      const { number, entries } = whole
      return { kind: 'salvage', ...NOTHING_WRITTEN, whole, number, entries, damage, lost: [] }
    }
    const identity = identify(file, spec.file, spec.meta)
    // Another table under this name: whose it is, the caller knows.
    if (identity !== undefined && spec.meta !== undefined && !isThatTable(identity, spec.meta)) {
      return nothing(identity.number, damage)
    }
    if (identity === undefined) return nothing(0, [...damage])
    const scratch = new Scratch(spec.workspace)
    const saltAddress = scratch.take(8)
    heap.bytes.set(identity.salt, saltAddress)
    const image = scratch.region(salvageImageBytes(file.sizeSync()))
    const decode = scratch.region(decodeBytes(image.length))
    const found = findBlocks(context, file, identity, { image, saltAddress })
    const table = blockTable(identity, { file, saltAddress, blocks: found.blocks })
    const check = { table, found, certain: identity.certain }
    const { good, lost } = sort(context, check, { buffer: image, decode })
    if (good === undefined) return nothing(identity.number, damage)
    const newestWal = spec.meta?.newestWal ?? found.properties?.newestWal ?? 0
    const copy = copyBlocks(spec, context, { identity, file, blocks: good, newestWal })
    return { kind: 'salvage', ...copy, number: identity.number, damage, lost }
  } finally {
    file.closeSync()
  }

  function nothing(number: number, damage: readonly CorruptionPlace[]): SalvageResult {
    const size = file.sizeSync()
    const first = damage[0] ?? unreadable(file.path)
    const lost = [{ ...first, offset: 0, length: size }]
    return { kind: 'salvage', ...NOTHING_WRITTEN, number, entries: 0, damage, lost }
  }
}

const NOTHING_WRITTEN = { tables: [], segments: [], lostValues: [], readSegments: [] }

/** The table's facts when all of it verifies and its segments stay; else what is known to be wrong with it. */
function wholeTable(
  spec: SalvageSpec,
  context: JobContext,
  file: OpenFile,
): { whole?: TableMeta; damage: readonly CorruptionPlace[] } {
  let meta: TableMeta
  try {
    meta = spec.meta ?? ownMeta(file)
  } catch (error) {
    if (error instanceof CorruptionError) return { damage: [placeOf(error)] }
    throw error
  }
  if (meta.number !== spec.file) {
    const found = `${meta.number}: a file put under another name`
    const place = { file: file.path, offset: 16, expected: `file number ${spec.file}`, found }
    return { damage: [place] }
  }
  const { directory, workspace } = spec
  const uses = new Set(meta.segments?.map((use) => use.number))
  const pointed = spec.segments.filter((each) => each.sound && uses.has(each.number))
  if (pointed.length < uses.size) return { damage: [] }
  const tables = [meta]
  const { problems } = runVerify({ kind: 'verify', directory, tables, pointed, workspace }, context)
  return problems.length === 0 ? { whole: meta, damage: [] } : { damage: problems }
}

function isThatTable(identity: TableIdentity, meta: TableMeta): boolean {
  return identity.number === meta.number && identity.salt.toString('hex') === meta.salt
}

function unreadable(file: string): CorruptionPlace {
  return { file, offset: 0, expected: 'a table', found: 'a file too short to be one' }
}

interface BlockPlace {
  readonly file: OpenFile
  readonly saltAddress: number
  readonly blocks: readonly Block[]
}

/** Only number, base version and largest block of the facts are true: nothing else is asked for. */
function blockTable(identity: TableIdentity, place: BlockPlace): TableBlocks {
  const { file, saltAddress, blocks } = place
  const { number, salt, baseVersion } = identity
  const largestBlock = largestOf(blocks)
  return {
    meta: { ...NO_FACTS, number, salt: salt.toString('hex'), baseVersion, largestBlock },
    file,
    saltAddress,
    salt,
    blockCount: blocks.length,
    slots: new Int32Array(0),
    blockOffset: (ordinal) => (blocks[ordinal] as Block).offset,
    blockLength: (ordinal) => (blocks[ordinal] as Block).length,
    payloadLength: (ordinal) => (blocks[ordinal] as Block).payload,
    locate: () => 0,
  }
}

function largestOf(blocks: readonly Block[]): number {
  return blocks.reduce((most, { payload }) => Math.max(most, payload + BLOCK_TRAILER), 0)
}

const NO_FACTS: Omit<TableMeta, 'number' | 'salt' | 'baseVersion' | 'largestBlock'> = {
  size: 0,
  entries: 0,
  tombstones: 0,
  earliestExpiry: 0,
  latestExpiry: 0,
  smallestVersion: 0,
  largestVersion: 0,
  newestWal: 0,
  smallestKey: new Uint8Array(0),
  largestKey: new Uint8Array(0),
}

interface BlockCheck {
  readonly table: TableBlocks
  readonly found: FoundBlocks
  /** False: versions must prove that the table is read rightly. */
  readonly certain: boolean
}

/** Tells the blocks whose every entry is right from what is lost. `good` undefined: nothing can be trusted. */
function sort(
  context: JobContext,
  { table, found, certain }: BlockCheck,
  memory: CheckMemory,
): { good: readonly Block[] | undefined; lost: readonly LostPart[] } {
  const { blocks, index, properties } = found
  const damaged = new Map<number, CorruptionError>()
  const { tally } = tallyBlocks(context, table, memory, {
    damaged: (ordinal, error) => void damaged.set(ordinal, error),
  })
  const trusted =
    certain ||
    (tally.smallestVersion === properties?.smallestVersion &&
      tally.largestVersion === properties.largestVersion)
  if (index !== undefined) {
    const lost = [...damaged].map(([ordinal, error]) => ({
      ...placeOf(error),
      length: (blocks[ordinal] as Block).length,
      keys: blockKeys(index, ordinal),
    }))
    const good = blocks.filter((_, ordinal) => !damaged.has(ordinal))
    return { good: trusted ? good : undefined, lost }
  }
  // Searched blocks verify; the first that is no data block is the filter or what follows it.
  const end = found.limit === undefined ? Math.min(...damaged.keys(), blocks.length) : blocks.length
  const good = blocks.slice(0, end).filter((_, ordinal) => !damaged.has(ordinal))
  const limit = found.limit ?? blocks[end]?.offset
  const lost = gaps(table.file.path, good, limit)
  return { good: trusted ? good : undefined, lost }
}

function gaps(file: string, good: readonly Block[], limit: number | undefined): LostPart[] {
  const lost: LostPart[] = []
  const expected = 'a data block that verifies'
  let at = FILE_HEADER_BYTES
  const gap = (length: number): void => {
    lost.push({ file, offset: at, length, expected, found: 'other bytes' })
  }
  for (const { offset, length } of good) {
    if (offset > at) gap(offset - at)
    at = offset + length
  }
  if (limit === undefined || limit > at) gap(limit === undefined ? 0 : limit - at)
  return lost
}

type Copied = Pick<SalvageResult, 'tables' | 'entries' | 'segments' | 'lostValues' | 'readSegments'>

interface CopyPlan {
  readonly identity: TableIdentity
  readonly file: OpenFile
  readonly blocks: readonly Block[]
  readonly newestWal: number
}

function copyBlocks(
  spec: SalvageSpec,
  context: JobContext,
  { identity, file, blocks, newestWal }: CopyPlan,
): Copied {
  if (blocks.length === 0) return { ...NOTHING_WRITTEN, entries: 0 }
  const scratch = new Scratch(spec.workspace)
  const saltAddress = scratch.take(8)
  context.heap.bytes.set(identity.salt, saltAddress)
  const inlineMax = compactSourceBlock(largestOf(blocks))
  const mergeMemory = scratch.region(compactScratchBytes(1, 1))
  const sourceMemory = scratch.region(tableSourceBytes(inlineMax))
  const valueMemory = scratch.region(POINTED_VALUES_BYTES)
  const { fs, randomFill } = context
  const { directory, shape } = spec
  const numbers = new OutputNumbers(spec.numbers, context.report)
  const separation = separationMemory(scratch, shape)
  const lazy = new LazyValues()
  const writer = new TablesWriter(context, scratch.region(scratch.free - 64, 64), {
    fs,
    directory,
    shape,
    takeNumber: () => numbers.take('sst'),
    tablesAhead: spec.numbers.tablesAhead ?? 0,
    baseVersion: identity.baseVersion,
    newestWal,
    lazy,
    randomFill,
    finished: () => undefined,
  })
  const table = blockTable(identity, { file, saltAddress, blocks })
  const source = new TableSource(context, sourceMemory, {
    tables: [table.meta],
    opener: { acquire: () => table, release: () => undefined },
    cache: undefined,
    lazy,
    spare: writer,
    reverse: false,
    inlineMax,
  })
  const values = new PointedValues(context, valueMemory, spec, fs)
  const list = new LostValueList()
  const judge = new ValueJudge(context, values, list, file.path)
  const merge = new CompactMerge(context, mergeMemory, {
    sources: [new ValueSieve(context, source, judge)],
    snapshots: [VERSION_MAX],
    dropTombstones: false,
  })
  const separator = separatorOf(context, separation, {
    spec,
    numbers,
    lazy,
    spare: writer,
    sources: values,
  })
  const outputs = { tables: writer, values: separator }
  try {
    return orAbandon(outputs, () => {
      const { tables, segments, entriesOut: entries } = mergeIntoTables(context, merge, outputs)
      const lostValues = list.runs()
      return { tables, segments, entries, lostValues, readSegments: list.readSegments() }
    })
  } finally {
    values.closeAll()
  }
}

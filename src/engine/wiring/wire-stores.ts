// Parts of an engine without schedule: state, caches, readers. Main thread.
import type { FileSystem, OpenFile } from '../../io/file-system.ts'
import type { ManifestLog } from '../../manifest/manifest-log.ts'
import type { HeapAllocator } from '../../memory/heap-allocator.ts'
import { Oracle } from '../../mvcc/oracle.ts'
import { Pins } from '../../mvcc/pins.ts'
import { ReadTime } from '../../mvcc/read-time.ts'
import { BlockCache } from '../../sstable/block-cache.ts'
import { OpenTables } from '../../sstable/open-tables.ts'
import { OpenSegments } from '../../value-log/open-segments.ts'
import { diskUsage } from '../disk/disk-usage.ts'
import type { DiskWatch } from '../disk/disk-watch.ts'
import type { FileNumbering } from '../file-numbering.ts'
import type { Foundation, UndoSteps } from '../foundation.ts'
import { Health } from '../health.ts'
import { LevelFences } from '../level-fences.ts'
import { tableShape } from '../memory-plan.ts'
import { type FrozenMemtable, Memtables, type MemtablesParts } from '../memtables.ts'
import { ObsoleteFiles } from '../obsolete-files.ts'
import { PointRead } from '../point-read.ts'
import { Progress } from '../progress.ts'
import { RangeReads } from '../range-read.ts'
import type { ReadViews } from '../read-view.ts'
import type { RecoveredLogs } from '../recover.ts'
import { TreeState } from '../tree-state.ts'
import { WrittenSizes } from '../value-log/auto-threshold.ts'
import { Segments } from '../value-log/segments.ts'
import { SeparatedValues } from '../value-log/separated-values.ts'
import { WalSyncer } from '../wal-syncer.ts'
import { EventBindings } from './event-bindings.ts'
import { takeRegion } from './take-region.ts'

/** Descriptors of segments kept open: of 64 GiB of values at the default segment size, all of them. */
const SEGMENT_FILES_MAX = 64

/** Where this open writes: a read-only one has a manifest and a WAL too, but in memory. */
export interface Output {
  readonly fs: FileSystem
  readonly directory: string
  readonly syncFile: (file: OpenFile) => Promise<void>
  readonly checkLock?: () => void
  readonly watch: DiskWatch
}

export interface Wiring {
  readonly foundation: Foundation
  readonly undo: UndoSteps
  readonly allocator: HeapAllocator
  readonly numbering: FileNumbering
  readonly logs: RecoveredLogs
  readonly output: Output
  readonly manifest: ManifestLog
}

/** Parts without schedule: state, caches, readers. */
export interface Stores extends Readers {
  /** Bytes of all files. */
  readonly diskBytes: () => number
  readonly health: Health
  readonly oracle: Oracle
  readonly pins: Pins
  readonly time: ReadTime
  readonly walSyncer: WalSyncer
  readonly memtables: Memtables
  readonly obsolete: ObsoleteFiles
  readonly writtenSizes: WrittenSizes
  readonly tree: TreeState
  readonly progress: Progress
  readonly bindings: EventBindings
}

interface Readers {
  readonly cache: BlockCache
  readonly tables: OpenTables
  readonly points: PointRead
  readonly ranges: RangeReads
  readonly segments: Segments
  readonly openSegments: OpenSegments
  readonly values: SeparatedValues
}

export async function wireStores(wiring: Wiring): Promise<Stores> {
  const { foundation, allocator, numbering, logs, manifest, undo } = wiring
  const { options, environment, machine, directory } = foundation
  const { clock, logger } = environment
  const health = new Health(options.readOnly, logger)
  const oracle = new Oracle(logs.lastVersion)
  const pins = new Pins()
  const time = new ReadTime(clock)
  const walSyncer = wireSyncer(wiring, health)
  const obsolete = wireObsolete(wiring)
  manifest.onReplaced((number) => obsolete.removeManifest(number))
  const memtableParts = partsOfMemtables(wiring, { health, obsolete, walSyncer })
  const first = await Memtables.bear(memtableParts)
  undo.add(() => first.file.closeSync())
  const bindings = new EventBindings()
  const memtables = new Memtables(memtableParts, bindings, first)
  memtables.linkFirst(logs.predecessor)
  memtables.immutables.push(...logs.frozen)
  const writtenSizes = new WrittenSizes(() => options.valueThreshold === 'auto')
  const readers = wireReaders(wiring, () => tree.views)
  const tree = new TreeState(
    {
      directory,
      get shape() {
        return tableShape(options, writtenSizes)
      },
      manifest,
      numbering,
      allocator,
      fences: new LevelFences(machine.heap, allocator),
      ...readers,
      obsolete,
      syncer: walSyncer,
      logger,
      memtables,
      readers: () => pins.readers({ version: oracle.visibleVersion, now: time.pass() }),
      oldestSnapshot: () => Math.min(pins.oldest ?? oracle.visibleVersion, oracle.visibleVersion),
      lastVersion: () => oracle.lastVersion,
      viewChanges: () => readers.ranges.invalidate(),
    },
    manifest.state.levels,
  )
  const progress = new Progress()
  const diskBytes = (): number =>
    diskUsage({ tree, manifest, logs: memtables.logs }) + readers.segments.unnamedBytes
  return {
    diskBytes,
    health,
    oracle,
    pins,
    time,
    walSyncer,
    memtables,
    ...readers,
    obsolete,
    writtenSizes,
    tree,
    progress,
    bindings,
  }
}

function partsOfMemtables(
  { foundation, output, allocator, numbering, manifest }: Wiring,
  { health, obsolete, walSyncer }: Pick<Stores, 'health' | 'obsolete' | 'walSyncer'>,
): MemtablesParts {
  const { options, environment, machine } = foundation
  return {
    ...output,
    ...machine,
    obsolete,
    random: environment.random,
    allocator,
    numbering,
    manifest,
    health,
    syncedLength: (wal) => walSyncer.syncedLength(wal),
    logEnded: (wal) => walSyncer.ended(wal),
    get memtableSize() {
      return options.memtableSize
    },
    get memtableCount() {
      return options.memtableCount
    },
    arenaBytesMax: options.memoryBudget - options.blockCacheSize - options.indexCacheSize,
  }
}

function wireObsolete({ foundation, output, manifest }: Wiring): ObsoleteFiles {
  const { logger } = foundation.environment
  return new ObsoleteFiles(output.fs, output.directory, logger, () => manifest.stillOwned())
}

/** Any segment may be what records of a replayed log point to: all are held until it is flushed. */
function wireSegments(replayed: readonly FrozenMemtable[], { state }: ManifestLog): Segments {
  const segments = new Segments()
  for (const { keeps } of replayed) {
    keeps.push(...state.segments.map(({ number }) => segments.hold(number)))
  }
  return segments
}

function wireSyncer({ foundation, output }: Wiring, health: Health): WalSyncer {
  const { options, environment } = foundation
  const { clock } = environment
  const syncFile = (file: OpenFile): Promise<void> => {
    if (!health.closing) foundation.syncsCome()
    return output.syncFile(file)
  }
  return new WalSyncer({
    syncFile,
    clock,
    health,
    intervalMs: () =>
      typeof options.durability === 'object' ? options.durability.interval : undefined,
  })
}

function wireReaders(
  { foundation, allocator, logs, manifest, undo }: Wiring,
  views: () => ReadViews,
): Readers {
  const { options, environment, machine, directory } = foundation
  const { clock, fs } = environment
  const cacheRegion = takeRegion(allocator, options.blockCacheSize)
  const { blockSize, cacheGrowth } = options
  const cache = new BlockCache(machine, cacheRegion, blockSize, cacheGrowth)
  const tables = new OpenTables(machine, {
    fs,
    directory,
    allocator: {
      allocate: (bytes) => allocator.allocate(bytes, 64),
      free: (region) => allocator.free(region),
    },
    capacityBytes: options.indexCacheSize,
    cache,
    closeOthers: () => openSegments.closeIdle(),
  })
  undo.add(() => tables.closeAll())
  const segments = wireSegments(logs.frozen, manifest)
  const openSegments = new OpenSegments({
    fs,
    directory,
    metaOf: (number) => segments.metaOf(number, manifest.state.segments),
    filesMax: SEGMENT_FILES_MAX,
    closeOthers: () => tables.closeIdle(),
  })
  const readParts = { ...machine, allocator, clock, tables, cache }
  const points = new PointRead(readParts)
  const values = new SeparatedValues({
    ...readParts,
    segments: openSegments,
    noteReadMs: (elapsed) => points.noteReadMs(elapsed),
  })
  undo.add(() => {
    values.close()
    openSegments.closeAll()
  })
  const ranges = new RangeReads({ ...readParts, options, views, values })
  undo.add(() => ranges.close())
  return { cache, tables, points, ranges, segments, openSegments, values }
}

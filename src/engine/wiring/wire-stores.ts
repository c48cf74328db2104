// Parts of an engine without schedule: state, caches, readers. Main thread.
import type { FileSystem, OpenFile } from '../../io/file-system.ts'
import type { ManifestLog } from '../../manifest/manifest-log.ts'
import type { HeapAllocator } from '../../memory/heap-allocator.ts'
import { Oracle } from '../../mvcc/oracle.ts'
import { Pins } from '../../mvcc/pins.ts'
import { ReadTime } from '../../mvcc/read-time.ts'
import { BlockCache } from '../../sstable/block-cache.ts'
import { OpenTables } from '../../sstable/open-tables.ts'
import { diskUsage } from '../disk/disk-usage.ts'
import type { DiskWatch } from '../disk/disk-watch.ts'
import type { FileNumbering } from '../file-numbering.ts'
import type { Foundation, UndoSteps } from '../foundation.ts'
import { Health } from '../health.ts'
import { LevelFences } from '../level-fences.ts'
import { Memtables, type MemtablesParts } from '../memtables.ts'
import { ObsoleteFiles } from '../obsolete-files.ts'
import { PointRead } from '../point-read.ts'
import { Progress } from '../progress.ts'
import { RangeReads } from '../range-read.ts'
import type { ReadViews } from '../read-view.ts'
import type { RecoveredLogs } from '../recover.ts'
import { TreeState } from '../tree-state.ts'
import { WalSyncer } from '../wal-syncer.ts'
import { EventBindings } from './event-bindings.ts'
import { takeRegion } from './take-region.ts'

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
  readonly tree: TreeState
  readonly progress: Progress
  readonly bindings: EventBindings
}

interface Readers {
  readonly cache: BlockCache
  readonly tables: OpenTables
  readonly points: PointRead
  readonly ranges: RangeReads
}

export async function wireStores(wiring: Wiring): Promise<Stores> {
  const { foundation, allocator, numbering, logs, output, manifest, undo } = wiring
  const { options, environment, machine, directory } = foundation
  const { clock, logger, random } = environment
  const health = new Health(options.readOnly, logger)
  const oracle = new Oracle(logs.lastVersion)
  const pins = new Pins()
  const time = new ReadTime(clock)
  const walSyncer = wireSyncer(wiring, health)
  const obsolete = new ObsoleteFiles(output.fs, output.directory, logger, () =>
    manifest.stillOwned(),
  )
  const memtableParts: MemtablesParts = {
    ...output,
    ...machine,
    obsolete,
    random,
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
  const first = await Memtables.bear(memtableParts)
  undo.add(() => first.file.closeSync())
  const bindings = new EventBindings()
  const memtables = new Memtables(memtableParts, bindings, first)
  memtables.linkFirst(logs.predecessor)
  memtables.immutables.push(...logs.frozen)
  const readers = wireReaders(wiring, () => tree.views)
  const tree = new TreeState(
    {
      directory,
      get shape() {
        return foundation.shape
      },
      manifest,
      numbering,
      allocator,
      fences: new LevelFences(machine.heap, allocator),
      tables: readers.tables,
      obsolete,
      syncer: walSyncer,
      memtables,
      readers: () => pins.readers({ version: oracle.visibleVersion, now: time.pass() }),
      oldestSnapshot: () => Math.min(pins.oldest ?? oracle.visibleVersion, oracle.visibleVersion),
      lastVersion: () => oracle.lastVersion,
      viewChanges: () => readers.ranges.invalidate(),
    },
    manifest.state.levels,
  )
  const progress = new Progress()
  const diskBytes = (): number => diskUsage({ levels: tree.levels, manifest, logs: memtables.logs })
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
    tree,
    progress,
    bindings,
  }
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
    get intervalMs() {
      return typeof options.durability === 'object' ? options.durability.interval : undefined
    },
  })
}

function wireReaders({ foundation, allocator, undo }: Wiring, views: () => ReadViews): Readers {
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
  })
  undo.add(() => tables.closeAll())
  const readParts = { ...machine, allocator, clock, tables, cache }
  const points = new PointRead(readParts)
  const ranges = new RangeReads({ ...readParts, options, views })
  undo.add(() => ranges.close())
  return { cache, tables, points, ranges }
}

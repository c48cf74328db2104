// Builds the engine on what open.ts prepared: recovers the logs, starts a manifest and a WAL of this open, wires the
// parts. Main thread.
import { assert } from '../base/assert.ts'
import type { Clock } from '../base/clock.ts'
import { SettError } from '../base/errors.ts'
import type { ResolvedOptions } from '../base/options.ts'
import { baseLevelSize } from '../compaction/level-targets.ts'
import { parseFileName } from '../io/file-names.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { memoryFileSystem } from '../io/memory-file-system.ts'
import { applyEdit, type ManifestState } from '../manifest/apply-edit.ts'
import { ManifestLog } from '../manifest/manifest-log.ts'
import { HeapAllocator } from '../memory/heap-allocator.ts'
import type { Region } from '../memory/shared-heap.ts'
import { Oracle } from '../mvcc/oracle.ts'
import { Pins } from '../mvcc/pins.ts'
import { ReadTime } from '../mvcc/read-time.ts'
import { BlockCache } from '../sstable/block-cache.ts'
import { OpenTables } from '../sstable/open-tables.ts'
import { FillAhead } from '../wal/fill-ahead.ts'
import { WAL_SCRATCH_BYTES } from '../wal/wal-file.ts'
import { shutDown } from './close.ts'
import { PlanMerges } from './compaction/plan-merges.ts'
import { CompactionScheduler } from './compaction-scheduler.ts'
import { BackgroundOutcomes } from './disk/background-outcomes.ts'
import { DiskReserve } from './disk/disk-reserve.ts'
import { diskUsage } from './disk/disk-usage.ts'
import { DiskWatch } from './disk/disk-watch.ts'
import { StorageEngine } from './engine.ts'
import type { EngineParts } from './engine-parts.ts'
import { FileNumbering } from './file-numbering.ts'
import { FlushScheduler } from './flush-scheduler.ts'
import type { Foundation, UndoSteps } from './foundation.ts'
import { Health } from './health.ts'
import { JobRunner } from './job-runner.ts'
import { LevelFences } from './level-fences.ts'
import { flushesAtOnce } from './memory-plan.ts'
import { Memtables, type MemtablesEvents, type MemtablesParts } from './memtables.ts'
import { ObsoleteFiles } from './obsolete-files.ts'
import { PointRead } from './point-read.ts'
import { StallWatch } from './pressure/stall-watch.ts'
import { WritePressure } from './pressure/write-pressure.ts'
import { Progress } from './progress.ts'
import { RangeReads } from './range-read.ts'
import type { ReadViews } from './read-view.ts'
import { type RecoveredLogs, recoverLogs } from './recover.ts'
import { sweepTheRest, sweepUnfinishedOpens } from './recovery/unfinished-opens.ts'
import { TreeState } from './tree-state.ts'
import type { Environment } from './types.ts'
import { Verifier } from './verify/verifier.ts'
import { WalSyncer } from './wal-syncer.ts'
import { WriteQueue } from './write-queue.ts'

/** Logs that were replayed without a thread wait so long for their flush. */
const REST_MS = 1_000

/** Where this open writes: a read-only one has a manifest and a WAL too, but in memory. */
interface Output {
  readonly fs: FileSystem
  readonly directory: string
  readonly syncFile: (file: OpenFile) => Promise<void>
  readonly checkLock?: () => void
  readonly watch: DiskWatch
}

export async function assemble(foundation: Foundation, undo: UndoSteps): Promise<StorageEngine> {
  const { options, environment, directory, machine, checkLock } = foundation
  const allocator = new HeapAllocator(machine.heap)
  const numbering = new FileNumbering(nextFileNumber(foundation))
  const logs = await recoverLogs(foundation, allocator)
  const watch = new DiskWatch(environment)
  const syncFile = (file: OpenFile): Promise<void> =>
    watch.during('sync', file.path, () => foundation.syncFile(file))
  const output: Output = options.readOnly
    ? { fs: memoryFileSystem(), directory: '/memory', syncFile: (f) => f.dataSync(), watch }
    : { fs: environment.fs, directory, syncFile, watch, checkLock }
  if (options.readOnly) output.fs.makeDirectorySync(output.directory)
  const unfinished = !options.readOnly && (await sweepUnfinishedOpens(foundation))
  const state = applyEdit(foundation.manifest, logs.edit)
  const manifest = await startManifest(environment, output, numbering, state)
  undo.add(() => manifest.close())
  if (unfinished) await sweepTheRest(foundation, manifest)
  const parts = await wire({ foundation, undo, allocator, numbering, logs, output, manifest })
  if (!options.readOnly) removeOrphans(parts.obsolete, manifest)
  if (!options.readOnly) {
    if (logs.mayRest) restLogs(environment.clock, undo, parts.engine.flushes)
    else parts.engine.flushes.kick()
    parts.engine.compactions.kick()
  }
  return new StorageEngine(parts.engine)
}

/** A process that lives shortly would wait, as it closes, for the start of a thread that flushes a little: sealed logs
 * may as well stay. Writers, flush() and settle() do not wait so long. */
function restLogs(clock: Clock, undo: UndoSteps, flushes: FlushScheduler): void {
  const timer = clock.after(REST_MS, () => flushes.kick())
  timer.unref()
  undo.add(() => timer.cancel())
}

/** Above every number the manifest or the directory knows. */
function nextFileNumber({ manifest, environment, directory }: Foundation): number {
  const { fs } = environment
  let next = manifest.nextFileNumber
  for (const name of fs.statSync(directory) === undefined ? [] : fs.listSync(directory)) {
    const number = parseFileName(name)?.number ?? 0
    if (number >= next) next = number + 1
  }
  return next
}

function startManifest(
  { random }: Environment,
  output: Output,
  numbering: FileNumbering,
  state: ManifestState,
): Promise<ManifestLog> {
  const salt = new Uint8Array(8)
  random.fill(salt)
  const number = numbering.take()
  return ManifestLog.create({ ...output, number, salt, sync: output.syncFile }, state)
}

interface Wiring {
  readonly foundation: Foundation
  readonly undo: UndoSteps
  readonly allocator: HeapAllocator
  readonly numbering: FileNumbering
  readonly logs: RecoveredLogs
  readonly output: Output
  readonly manifest: ManifestLog
}

/** Parts without schedule: state, caches, readers. */
type Stores = Awaited<ReturnType<typeof wireStores>>

async function wire(wiring: Wiring): Promise<{ engine: EngineParts; obsolete: ObsoleteFiles }> {
  const stores = await wireStores(wiring)
  const { foundation, logs, manifest, numbering, undo } = wiring
  const { options, environment, machine, executor } = foundation
  const { runner, ...background } = wireBackground(wiring, stores)
  const { tree, memtables } = stores
  const verifier = new Verifier({ foundation, runner, tree, memtables, manifest })
  const { obsolete, bindings: _, ...kept } = stores
  const engine: EngineParts = {
    options,
    environment,
    machine,
    executor,
    ...kept,
    ...background,
    verifier,
    coldReads: new Set(),
    tornTailsCut: logs.tornTailsCut,
    shutDown: () =>
      shutDown({ ...engine, manifest, numbering, obsolete, release: () => undo.run() }),
  }
  return { engine, obsolete }
}

async function wireStores(wiring: Wiring) {
  const { foundation, allocator, numbering, logs, output, manifest, undo } = wiring
  const { options, environment, machine, directory } = foundation
  const { clock, logger, random } = environment
  const health = new Health(options.readOnly, logger)
  const oracle = new Oracle(logs.lastVersion)
  const pins = new Pins()
  const time = new ReadTime(clock)
  const intervalMs =
    typeof options.durability === 'object' ? options.durability.interval : undefined
  const syncFile = (file: OpenFile): Promise<void> => {
    if (!health.closing) foundation.syncsCome()
    return output.syncFile(file)
  }
  const walSyncer = new WalSyncer({ syncFile, clock, health, intervalMs })
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
    memtableSize: options.memtableSize,
    memtableCount: options.memtableCount,
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
      shape: foundation.shape,
      manifest,
      numbering,
      allocator,
      fences: new LevelFences(machine.heap, allocator),
      tables: readers.tables,
      obsolete,
      syncer: walSyncer,
      memtables,
      readers: () => pins.readers({ version: oracle.visibleVersion, now: time.pass() }),
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

function wireReaders({ foundation, allocator, undo }: Wiring, views: () => ReadViews) {
  const { options, environment, machine, directory } = foundation
  const { clock, fs } = environment
  const cacheRegion = takeRegion(allocator, options.blockCacheSize)
  const cache = new BlockCache(machine, cacheRegion, options.blockSize)
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

/** Write queue and schedulers, and what each tells the others. */
function wireBackground({ foundation, allocator, manifest, output }: Wiring, stores: Stores) {
  const { options, environment, machine, executor, jobBytes } = foundation
  const { clock, logger } = environment
  const { health, oracle, walSyncer, memtables, tables, tree, progress } = stores
  const { bindings, obsolete } = stores
  wireFailures(manifest, stores)
  const halted = (): boolean => !manifest.usable || !manifest.stillOwned()
  const { stalls, pressure } = wirePressure(environment, options, stores)
  const reserve = wireReserve(output, foundation, stores)
  const runner = new JobRunner({ executor, heap: machine.heap, allocator, obsolete })
  const writes = new WriteQueue({
    ...machine,
    walScratch: takeRegion(allocator, WAL_SCRATCH_BYTES).address,
    clock,
    oracle,
    memtables,
    syncer: walSyncer,
    fillAhead: new FillAhead({
      memtableSize: options.memtableSize,
      spend: (bytes) => reserve.spend(bytes),
    }),
    health,
    reserve,
    watch: output.watch,
    pressure,
    stalls,
    durability: options.durability,
    commitBytesMax: Math.floor(options.memoryBudget / 4),
    ownMemtableBytes: Math.floor(options.memtableSize / 4),
    waitingBytesMax: waitingBytesMax(options),
  })
  const outcomes = new BackgroundOutcomes({ health, logger, progress, writes, reserve, tables })
  const merges = new PlanMerges({
    runner,
    executor,
    tree,
    clock,
    flushing: () => flushes.busy || memtables.immutables.length > 0,
    splitting: environment.splitting,
  })
  const compactions = new CompactionScheduler({
    merges,
    tree,
    clock,
    pick: { ...options, baseLevelSize: baseLevelSize(options) },
    maxLevels: options.maxLevels,
    parallel: Math.max(1, options.workers - 1),
    enabled: !options.readOnly,
    halted,
    failed: outcomes.failed,
    compacted: () => {
      pressure.changed()
      outcomes.succeeded()
    },
    idle: () => outcomes.roomChanged(),
  })
  const flushes = new FlushScheduler({
    runner,
    tree,
    clock,
    enabled: !options.readOnly,
    parallel: flushesAtOnce(executor.workers, options.memtableCount),
    aheadBytes: jobBytes,
    due: () => memtables.flushable,
    halted,
    failed: outcomes.failed,
    flushed: ({ memtable }) => {
      pressure.flushed(memtable.recordEnd - memtable.arena.address)
      pressure.changed()
      outcomes.succeeded()
      merges.flushed()
      if (tree.levels[0]!.length + 2 >= options.l0CompactTrigger) executor.warmUp(2)
      compactions.kick()
    },
  })
  bindings.bind({
    changed: () => {
      tree.publishMemtables()
      pressure.changed()
    },
    flushable: () => flushes.kick(),
    flushComes() {
      executor.warmUp(1)
      flushes.kick()
    },
    roomChanged: () => outcomes.roomChanged(),
    blocked: (cause) => outcomes.blocked(cause),
    stalled() {
      if (tree.levels[0]!.length < options.l0StallTrigger) return false
      // Level 0 will not get shorter: to wait would be for ever.
      if (compactions.damage !== undefined) throw compactions.damage
      return true
    },
  })
  return { writes, compactions, merges, flushes, runner, stalls }
}

function wireFailures(manifest: ManifestLog, { health, progress }: Stores): void {
  manifest.onFailure((error) => health.poison('Writing the manifest', error))
  health.onPoison((error) => manifest.stop(error))
  // Whoever waits for a background job would wait for ever: most of them end here.
  health.onPoison(() => progress.signal())
}

/** What the budget leaves beside memtables and caches, but room for the longest commit. */
function waitingBytesMax(options: ResolvedOptions): number {
  const { memoryBudget, memtableSize, memtableCount, blockCacheSize, indexCacheSize } = options
  const beside = memoryBudget - memtableSize * memtableCount - blockCacheSize - indexCacheSize
  return Math.max(beside, memoryBudget / 4)
}

function wirePressure(
  { clock, notify }: Environment,
  options: ResolvedOptions,
  { memtables, tree }: Stores,
): { stalls: StallWatch; pressure: WritePressure } {
  const stalls = new StallWatch({ clock, notify })
  const pressure = new WritePressure({
    clock,
    options,
    memory: () => memtables.fill,
    levels: () => tree.levels,
    watch: stalls,
  })
  return { stalls, pressure }
}

function wireReserve(
  output: Output,
  { options, environment }: Foundation,
  { memtables, health, diskBytes }: Stores,
): DiskReserve {
  const { maxDiskBytes } = options
  return new DiskReserve({
    fs: output.fs,
    directory: output.directory,
    logger: environment.logger,
    unflushed: () => memtables.usedBytes,
    quota: maxDiskBytes === undefined ? undefined : { maxDiskBytes, used: diskBytes },
    lost: (cause) => {
      health.directoryLost(cause)
      return health.tell()!
    },
  })
}

/** Lets the memtables be built before those they report to. */
class EventBindings implements MemtablesEvents {
  #events: MemtablesEvents | undefined

  bind(events: MemtablesEvents): void {
    this.#events = events
  }

  changed(): void {
    this.#bound.changed()
  }

  flushable(): void {
    this.#bound.flushable()
  }

  flushComes(): void {
    this.#bound.flushComes()
  }

  roomChanged(): void {
    this.#bound.roomChanged()
  }

  blocked(error: Error): void {
    this.#bound.blocked(error)
  }

  stalled(): boolean {
    return this.#bound.stalled()
  }

  get #bound(): MemtablesEvents {
    assert(this.#events !== undefined, 'memtables are used after they are wired')
    return this.#events
  }
}

function takeRegion(allocator: HeapAllocator, bytes: number): Region {
  const region = allocator.allocate(bytes, 64)
  if (region !== undefined) return region
  throw new SettError(
    'SETT_OUT_OF_MEMORY',
    `The heap has no ${bytes} bytes left. Raise memoryBudget, or lower the cache sizes.`,
  )
}

/** Files of ours that the manifest does not name were left behind by a crash. */
function removeOrphans(obsolete: ObsoleteFiles, manifest: ManifestLog): void {
  const { levels, wals } = manifest.state
  obsolete.removeOrphans({
    tables: new Set(levels.flat().map(({ number }) => number)),
    wals: new Set(wals.map(({ number }) => number)),
    manifest: manifest.number,
  })
}

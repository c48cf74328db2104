// Builds the engine on what open.ts prepared: recovers the logs, starts a manifest and a WAL of this open, wires the
// parts. Main thread.
import type { Clock } from '../base/clock.ts'
import { parseFileName } from '../io/file-names.ts'
import type { OpenFile } from '../io/file-system.ts'
import { memoryFileSystem } from '../io/memory-file-system.ts'
import { applyEdit, type ManifestState } from '../manifest/apply-edit.ts'
import { ManifestLog } from '../manifest/manifest-log.ts'
import { HeapAllocator } from '../memory/heap-allocator.ts'
import { shutDown } from './close.ts'
import { DiskWatch } from './disk/disk-watch.ts'
import { StorageEngine } from './engine.ts'
import type { EngineParts } from './engine-parts.ts'
import { FileNumbering } from './file-numbering.ts'
import type { FlushScheduler } from './flush-scheduler.ts'
import type { Foundation, UndoSteps } from './foundation.ts'
import { wireCare } from './maintenance/wire-care.ts'
import type { ObsoleteFiles } from './obsolete-files.ts'
import { recoverLogs } from './recover.ts'
import { sweepTheRest, sweepUnfinishedOpens } from './recovery/unfinished-opens.ts'
import type { Environment } from './types.ts'
import { Verifier } from './verify/verifier.ts'
import { wireBackground } from './wiring/wire-background.ts'
import { type Output, type Wiring, wireStores } from './wiring/wire-stores.ts'

/** Logs that were replayed without a thread wait so long for their flush. */
const REST_MS = 1_000

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
    parts.engine.upkeep.stir()
    // Named, and then a crash came before the commit.
    await parts.engine.tree.dropUnused()
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
  const next = (): { number: number; salt: Uint8Array } => {
    const salt = new Uint8Array(8)
    random.fill(salt)
    return { number: numbering.take(), salt }
  }
  return ManifestLog.create({ ...output, ...next(), sync: output.syncFile, next }, state)
}

async function wire(wiring: Wiring): Promise<{ engine: EngineParts; obsolete: ObsoleteFiles }> {
  const stores = await wireStores(wiring)
  const { foundation, logs, manifest, numbering, undo } = wiring
  const { options, environment, machine, executor } = foundation
  const { runner, limiter, notices, ...background } = wireBackground(wiring, stores, () => monitor)
  const { tree, memtables } = stores
  const { watch } = wiring.output
  const verifier = new Verifier({ foundation, runner, tree, memtables, manifest })
  const care = { foundation, ...stores, ...background, watch, notices, limiter, verifier }
  const { monitor, tuning, scrubber } = wireCare(care)
  const { obsolete, bindings: _, ...kept } = stores
  const engine: EngineParts = {
    options,
    environment,
    machine,
    executor,
    ...kept,
    ...background,
    verifier,
    watch,
    monitor,
    tuning,
    coldReads: new Set(),
    tornTailsCut: logs.tornTailsCut,
    stopCare() {
      background.upkeep.stop()
      limiter.stop()
      scrubber.stop()
    },
    shutDown: () =>
      shutDown({ ...engine, manifest, numbering, obsolete, release: () => undo.run() }),
  }
  return { engine, obsolete }
}

/** Files of ours that the manifest does not name were left behind by a crash. It has no successor on its way yet: a few
 * edits make no manifest long. */
function removeOrphans(obsolete: ObsoleteFiles, manifest: ManifestLog): void {
  const { levels, wals, segments } = manifest.state
  obsolete.removeOrphans({
    segments: new Set(segments.map(({ number }) => number)),
    tables: new Set(levels.flat().map(({ number }) => number)),
    wals: new Set(wals.map(({ number }) => number)),
    manifest: manifest.number,
  })
}

// Opens a database: one function per step, in order; what was taken is given back when a later step fails.
// Main thread.
import { dirname, resolve } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { SettError } from '../base/errors.ts'
import { LiveOptions } from '../base/live-options.ts'
import type { ResolvedOptions } from '../base/options.ts'
import { systemRandom } from '../base/random.ts'
import { zstd } from '../base/zstd.ts'
import {
  acquireDirectoryLock,
  type DirectoryLock,
  LockRegistry,
  watchDirectory,
} from '../io/directory-lock.ts'
import type { FileKind } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import { memoryFileSystem } from '../io/memory-file-system.ts'
import { nodeFileSystem } from '../io/node-file-system.ts'
import { runJob } from '../jobs/run-job.ts'
import { wasmKernels } from '../kernel/wasm-kernels.ts'
import { EMPTY_STATE } from '../manifest/apply-edit.ts'
import { readManifest } from '../manifest/read-manifest.ts'
import type { Executor } from '../pool/executor.ts'
import { inlineExecutor } from '../pool/inline-executor.ts'
import { processHeaps } from '../pool/process-heaps.ts'
import { syncWorker } from '../pool/sync-worker.ts'
import { workerExecutor } from '../pool/worker-executor.ts'
import { assemble } from './assemble.ts'
import { errorCode } from './disk/failures.ts'
import type { StorageEngine } from './engine.ts'
import type { Foundation } from './foundation.ts'
import { planMemory } from './memory-plan.ts'
import { finishRepair } from './repair/set-aside.ts'
import { requireCodecs, requireNamed, requireRegularFiles } from './require-files.ts'
import type { Environment } from './types.ts'

/** Where there is one of these, there is a database, whole or not. */
const OF_A_DATABASE: ReadonlySet<FileKind> = new Set(['current', 'sst', 'vlog', 'wal'])

/** Directories this process holds, by device and inode. */
const locks = new LockRegistry()

/** Undoes steps, last first. */
export class Undo {
  readonly #steps: (() => void | Promise<void>)[] = []

  add(step: () => void | Promise<void>): void {
    this.#steps.push(step)
  }

  async run(): Promise<void> {
    const failures: unknown[] = []
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step()
      } catch (error) {
        // The other steps still run: nothing may stay locked because one thing did not close.
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

export async function openEngine(
  location: string,
  options: ResolvedOptions,
  given?: Partial<Environment>,
): Promise<StorageEngine> {
  const environment: Environment = {
    fs: options.inMemory ? memoryFileSystem() : nodeFileSystem,
    clock: systemClock,
    random: systemRandom,
    logger: options.logger,
    kernels: wasmKernels,
    notify: () => undefined,
    ...given,
  }
  const undo = new Undo()
  try {
    return await openSteps(location, new LiveOptions(options), environment, undo)
  } catch (error) {
    await undo.run()
    throw error
  }
}

async function openSteps(
  location: string,
  live: LiveOptions,
  environment: Environment,
  undo: Undo,
): Promise<StorageEngine> {
  const { fs } = environment
  const options = live.current
  const directory = options.inMemory ? '/memory' : resolve(location)
  checkDirectory(fs, directory, options)
  const giveBack = options.resources?.take(options.memoryBudget)
  if (giveBack !== undefined) undo.add(giveBack)
  const made = !options.readOnly && fs.makeDirectorySync(directory)
  const lock = await lockDirectory(directory, options, environment, undo)
  const recovered = readManifest(fs, directory)
  checkExistence(recovered !== undefined, directory, options)
  if (recovered === undefined && !made) makeNameDurable(directory, environment)
  if (recovered !== undefined && !options.readOnly) finishRepair(fs, directory, recovered)
  const manifest = recovered?.state ?? EMPTY_STATE
  requireNamed(fs, directory, manifest)
  requireCodecs(directory, manifest, zstd)
  const { heapBytes, ...plan } = planMemory(fs, directory, options, manifest)

  const heap = processHeaps.acquire(heapBytes)
  undo.add(() => processHeaps.release(heap))
  const executor = createExecutor(options, environment)
  undo.add(() => executor.close())
  const foundation: Foundation = {
    directory,
    live,
    options,
    environment,
    machine: { heap, kernels: environment.kernels(heap.memory) },
    executor,
    ...fileSyncer(options, environment, undo),
    checkLock: () => lock.check(),
    manifest,
    manifestNumber: recovered?.number ?? 0,
    ...plan,
  }
  return assemble(foundation, undo)
}

/** Refuses a location that cannot become or be a database, before anything is written. */
function checkDirectory(fs: FileSystem, directory: string, options: ResolvedOptions): void {
  const there = fs.statSync(directory)
  if (there === undefined) {
    checkExistence(false, directory, options)
    return
  }
  // A symbolic link to a directory is followed: the trailing dot makes the kernel do so.
  const kind = there.kind === 'other' ? fs.statSync(`${directory}/.`)?.kind : there.kind
  if (kind !== 'directory') {
    throw new SettError(
      'SETT_NOT_A_DATABASE',
      `${directory} is not a directory. Give the path of a directory, which may be missing or empty.`,
    )
  }
  const entries = requireRegularFiles(fs, directory)
  if (entries.some(({ file }) => file !== undefined && OF_A_DATABASE.has(file.kind))) return
  checkExistence(false, directory, options)
  if (entries.some(({ file }) => file === undefined)) {
    throw new SettError(
      'SETT_NOT_A_DATABASE',
      `${directory} holds other files and no database. Give an empty directory or one of its own.`,
    )
  }
}

/** A new database in a directory that was there: whoever made it may not have synced its name, such as an open that
 * was killed. */
function makeNameDurable(directory: string, { fs, logger }: Environment): void {
  const above = dirname(directory)
  try {
    fs.syncDirectorySync(above)
  } catch (error) {
    const code = errorCode(error)
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    const what = 'The directory above the database may not be opened, so it was not synced'
    logger.warn({ err: error, path: above }, what)
  }
}

function checkExistence(exists: boolean, directory: string, options: ResolvedOptions): void {
  if (exists && options.errorIfExists) {
    throw new SettError(
      'LEVEL_EXISTS',
      `A database exists at ${directory}. Open it without errorIfExists, or choose another path.`,
    )
  }
  if (!exists && !options.createIfMissing) {
    throw new SettError(
      'LEVEL_NOT_FOUND',
      `A database does not exist at ${directory}. Check the path, or open with createIfMissing: true ` +
        '(and without readOnly).',
    )
  }
}

/** Takes the lock for as long as `undo` holds it. */
export async function lockDirectory(
  directory: string,
  options: ResolvedOptions,
  { fs, clock }: Environment,
  undo: Undo,
): Promise<DirectoryLock> {
  if (options.lock === 'none') return watchDirectory(fs, directory)
  const lock = await acquireDirectoryLock({
    fs,
    registry: locks,
    directory,
    mode: options.readOnly ? 'shared' : 'exclusive',
    timeoutMs: options.lockTimeout,
    clock,
  })
  undo.add(() => lock.release())
  return lock
}

export function createExecutor(options: ResolvedOptions, environment: Environment): Executor {
  const { fs, clock, random, kernels, logger } = environment
  if (environment.executor !== undefined) return environment.executor
  if (options.workers === 0 || fs.inMemory) {
    return inlineExecutor({ runJob, fs, random, clock, kernels: (heap) => kernels(heap.memory) })
  }
  const { workers, workerUrl, resources } = options
  return workerExecutor({ workers, workerUrl, clock, logger, share: resources?.share })
}

/** Syncs go to the sync worker where there are threads and descriptors, else to libuv's pool, which also serves until
 * the worker is up: opening, and reading alone, need no thread. */
function fileSyncer(
  options: ResolvedOptions,
  { fs, clock }: Environment,
  undo: Undo,
): Pick<Foundation, 'syncFile' | 'syncsCome'> {
  if (options.workers === 0 || options.readOnly || fs.inMemory) {
    return { syncFile: (file) => file.dataSync(), syncsCome: () => undefined }
  }
  const worker = syncWorker({ clock })
  undo.add(() => worker.release())
  return {
    syncFile(file) {
      if (file.descriptor === undefined) return file.dataSync()
      return worker.dataSync(file.descriptor, () => file.dataSync())
    },
    syncsCome: () => worker.start(),
  }
}

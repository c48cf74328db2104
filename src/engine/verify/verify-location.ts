// Verifies a database that is not open, without opening it: what an open would refuse is told like all other
// damage. Takes the lock of a reader; reads only. Main thread.
import { resolve } from 'node:path'
import { systemClock } from '../../base/clock.ts'
import { SettError } from '../../base/errors.ts'
import type { ResolvedOptions } from '../../base/options.ts'
import { systemRandom } from '../../base/random.ts'
import { checkVersionOrder } from '../../compaction/invariant.ts'
import { judgeLogs } from '../../inspect/judge-logs.ts'
import { manifestPath } from '../../io/file-names.ts'
import { nodeFileSystem } from '../../io/node-file-system.ts'
import { verifyWorkspaceBytes } from '../../jobs/workspace.ts'
import { wasmKernels } from '../../kernel/wasm-kernels.ts'
import { namedFiles } from '../../manifest/apply-edit.ts'
import { type RecoveredManifest, readManifest } from '../../manifest/read-manifest.ts'
import { HeapAllocator } from '../../memory/heap-allocator.ts'
import { createCancelFlag } from '../../pool/cancel-flag.ts'
import { processHeaps } from '../../pool/process-heaps.ts'
import { JobRunner } from '../job-runner.ts'
import { ObsoleteFiles } from '../obsolete-files.ts'
import { createExecutor, lockDirectory, Undo } from '../open.ts'
import type { Environment } from '../types.ts'
import { ReportBuilder, type VerifyOptions, type VerifyReport } from './report.ts'
import { verifyFiles } from './verify-files.ts'

interface Place {
  readonly directory: string
  readonly options: ResolvedOptions
  readonly environment: Environment
  readonly undo: Undo
}

export async function verifyLocation(
  location: string,
  options: ResolvedOptions,
  verify: VerifyOptions,
  given?: Partial<Environment>,
): Promise<VerifyReport> {
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
  const undo = new Undo()
  try {
    await lockDirectory(directory, { ...options, readOnly: true }, environment, undo)
    const report = new ReportBuilder()
    let manifest: RecoveredManifest | undefined
    report.check('manifest', directory, () => {
      manifest = readManifest(fs, directory)
      if (manifest === undefined) throw notThere(directory)
    })
    if (manifest !== undefined) {
      await verifyNamed({ directory, options, environment, undo }, manifest, report, verify)
    }
    return report.finish([])
  } finally {
    await undo.run()
  }
}

async function verifyNamed(
  { directory, options, environment, undo }: Place,
  { state, number }: RecoveredManifest,
  report: ReportBuilder,
  verify: VerifyOptions,
): Promise<void> {
  const { fs, logger } = environment
  const path = manifestPath(directory, number)
  report.check('manifest', path, () => checkVersionOrder(state.levels))
  const { segments } = state
  const tables = state.levels.flat()
  report.add('manifest', fs.statSync(path)?.size ?? 0, namedFiles(state))
  const { logs, problems } = judgeLogs(fs, directory, state)
  // The others are read once more, for where their pointers lead.
  const wals = logs.filter(({ whole }) => whole)
  for (const { whole, length, records } of logs) if (!whole) report.add('wal', length, records)
  for (const problem of problems) report.problem('wal', problem)
  const executor = createExecutor(options, environment)
  undo.add(() => executor.close())
  const parallel = Math.max(1, Math.min(executor.workers, 4))
  const workspace = verifyWorkspaceBytes(tables, segments)
  const heap = processHeaps.acquire((parallel + 1) * (workspace + 4096))
  undo.add(() => processHeaps.release(heap))
  const allocator = new HeapAllocator(heap)
  const obsolete = new ObsoleteFiles(fs, directory, logger)
  const runner = new JobRunner({ executor, heap, allocator, obsolete })
  const cancel = createCancelFlag()
  const files = { tables, wals, segments, isNamed: () => true }
  await verifyFiles({ fs, directory, runner, parallel, ...files, cancel }, report, verify)
}

function notThere(directory: string): SettError {
  return new SettError('SETT_NOT_A_DATABASE', `${directory} holds no database. Check the path.`)
}

// verify() of an open database: pins the current view, so that its tables stay, and reads every file it names
// while reads and writes go on. Main thread.

import { SettError } from '../../base/errors.ts'
import { checkVersionOrder } from '../../compaction/invariant.ts'
import { listEntries } from '../../inspect/directory-entries.ts'
import { currentPath, manifestPath } from '../../io/file-names.ts'
import type { WalExtent } from '../../jobs/job.ts'
import { namedFiles } from '../../manifest/apply-edit.ts'
import type { ManifestLog } from '../../manifest/manifest-log.ts'
import { readCurrent, readManifest, readManifestFile } from '../../manifest/read-manifest.ts'
import { createCancelFlag } from '../../pool/cancel-flag.ts'
import type { CancelFlag } from '../../pool/executor.ts'
import type { Foundation } from '../foundation.ts'
import type { JobRunner } from '../job-runner.ts'
import type { Memtables } from '../memtables.ts'
import type { TreeState } from '../tree-state.ts'
import { ReportBuilder, type VerifyOptions, type VerifyReport } from './report.ts'
import { verifyFiles } from './verify-files.ts'

/** More jobs than this at a time gain nothing on one disk. */
const PARALLEL_MAX = 4

export interface VerifierParts {
  readonly foundation: Foundation
  readonly runner: JobRunner
  readonly tree: TreeState
  readonly memtables: Memtables
  /** Of a read-only open: one in memory, which says what of the logs counts. */
  readonly manifest: ManifestLog
}

export class Verifier {
  readonly #parts: VerifierParts
  readonly #running = new Map<CancelFlag, Promise<unknown>>()
  #stopped = false

  constructor(parts: VerifierParts) {
    this.#parts = parts
  }

  get busy(): boolean {
    return this.#running.size > 0
  }

  async verify(options: VerifyOptions): Promise<VerifyReport> {
    const cancel = createCancelFlag()
    const { signal } = options
    const abort = (): void => cancel.cancel()
    if (signal?.aborted === true) throw aborted()
    signal?.addEventListener('abort', abort, { once: true })
    const work = this.#verify(options, cancel)
    this.#running.set(cancel, work)
    try {
      return await work
    } catch (error) {
      if (!cancel.cancelled) throw error
      throw this.#stopped ? closed() : aborted()
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#running.delete(cancel)
    }
  }

  /** Ends what runs; nothing of it reads the heap afterwards. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of this.#running.keys()) cancel.cancel()
    await Promise.allSettled(this.#running.values())
  }

  async #verify(options: VerifyOptions, cancel: CancelFlag): Promise<VerifyReport> {
    const { foundation, runner, tree, manifest } = this.#parts
    const { directory, executor } = foundation
    const { fs } = foundation.environment
    const report = new ReportBuilder()
    const pinned = tree.views.pin()
    // While the view is pinned none of them goes.
    const { segments } = manifest.state
    try {
      this.#checkManifest(report)
      const strayAtFirst = this.#strayFiles()
      await verifyFiles(
        {
          fs,
          directory,
          runner,
          parallel: Math.min(executor.workers, PARALLEL_MAX),
          tables: pinned.view.levels.flat(),
          wals: this.#wals(),
          segments,
          isNamed: (wal) => manifest.state.wals.some(({ number }) => number === wal),
          cancel,
        },
        report,
        options,
      )
      // What was on its way out when it was first seen has gone by now.
      const still = new Set(this.#strayFiles())
      return report.finish(strayAtFirst.filter((name) => still.has(name)))
    } finally {
      pinned.release()
    }
  }

  /** From disk, edit by edit, against what the engine goes by. */
  #checkManifest(report: ReportBuilder): void {
    const { foundation, manifest, tree } = this.#parts
    const { directory, options, environment } = foundation
    const { fs } = environment
    const current = currentPath(directory)
    const number = report.check('manifest', current, () => readCurrent(fs, directory))?.manifest
    if (number === undefined) return
    const path = manifestPath(directory, number)
    const read = report.check('manifest', path, () =>
      options.readOnly
        ? readManifest(fs, directory)
        : readManifestFile(fs, directory, manifest.number, manifest.length),
    )
    if (read === undefined) return
    const { state } = read
    const wanted = options.readOnly ? foundation.manifest.editNumber : manifest.lastDurableEdit
    if (state.editNumber !== wanted || (!options.readOnly && !manifest.isCurrent(number))) {
      const expected = `edit ${wanted} of the manifest in use as the last`
      const found = `edit ${state.editNumber} of manifest ${number}`
      report.problem('manifest', { file: path, offset: 0, expected, found })
    }
    report.check('manifest', path, () => checkVersionOrder(tree.levels))
    report.add('manifest', fs.statSync(path)?.size ?? 0, namedFiles(state))
  }

  /** Each log as far as it is known to be good now. */
  #wals(): WalExtent[] {
    const { manifest, memtables, foundation } = this.#parts
    const extents = new Map<number, WalExtent>()
    for (const { number, salt, sealed } of manifest.state.wals) {
      if (sealed === undefined) continue
      extents.set(number, { number, salt, length: sealed.length, digest: sealed.digest })
    }
    if (foundation.options.readOnly) return [...extents.values()]
    for (const { wal } of [...memtables.immutables, memtables.active]) {
      if (wal === undefined || extents.has(wal.number)) continue
      const { number, saltHex: salt, length, digest } = wal
      extents.set(number, { number, salt, length, digest })
    }
    return [...extents.values()]
  }

  /** Files of earlier opens that neither the manifest nor a reader refers to. */
  #strayFiles(): string[] {
    const { foundation, manifest, tree } = this.#parts
    const { directory, environment, options } = foundation
    if (options.readOnly) return []
    const { wals, segments } = manifest.state
    const used = new Set([...wals, ...segments].map(({ number }) => number))
    for (const { levels } of tree.views.live) {
      for (const table of levels.flat()) {
        for (const { number } of [table, ...(table.segments ?? [])]) used.add(number)
      }
    }
    const stray = listEntries(environment.fs, directory).filter(({ file }) => {
      if (file === undefined || file.number === 0 || file.kind === 'lostFound') return false
      // Newer ones may be in the making.
      return file.number < manifest.firstNumber && !used.has(file.number)
    })
    return stray.map(({ name }) => name)
  }
}

function aborted(): SettError {
  return new SettError('LEVEL_ABORTED', 'The verification was aborted; nothing was changed.')
}

function closed(): SettError {
  return new SettError(
    'LEVEL_DATABASE_NOT_OPEN',
    'The database was closed while it was verified. Open it and verify again.',
  )
}

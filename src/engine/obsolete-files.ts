// Deletes files nothing refers to any more. Main thread. A file that cannot be deleted now is left for the next
// open, which removes every file of ours the manifest does not name. In a directory that is not ours any more nothing
// is deleted.
import type { Logger } from '../base/logger.ts'
import { manifestPath, parseFileName, segmentPath, tablePath, walPath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import { errorCode } from './disk/failures.ts'

export class ObsoleteFiles {
  readonly #fs: FileSystem
  readonly #directory: string
  readonly #logger: Logger
  /** Whether the directory is still ours. */
  readonly #owned: () => boolean
  readonly #removing = new Set<Promise<void>>()
  #batch: string[] = []

  constructor(fs: FileSystem, directory: string, logger: Logger, owned = (): boolean => true) {
    this.#fs = fs
    this.#directory = directory
    this.#logger = logger
    this.#owned = owned
  }

  removeTable(number: number): void {
    this.#remove(tablePath(this.#directory, number))
  }

  removeSegment(number: number): void {
    this.#remove(segmentPath(this.#directory, number))
  }

  removeWal(number: number): void {
    this.#remove(walPath(this.#directory, number))
  }

  removeManifest(number: number): void {
    this.#remove(manifestPath(this.#directory, number))
  }

  /** Removes files of ours that are not in `keep`; others are not touched. */
  removeOrphans(keep: {
    readonly tables: ReadonlySet<number>
    readonly wals: ReadonlySet<number>
    readonly segments: ReadonlySet<number>
    readonly manifest: number
  }): number {
    let removed = 0
    for (const name of this.#fs.listSync(this.#directory)) {
      const file = parseFileName(name)
      if (file === undefined) continue
      const orphan =
        (file.kind === 'sst' && !keep.tables.has(file.number)) ||
        (file.kind === 'wal' && !keep.wals.has(file.number)) ||
        (file.kind === 'vlog' && !keep.segments.has(file.number)) ||
        (file.kind === 'manifest' && file.number !== keep.manifest) ||
        file.kind === 'currentTemp'
      if (!orphan) continue
      this.#remove(`${this.#directory}/${name}`)
      removed += 1
    }
    return removed
  }

  /** Resolves once everything asked for is gone. */
  async settled(): Promise<void> {
    while (this.#removing.size > 0) await Promise.all(this.#removing)
  }

  /** What is asked for in one turn goes together, after one look at whose directory it is. */
  #remove(path: string): void {
    this.#batch.push(path)
    if (this.#batch.length > 1) return
    const removal = Promise.resolve()
      .then(() => this.#removeBatch())
      .then(() => void this.#removing.delete(removal))
    this.#removing.add(removal)
  }

  async #removeBatch(): Promise<void> {
    const paths = this.#batch
    this.#batch = []
    if (this.#owned()) await Promise.all(paths.map((path) => this.#removeOne(path)))
  }

  async #removeOne(path: string): Promise<void> {
    try {
      await this.#fs.remove(path)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return
      const what = 'An obsolete file could not be removed; the next open tries again'
      this.#logger.warn({ err: error, path }, what)
    }
  }
}

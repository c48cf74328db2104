// Deletes files nothing refers to any more. Main thread. A file that cannot be deleted now is left for the next
// open, which removes every file of ours the manifest does not name.
import type { Logger } from '../base/logger.ts'
import { parseFileName, tablePath, walPath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import { errorCode } from './health.ts'

export class ObsoleteFiles {
  readonly #fs: FileSystem
  readonly #directory: string
  readonly #logger: Logger
  readonly #removing = new Set<Promise<void>>()

  constructor(fs: FileSystem, directory: string, logger: Logger) {
    this.#fs = fs
    this.#directory = directory
    this.#logger = logger
  }

  removeTable(number: number): void {
    this.#remove(tablePath(this.#directory, number))
  }

  removeWal(number: number): void {
    this.#remove(walPath(this.#directory, number))
  }

  /** Removes files of ours that are not in `keep`; others are not touched. */
  removeOrphans(keep: {
    readonly tables: ReadonlySet<number>
    readonly wals: ReadonlySet<number>
    readonly manifest: number
  }): number {
    let removed = 0
    for (const name of this.#fs.listSync(this.#directory)) {
      const file = parseFileName(name)
      if (file === undefined) continue
      const orphan =
        (file.kind === 'sst' && !keep.tables.has(file.number)) ||
        (file.kind === 'wal' && !keep.wals.has(file.number)) ||
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

  #remove(path: string): void {
    const removal = this.#fs
      .remove(path)
      .catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return
        const what = 'An obsolete file could not be removed; the next open tries again'
        this.#logger.warn({ err: error, path }, what)
      })
      .then(() => void this.#removing.delete(removal))
    this.#removing.add(removal)
  }
}

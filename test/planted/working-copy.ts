// A copy of the working tree to plant bugs in. Packages are linked one by one, so that nothing a test run leaves in
// node_modules lands in the checkout; the checkout is only read.
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Bug } from './bugs.ts'
import { applyPatch } from './patch.ts'

const LEFT_OUT: ReadonlySet<string> = new Set([
  '.git',
  'node_modules',
  'dist',
  'coverage',
  '.scratch',
])

export interface CopyPlan {
  readonly checkout: string
  /** Folder with the packages. */
  readonly packages: string
  /** Where the copy goes; not there yet. */
  readonly folder: string
}

export class WorkingCopy {
  readonly root: string
  /** Files a bug changed, as they were. */
  readonly #originals = new Map<string, string>()

  constructor({ checkout, packages, folder }: CopyPlan) {
    this.root = folder
    cpSync(checkout, folder, {
      recursive: true,
      verbatimSymlinks: true,
      filter: (path) => resolve(path) === resolve(checkout) || !LEFT_OUT.has(basename(path)),
    })
    mkdirSync(join(folder, 'node_modules'))
    for (const name of readdirSync(packages)) {
      // Caches are the copy's own.
      if (name.startsWith('.') && name !== '.bin') continue
      symlinkSync(join(packages, name), join(folder, 'node_modules', name), 'junction')
    }
  }

  /** Throws when a patch does not apply; nothing is changed then. */
  plant({ files }: Bug): void {
    const changed = files.map((patch) => {
      const path = join(this.root, patch.path)
      const before = readFileSync(path, 'utf8')
      return { path, before, after: applyPatch(before, patch) }
    })
    for (const { path, before, after } of changed) {
      this.#originals.set(path, before)
      writeFileSync(path, after)
    }
  }

  restore(): void {
    for (const [path, text] of this.#originals) writeFileSync(path, text)
    this.#originals.clear()
  }
}

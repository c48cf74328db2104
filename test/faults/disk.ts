// What a disk holds and what only its cache does, moved forward by the steps of a file system's log; and what a
// power cut could leave. Invariant: durable bytes and names change by syncs alone. A name is durable by one of
// two rules: 'strict', once its directory was synced; 'ext4', once anything was synced after it was given.
import { join } from 'node:path'
import { DataOps, type FileContent, SECTOR, type Survived } from './file-content.ts'

export interface Place {
  readonly directory: number
  readonly name: string
}

type NameStep =
  | { readonly kind: 'create'; readonly at: Place; readonly file: number }
  | { readonly kind: 'makeDirectory'; readonly at: Place; readonly directory: number }
  | { readonly kind: 'rename'; readonly from: Place; readonly to: Place; readonly moved: number }
  | { readonly kind: 'remove'; readonly at: Place }

/** One change. `before`: the length of the log when the sync began, since what came later may have missed it. */
export type Step =
  | NameStep
  | { readonly kind: 'write'; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: number; readonly length: number }
  | { readonly kind: 'sync'; readonly file: number; readonly before: number }
  | { readonly kind: 'syncDirectory'; readonly directory: number; readonly before: number }
  /** A sync that failed: what it was asked for is never written. 'clean': it stays readable until the crash;
   * 'revert': it is gone at once. */
  | {
      readonly kind: 'lose'
      readonly file: number
      readonly before: number
      readonly mode: 'clean' | 'revert'
    }

export type NameRule = 'strict' | 'ext4'

/** A change that a power cut may undo. */
export interface Pending {
  /** Its place in the log. */
  readonly index: number
  readonly kind: 'create' | 'makeDirectory' | 'rename' | 'remove' | 'write' | 'truncate'
  readonly file: number
  /** Of a write: the sectors it touched. */
  readonly at: number
  readonly end: number
}

/** What becomes of the changes that are not durable. */
export interface Survival {
  readonly rule: NameRule
  readonly survives: (change: Pending) => Survived
}

interface NameChange {
  readonly index: number
  readonly step: NameStep
  /** Directories whose sync it still waits for; none: durable by the strict rule. */
  readonly waits: Set<number>
  /** Durable by the rule of ext4. */
  journaled: boolean
}

type Names = Map<number, Map<string, number>>

const ROOT = 0
const EMPTY: Buffer = Buffer.alloc(0)

export class Disk {
  /** Entries of each directory as running programs see them. */
  readonly names: Names = new Map([[ROOT, new Map()]])
  readonly files: Map<number, FileContent> = new Map()
  /** The durable start on which #changes build. */
  #settled: Names = new Map([[ROOT, new Map()]])
  #changes: NameChange[] = []
  #nextId = ROOT + 1
  #steps = 0

  static readonly root: number = ROOT

  /** `files`, by path, are durable; a path that ends in `/` is an empty directory. */
  constructor(files: ReadonlyMap<string, Buffer>) {
    for (const [path, bytes] of files) {
      const parts = path.split('/').filter((part) => part !== '')
      const folders = path.endsWith('/') ? parts : parts.slice(0, -1)
      let directory = ROOT
      for (const name of folders) directory = this.#durableDirectory(directory, name)
      if (folders === parts) continue
      const file = this.takeId()
      this.files.set(file, new DataOps(bytes))
      this.names.get(directory)!.set(parts.at(-1)!, file)
    }
    this.#settled = copyNames(this.names)
  }

  /** For the next file or directory; files and directories share the numbers. */
  takeId(): number {
    return this.#nextId++
  }

  apply(step: Step): void {
    const index = this.#steps++
    switch (step.kind) {
      case 'write':
        this.files.get(step.file)!.write(index, step.at, step.bytes)
        return
      case 'truncate':
        this.files.get(step.file)!.truncate(index, step.length)
        return
      case 'sync':
        this.files.get(step.file)!.sync(step.before)
        this.#journal(step.before)
        return
      case 'lose':
        this.files.get(step.file)!.lose(step.before, step.mode)
        return
      case 'syncDirectory':
        for (const { index: at, waits } of this.#changes) {
          if (at < step.before) waits.delete(step.directory)
        }
        this.#journal(step.before)
        this.#settle()
        return
      default:
        this.#rename(index, step)
    }
  }

  /** What a power cut may undo, oldest first. */
  pending(rule: NameRule): Pending[] {
    const names = this.#changes.filter((change) => !isDurable(change, rule))
    const pending: Pending[] = names.map(({ index, step }) => {
      const file = step.kind === 'create' ? step.file : -1
      return { index, kind: step.kind, file, at: 0, end: 0 }
    })
    for (const [file, content] of this.files) {
      for (const { index, kind, at, end } of content.pending) {
        pending.push({ index, kind, file, at, end })
      }
    }
    return pending.sort((a, b) => a.index - b.index)
  }

  /** Sectors of a file that are not on disk as they are in the cache. */
  dirtySectors(file: number): number[] {
    const sectors = new Set<number>()
    for (const { at, end } of this.files.get(file)!.pending) {
      for (let sector = at / SECTOR; sector * SECTOR < end; sector++) sectors.add(sector)
    }
    return [...sectors].sort((a, b) => a - b)
  }

  /** The files after a power cut now, by path; empty directories end in `/`. */
  image({ rule, survives }: Survival): Map<string, Buffer> {
    const names = copyNames(this.#settled)
    let inOrder = true
    for (const change of this.#changes) {
      const { index, step } = change
      if (!isDurable(change, rule)) {
        const file = step.kind === 'create' ? step.file : -1
        const kept = survives({ index, kind: step.kind, file, at: 0, end: 0 }) !== 'none'
        // A journal is replayed from its start: nothing behind a gap.
        if (rule === 'ext4') inOrder &&= kept
        if (!kept || !inOrder) continue
      }
      changeNames(names, step)
    }
    const files = new Map<string, Buffer>()
    this.#collect(names, ROOT, '/', (path, file) => {
      const content = this.files.get(file)
      files.set(
        path,
        content?.image(({ index, kind, at, end }) => survives({ index, kind, file, at, end })) ??
          EMPTY,
      )
    })
    return files
  }

  #durableDirectory(parent: number, name: string): number {
    const entries = this.names.get(parent)!
    const there = entries.get(name)
    if (there !== undefined) return there
    const directory = this.takeId()
    this.names.set(directory, new Map())
    entries.set(name, directory)
    return directory
  }

  #rename(index: number, step: NameStep): void {
    if (step.kind === 'create') this.files.set(step.file, new DataOps(Buffer.alloc(0)))
    if (step.kind === 'create') this.#nextId = Math.max(this.#nextId, step.file + 1)
    if (step.kind === 'makeDirectory') this.#nextId = Math.max(this.#nextId, step.directory + 1)
    changeNames(this.names, step)
    const waits =
      step.kind === 'rename' ? [step.from.directory, step.to.directory] : [step.at.directory]
    this.#changes.push({ index, step, waits: new Set(waits), journaled: false })
  }

  #journal(before: number): void {
    for (const change of this.#changes) change.journaled ||= change.index < before
  }

  /** What is durable by the strict rule is so by both. */
  #settle(): void {
    const settled = this.#changes.findIndex(({ waits }) => waits.size > 0)
    const count = settled < 0 ? this.#changes.length : settled
    for (const { step } of this.#changes.splice(0, count)) changeNames(this.#settled, step)
  }

  #collect(
    names: Names,
    directory: number,
    path: string,
    take: (path: string, file: number) => void,
  ): void {
    const entries = names.get(directory) ?? new Map<string, number>()
    if (entries.size === 0 && directory !== ROOT) take(`${path}/`, directory)
    for (const [name, id] of entries) {
      if (this.files.has(id)) take(join(path, name), id)
      else this.#collect(names, id, join(path, name), take)
    }
  }
}

function isDurable({ waits, journaled }: NameChange, rule: NameRule): boolean {
  return waits.size === 0 || (rule === 'ext4' && journaled)
}

/** Also where earlier changes were lost: a name then simply comes or goes. */
function changeNames(names: Names, step: NameStep): void {
  const entries = (directory: number): Map<string, number> => {
    const there = names.get(directory) ?? new Map<string, number>()
    names.set(directory, there)
    return there
  }
  if (step.kind === 'create') entries(step.at.directory).set(step.at.name, step.file)
  else if (step.kind === 'remove') entries(step.at.directory).delete(step.at.name)
  else if (step.kind === 'makeDirectory') {
    entries(step.at.directory).set(step.at.name, step.directory)
    entries(step.directory)
  } else {
    // The name leads to what was moved, also if the change that gave it its first name is lost.
    const { from, to, moved } = step
    if (entries(from.directory).get(from.name) === moved) entries(from.directory).delete(from.name)
    entries(to.directory).set(to.name, moved)
  }
}

function copyNames(names: Names): Names {
  return new Map([...names].map(([directory, entries]) => [directory, new Map(entries)]))
}

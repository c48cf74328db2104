// A memory file system that writes down what is done to it, and builds what a power cut at any moment could have
// left: what was synced is there, of the rest any part. Directory entries are made durable by syncing the
// directory only, and reach the disk in the order they were changed.
import { basename, dirname } from 'node:path'
import type { FileSystem, OpenFile, OpenMode } from '../../src/io/file-system.ts'
import { memoryFileSystem } from '../../src/io/memory-file-system.ts'

type Step =
  | { readonly kind: 'create'; readonly path: string; readonly file: number }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'write'; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: number; readonly length: number }
  /** Everything done to the file before step `before` is durable from here on. */
  | { readonly kind: 'sync'; readonly file: number; readonly before: number }
  | { readonly kind: 'syncDirectory'; readonly before: number }

/** What becomes of steps that were not synced. */
export type Fate = 'kept' | 'dropped' | 'torn'

export interface RecordingFileSystem extends FileSystem {
  /** Steps so far: a place to cut. */
  readonly steps: number
  /** The files as a cut before step `cut` may leave them. */
  image(cut: number, fate: Fate, random: () => number): Map<string, Buffer>
}

const SECTOR = 512

/** `files`: what is in `directory` and durable when it starts. */
export function recordingFileSystem(
  directory: string,
  files: ReadonlyMap<string, Buffer> = new Map(),
): RecordingFileSystem {
  const inner = memoryFileSystem()
  const log: Step[] = []
  /** File of each name now. */
  const named = new Map<string, number>()
  let filesMade = 0
  inner.makeDirectorySync(directory)
  for (const [name, bytes] of files) {
    const path = `${directory}/${name}`
    const file = inner.openSync(path, 'create')
    file.writeSync(bytes, 0)
    file.closeSync()
    log.push({ kind: 'create', path, file: filesMade })
    log.push({ kind: 'write', file: filesMade, at: 0, bytes: Buffer.from(bytes) })
    log.push({ kind: 'sync', file: filesMade, before: log.length })
    named.set(path, filesMade++)
  }
  log.push({ kind: 'syncDirectory', before: log.length })

  const remove = (path: string): void => {
    inner.removeSync(path)
    log.push({ kind: 'remove', path })
    named.delete(path)
  }
  const open = (path: string, mode: OpenMode): OpenFile => {
    const opened = inner.openSync(path, mode)
    if (mode === 'create') {
      log.push({ kind: 'create', path, file: filesMade })
      named.set(path, filesMade++)
    }
    return recorded(opened, named.get(path)!, log)
  }
  return {
    ...inner,
    get steps() {
      return log.length
    },
    image: (cut, fate, random) => new Image(log.slice(0, cut), fate, random).files(),
    openSync: open,
    renameSync(from, to) {
      inner.renameSync(from, to)
      log.push({ kind: 'rename', path: from, to })
      named.set(to, named.get(from)!)
      named.delete(from)
    },
    removeSync: remove,
    remove: async (path) => remove(path),
    syncDirectorySync: () => void log.push({ kind: 'syncDirectory', before: log.length }),
    async syncDirectory() {
      const before = log.length
      await turn()
      log.push({ kind: 'syncDirectory', before })
    },
  }
}

function recorded(inner: OpenFile, file: number, log: Step[]): OpenFile {
  const write = (source: Uint8Array, at: number): void => {
    inner.writeSync(source, at)
    log.push({ kind: 'write', file, at, bytes: Buffer.from(source) })
  }
  return {
    path: inner.path,
    descriptor: undefined,
    readSync: (target, position) => inner.readSync(target, position),
    read: (target, position) => inner.read(target, position),
    writeSync: write,
    async write(source, at) {
      await turn()
      write(source, at)
    },
    truncateSync(length) {
      inner.truncateSync(length)
      log.push({ kind: 'truncate', file, length })
    },
    sizeSync: () => inner.sizeSync(),
    dataSyncSync() {
      log.push({ kind: 'sync', file, before: log.length })
    },
    async dataSync() {
      const before = log.length
      await turn()
      log.push({ kind: 'sync', file, before })
    },
    closeSync: () => inner.closeSync(),
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

class Image {
  readonly #log: readonly Step[]
  readonly #fate: Fate
  readonly #random: () => number

  constructor(log: readonly Step[], fate: Fate, random: () => number) {
    this.#log = log
    this.#fate = fate
    this.#random = random
  }

  files(): Map<string, Buffer> {
    const contents = this.#contents()
    const names = new Map<string, number>()
    for (const step of this.#survivingEntries()) {
      if (step.kind === 'create') names.set(step.path, step.file)
      else if (step.kind === 'remove') names.delete(step.path)
      else if (step.kind === 'rename') {
        names.set(step.to, names.get(step.path)!)
        names.delete(step.path)
      }
    }
    const files = new Map<string, Buffer>()
    for (const [path, file] of names) {
      if (dirname(path) === '/') continue
      files.set(basename(path), contents.get(file) ?? Buffer.alloc(0))
    }
    return files
  }

  /** The synced changes of the directory, and some of those after them, in order. */
  #survivingEntries(): Step[] {
    const entries = this.#log.flatMap((step, index) =>
      step.kind === 'create' || step.kind === 'remove' || step.kind === 'rename'
        ? [{ step, index }]
        : [],
    )
    const before = this.#log.reduce(
      (most, step) => (step.kind === 'syncDirectory' ? Math.max(most, step.before) : most),
      0,
    )
    const durable = entries.filter(({ index }) => index < before).length
    const more = entries.length - durable
    const extra =
      this.#fate === 'kept'
        ? more
        : this.#fate === 'dropped'
          ? 0
          : Math.floor(this.#random() * (more + 1))
    return entries.slice(0, durable + extra).map(({ step }) => step)
  }

  #contents(): Map<number, Buffer> {
    const durable = new Map<number, number>()
    for (const step of this.#log) {
      if (step.kind !== 'sync') continue
      durable.set(step.file, Math.max(durable.get(step.file) ?? 0, step.before))
    }
    const contents = new Map<number, Buffer>()
    for (const [index, step] of this.#log.entries()) {
      if (step.kind !== 'write' && step.kind !== 'truncate') continue
      const before = contents.get(step.file) ?? Buffer.alloc(0)
      const certain = index < (durable.get(step.file) ?? 0)
      const survived = certain ? step : this.#maybe(step)
      if (survived !== undefined) contents.set(step.file, apply(before, survived))
    }
    return contents
  }

  #maybe<S extends Step>(step: S): S | undefined {
    if (this.#fate === 'kept') return step
    if (this.#fate === 'dropped') return undefined
    const luck = this.#random()
    if (luck < 0.4) return step
    if (luck < 0.7 || step.kind !== 'write') return undefined
    const sectors = Math.floor(this.#random() * Math.ceil(step.bytes.length / SECTOR))
    const bytes = Buffer.from(step.bytes.subarray(0, sectors * SECTOR + Math.floor(luck * 40)))
    // Some file systems have the new length on disk before the bytes.
    if (this.#random() < 0.5) return { ...step, bytes }
    return {
      ...step,
      bytes: Buffer.concat([bytes, Buffer.alloc(step.bytes.length)], step.bytes.length),
    }
  }
}

function apply(before: Buffer, step: Step): Buffer {
  if (step.kind === 'truncate') {
    const after = Buffer.alloc(step.length)
    before.copy(after)
    return after
  }
  if (step.kind !== 'write') return before
  const after = Buffer.alloc(Math.max(before.length, step.at + step.bytes.length))
  before.copy(after)
  step.bytes.copy(after, step.at)
  return after
}

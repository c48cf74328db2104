// Cuts a job, which is a synchronous function, at its calls to the file system. It is rehearsed: run at once on a view
// of the disk that lets nothing through, noting each call. The calls are then made one by one, whenever the seed says.
// Where one turns out otherwise than rehearsed, the job is rehearsed again with that on its tape. Invariant: a job is a
// function of its spec, the memory and files it may count on, and its tape; where it is not, somebody changed those.
import type { FileSystem, OpenFile, OpenMode } from '../../src/io/file-system.ts'
import type { JobContext, JobReport, JobResult, JobSpec } from '../../src/jobs/job.ts'
import { runJob } from '../../src/jobs/run-job.ts'
import { Disk } from '../faults/disk.ts'
import { systemError } from '../faults/fault-rules.ts'

export type JobCall =
  | { readonly kind: 'create'; readonly path: string; readonly handle: number }
  | {
      readonly kind: 'open'
      readonly path: string
      readonly handle: number
      /** undefined: there is no such file. */
      readonly content: Content | undefined
    }
  | {
      readonly kind: 'read' | 'write'
      readonly handle: number
      readonly at: number
      /** Asked for; `bytes` is what there was. */
      readonly length: number
      readonly bytes: Buffer
    }
  | { readonly kind: 'size' | 'sync' | 'close'; readonly handle: number }
  | { readonly kind: 'remove' | 'syncDirectory'; readonly path: string }
  | { readonly kind: 'stat'; readonly path: string; readonly size: number | undefined }

/** What happened to the job so far that was not rehearsed. */
export interface Tape {
  /** Calls that failed, by number. */
  readonly errors: Map<number, unknown>
  /** From this call on the job finds itself cancelled. */
  cancelledFrom: number
  /** Calls that were made: what they found is what they found, whatever became of the file. */
  made: readonly JobCall[]
}

export interface Rehearsed {
  readonly calls: readonly JobCall[]
  /** Each with the number of calls made before. */
  readonly reports: readonly (readonly [calls: number, report: JobReport])[]
  readonly outcome: { readonly result: JobResult } | { readonly error: unknown }
}

export type JobTools = Pick<JobContext, 'kernels' | 'heap' | 'randomFill'>

export function rehearse(spec: JobSpec, tools: JobTools, disk: Disk, tape: Tape): Rehearsed {
  const fs = new RehearsalFiles(disk, tape)
  const reports: [number, JobReport][] = []
  const context: JobContext = {
    ...tools,
    fs,
    report: (report) => void reports.push([fs.calls.length, report]),
    cancelled: () => fs.calls.length >= tape.cancelledFrom,
  }
  try {
    return { calls: fs.calls, reports, outcome: { result: runJob(spec, context) } }
  } catch (error) {
    return { calls: fs.calls, reports, outcome: { error } }
  }
}

/** Number of the first call in which they differ; -1: one is a beginning of the other, or they are the same. */
export function firstDifference(a: readonly JobCall[], b: readonly JobCall[]): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (!sameCall(a[i]!, b[i]!)) return i
  return -1
}

function sameCall(a: JobCall, b: JobCall): boolean {
  if (a.kind !== b.kind) return false
  if ('path' in a && 'path' in b) return a.path === b.path
  if ('bytes' in a && 'bytes' in b) {
    return a.handle === b.handle && a.at === b.at && a.bytes.equals(b.bytes)
  }
  return 'handle' in a && 'handle' in b && a.handle === b.handle
}

class RehearsalFiles implements FileSystem {
  readonly inMemory = true
  readonly calls: JobCall[] = []
  readonly #disk: Disk
  readonly #tape: Tape
  /** What the job itself writes, by path. */
  readonly #outputs = new Map<string, Output>()

  constructor(disk: Disk, tape: Tape) {
    this.#disk = disk
    this.#tape = tape
  }

  /** Notes a call, and fails it where the tape says so. */
  note(call: JobCall): void {
    const number = this.calls.push(call) - 1
    if (this.#tape.errors.has(number)) throw this.#tape.errors.get(number)
  }

  openSync(path: string, mode: OpenMode): OpenFile {
    const handle = this.calls.length
    if (mode === 'create') {
      this.note({ kind: 'create', path, handle })
      const output = new Output()
      this.#outputs.set(path, output)
      return new RehearsalFile(this, path, handle, output)
    }
    const made = this.#tape.made[handle]
    const content = made?.kind === 'open' ? made.content : this.#input(path)
    this.note({ kind: 'open', path, handle, content })
    if (content === undefined) throw systemError('ENOENT', 'open', path)
    return new RehearsalFile(this, path, handle, content)
  }

  statSync(path: string): ReturnType<FileSystem['statSync']> {
    const made = this.#tape.made[this.calls.length]
    const content = this.#outputs.get(path) ?? this.#input(path)
    const size = made?.kind === 'stat' ? made.size : content?.length
    this.note({ kind: 'stat', path, size })
    return size === undefined ? undefined : { kind: 'file', size }
  }

  removeSync(path: string): void {
    this.note({ kind: 'remove', path })
    this.#outputs.delete(path)
  }

  syncDirectorySync(path: string): void {
    this.note({ kind: 'syncDirectory', path })
  }

  listSync(): string[] {
    return notForJobs()
  }

  makeDirectorySync(): boolean {
    return notForJobs()
  }

  renameSync(): void {
    notForJobs()
  }

  remove(): Promise<void> {
    return notForJobs()
  }

  syncDirectory(): Promise<void> {
    return notForJobs()
  }

  spaceSync(): { freeBytes: number; totalBytes: number } {
    return notForJobs()
  }

  #input(path: string): Content | undefined {
    let id: number | undefined = Disk.root
    for (const part of path.split('/').filter((name) => name !== '')) {
      id = id === undefined ? undefined : this.#disk.names.get(id)?.get(part)
    }
    return id === undefined ? undefined : this.#disk.files.get(id)
  }
}

export interface Content {
  readonly length: number
  read(target: Uint8Array, position: number): number
}

class Output implements Content {
  #bytes: Buffer = Buffer.alloc(8_192)
  length = 0

  write(source: Uint8Array, position: number): void {
    const end = position + source.length
    if (end > this.#bytes.length) {
      const grown = Buffer.alloc(2 * end)
      this.#bytes.copy(grown)
      this.#bytes = grown
    }
    this.#bytes.set(source, position)
    this.length = Math.max(this.length, end)
  }

  read(target: Uint8Array, position: number): number {
    const end = Math.min(this.length, position + target.length)
    if (end <= position) return 0
    target.set(this.#bytes.subarray(position, end))
    return end - position
  }
}

class RehearsalFile implements OpenFile {
  readonly path: string
  readonly descriptor: number | undefined = undefined
  readonly #files: RehearsalFiles
  readonly #handle: number
  readonly #content: Content

  constructor(files: RehearsalFiles, path: string, handle: number, content: Content) {
    this.path = path
    this.#files = files
    this.#handle = handle
    this.#content = content
  }

  readSync(target: Uint8Array, at: number): number {
    const read = this.#content.read(target, at)
    const bytes = Buffer.from(target.subarray(0, read))
    this.#files.note({ kind: 'read', handle: this.#handle, at, length: target.length, bytes })
    return read
  }

  writeSync(source: Uint8Array, at: number, from = 0, to: number = source.length): void {
    const bytes = Buffer.from(source.subarray(from, to))
    this.#files.note({ kind: 'write', handle: this.#handle, at, length: bytes.length, bytes })
    if (this.#content instanceof Output) this.#content.write(bytes, at)
  }

  sizeSync(): number {
    this.#files.note({ kind: 'size', handle: this.#handle })
    return this.#content.length
  }

  dataSyncSync(): void {
    this.#files.note({ kind: 'sync', handle: this.#handle })
  }

  closeSync(): void {
    this.#files.note({ kind: 'close', handle: this.#handle })
  }

  truncateSync(): void {
    notForJobs()
  }

  read(): Promise<number> {
    return notForJobs()
  }

  write(): Promise<void> {
    return notForJobs()
  }

  dataSync(): Promise<void> {
    return notForJobs()
  }
}

function notForJobs(): never {
  throw new Error('a job makes no such call: add it to the rehearsal')
}

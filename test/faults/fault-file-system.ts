// A file system in memory that fails on demand and knows what a crash would leave of it. One thread, deterministic:
// an asynchronous call takes effect one turn of the event loop after it was made. `calls` is what was asked for,
// `steps` what it changed; a place in `steps` is a moment at which the power may go (disk.ts).
import { dirname, join, resolve } from 'node:path'
import type { FileSystem, OpenFile, OpenMode } from '../../src/io/file-system.ts'
import { Disk, type Place, type Step, type Survival } from './disk.ts'
import { FaultCalls, type Pace, type Request } from './fault-calls.ts'
import { FaultFile } from './fault-file.ts'
import { type Call, type Fault, type Injection, systemError } from './fault-rules.ts'

export interface Start {
  /** Durable files by path. */
  readonly files?: ReadonlyMap<string, Buffer>
  /** What was done since and may not be durable: the process was killed, the machine goes on. */
  readonly steps?: readonly Step[]
}

export class FaultFileSystem implements FileSystem {
  readonly inMemory = true
  readonly #calls: FaultCalls
  readonly #files: ReadonlyMap<string, Buffer>
  /** Paths asked for before. */
  readonly #parts = new Map<string, readonly string[]>()

  constructor({ files = new Map(), steps = [] }: Start = {}) {
    this.#files = files
    this.#calls = new FaultCalls(files, steps)
  }

  /** The same files for the next process: this one was killed, the machine goes on. Calls still under way here change
   * nothing there. */
  afterKill(): FaultFileSystem {
    return new FaultFileSystem({ files: this.#files, steps: this.steps.slice() })
  }

  get calls(): Call[] {
    return this.#calls.calls
  }

  get steps(): readonly Step[] {
    return this.#calls.steps
  }

  get disk(): Disk {
    return this.#calls.disk
  }

  /** Files open now. */
  get openHandles(): number {
    return this.#calls.openHandles
  }

  inject(fault: Fault): Injection {
    return this.#calls.rules.inject(fault)
  }

  /** Lifts all faults. */
  heal(): void {
    this.#calls.rules.liftAll()
  }

  /** `listener` sees every call before it is made. */
  watch(listener: (call: Call) => void): void {
    this.#calls.watch = listener
  }

  /** Whose time asynchronous and slow calls take; the event loop's, unless told otherwise. */
  setPace(pace: Pace): void {
    this.#calls.pace = pace
  }

  /** Bytes the volume holds: writes beyond are cut short and fail. */
  setCapacity(bytes: number): void {
    this.#calls.capacityBytes = bytes
  }

  /** From now on what was written from is flipped after the write, so that nobody can use it again; not so shared
   * memory (fault-file.ts). */
  flipSources(): void {
    this.#calls.flipsSources = true
  }

  /** The files after a power cut now, by path. */
  image(survival: Survival): Map<string, Buffer> {
    return this.disk.image(survival)
  }

  openSync(path: string, mode: OpenMode): OpenFile {
    if (mode !== 'create') {
      const run = (): OpenFile => this.#openExisting(path, mode === 'update')
      return this.#calls.now({ kind: 'open', path, run })
    }
    return this.#calls.now({ kind: 'create', path, run: () => this.#create(path) })
  }

  listSync(path: string): string[] {
    const run = (): string[] => [...this.#entries(path, 'scandir').keys()]
    return this.#calls.now({ kind: 'list', path, run })
  }

  statSync(path: string): ReturnType<FileSystem['statSync']> {
    return this.#calls.now({ kind: 'stat', path, run: () => this.#stat(path) })
  }

  makeDirectorySync(path: string): boolean {
    return this.#calls.now({ kind: 'makeDirectory', path, run: () => this.#makeDirectory(path) })
  }

  renameSync(from: string, to: string): void {
    this.#calls.now({ kind: 'rename', path: to, run: () => this.#rename(from, to) })
  }

  removeSync(path: string): void {
    this.#calls.now({ kind: 'remove', path, run: () => this.#remove(path, true) })
  }

  async remove(path: string): Promise<void> {
    await this.#calls.later({ kind: 'remove', path, run: () => this.#remove(path, false) })
  }

  syncDirectorySync(path: string): void {
    this.#calls.now(this.#syncingDirectory(path))
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#calls.later(this.#syncingDirectory(path))
  }

  spaceSync(path: string): { freeBytes: number; totalBytes: number } {
    const run = () => {
      this.#mustFind(path, 'statfs')
      const { capacityBytes } = this.#calls
      return { freeBytes: this.#calls.freeBytes(), totalBytes: capacityBytes }
    }
    return this.#calls.now({ kind: 'space', path, run })
  }

  #openExisting(path: string, writable: boolean): OpenFile {
    const file = this.#mustFind(path, 'open')
    if (!this.disk.files.has(file)) throw systemError('EISDIR', 'open', path)
    return new FaultFile(this.#calls, path, file, writable)
  }

  #create(path: string): OpenFile {
    const at = this.#place(path, 'open')
    if (at.name === '' || this.#entry(at) !== undefined) throw systemError('EEXIST', 'open', path)
    const file = this.disk.takeId()
    this.#calls.apply({ kind: 'create', at, file })
    return new FaultFile(this.#calls, path, file, true)
  }

  #stat(path: string): ReturnType<FileSystem['statSync']> {
    const found = this.#find(path)
    if (typeof found === 'string') return undefined
    const content = this.disk.files.get(found)
    if (content === undefined) return { kind: 'directory', size: 0 }
    return { kind: 'file', size: content.length }
  }

  #makeDirectory(path: string): boolean {
    const full = resolve(path)
    const found = this.#find(full)
    if (typeof found === 'number') {
      if (this.disk.names.has(found)) return false
      throw systemError('EEXIST', 'mkdir', path)
    }
    if (found === 'ENOTDIR') throw systemError('ENOTDIR', 'mkdir', path)
    this.#makeDirectory(dirname(full))
    const at = this.#place(full, 'mkdir')
    this.#calls.apply({ kind: 'makeDirectory', at, directory: this.disk.takeId() })
    this.#calls.apply({
      kind: 'syncDirectory',
      directory: at.directory,
      before: this.steps.length,
    })
    return true
  }

  #rename(from: string, to: string): void {
    const source = this.#place(from, 'rename')
    const target = this.#place(to, 'rename')
    const moved = this.#entry(source)
    if (moved === undefined) throw systemError('ENOENT', 'rename', from)
    const replaced = this.#entry(target)
    if (replaced === moved) return
    const { names } = this.disk
    const entries = replaced === undefined ? undefined : names.get(replaced)
    if (names.has(moved)) {
      if (isInside(to, from)) throw systemError('EINVAL', 'rename', from)
      if (replaced !== undefined && entries === undefined) {
        throw systemError('ENOTDIR', 'rename', from)
      }
      if (entries !== undefined && entries.size > 0) throw systemError('ENOTEMPTY', 'rename', from)
    } else if (entries !== undefined) {
      throw systemError(isInside(from, to) ? 'ENOTEMPTY' : 'EISDIR', 'rename', from)
    }
    this.#calls.apply({ kind: 'rename', from: source, to: target, moved })
  }

  #remove(path: string, directories: boolean): void {
    const at = this.#place(path, 'unlink')
    const id = this.#entry(at)
    if (id === undefined) throw systemError('ENOENT', 'unlink', path)
    const inside = this.disk.names.get(id)
    if (inside !== undefined && !directories) throw systemError('EISDIR', 'unlink', path)
    if (inside !== undefined && inside.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path)
    this.#calls.apply({ kind: 'remove', at })
  }

  #syncingDirectory(path: string): Request<void> {
    const before = this.steps.length
    const run = (): void => {
      const directory = this.#mustFind(path, 'open')
      if (!this.disk.names.has(directory)) throw systemError('ENOTDIR', 'open', path)
      this.#calls.apply({ kind: 'syncDirectory', directory, before })
    }
    return { kind: 'syncDirectory', path, run }
  }

  #entries(path: string, syscall: string): Map<string, number> {
    const entries = this.disk.names.get(this.#mustFind(path, syscall))
    if (entries === undefined) throw systemError('ENOTDIR', syscall, path)
    return entries
  }

  #entry({ directory, name }: Place): number | undefined {
    return this.disk.names.get(directory)!.get(name)
  }

  #mustFind(path: string, syscall: string): number {
    const found = this.#find(path)
    if (typeof found === 'string') throw systemError(found, syscall, path)
    return found
  }

  #find(path: string): number | 'ENOENT' | 'ENOTDIR' {
    return this.#follow(this.#partsOf(path))
  }

  #follow(parts: readonly string[]): number | 'ENOENT' | 'ENOTDIR' {
    let id = Disk.root
    for (const part of parts) {
      const entries = this.disk.names.get(id)
      if (entries === undefined) return 'ENOTDIR'
      const next = entries.get(part)
      if (next === undefined) return 'ENOENT'
      id = next
    }
    return id
  }

  #partsOf(path: string): readonly string[] {
    let parts = this.#parts.get(path)
    if (parts === undefined) {
      parts = resolve(path)
        .split(/[\\/]/)
        .filter((part) => part !== '')
      this.#parts.set(path, parts)
    }
    return parts
  }

  /** The directory that holds, or would hold, the last part of the path. */
  #place(path: string, syscall: string): Place {
    const parts = this.#partsOf(path)
    const directory = this.#follow(parts.slice(0, -1))
    if (typeof directory === 'string') throw systemError(directory, syscall, path)
    if (!this.disk.names.has(directory)) throw systemError('ENOTDIR', syscall, path)
    return { directory, name: parts.at(-1) ?? '' }
  }
}

function isInside(path: string, directory: string): boolean {
  return join(resolve(path), '/').startsWith(join(resolve(directory), '/'))
}

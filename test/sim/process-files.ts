// The machine's file system as one process sees it: once the process is dead, no call of it reaches the disk, and its
// open files are closed. Here a planted disk lies, too.
import type { FileSystem, OpenFile, OpenMode } from '../../src/io/file-system.ts'
import type { FaultFileSystem } from '../faults/fault-file-system.ts'
import { systemError } from '../faults/fault-rules.ts'

/** What a test plants, to see that it is told. */
export type DiskLie = 'drops syncs' | 'never answers a sync' | 'flips a byte it reads'

export class ProcessFiles implements FileSystem {
  readonly inMemory = true
  readonly #disk: FaultFileSystem
  readonly #open = new Set<OpenFile>()
  readonly lie: DiskLie | undefined
  #dead = false

  constructor(disk: FaultFileSystem, lie: DiskLie | undefined) {
    this.#disk = disk
    this.lie = lie
  }

  die(): void {
    this.#dead = true
    for (const file of this.#open) file.closeSync()
    this.#open.clear()
  }

  /** The disk, unless the process is dead. */
  alive(): FaultFileSystem {
    if (this.#dead) throw systemError('EIO', 'call', 'a process that ended')
    return this.#disk
  }

  get isDead(): boolean {
    return this.#dead
  }

  forget(file: OpenFile): void {
    this.#open.delete(file)
  }

  openSync(path: string, mode: OpenMode): OpenFile {
    const file = this.alive().openSync(path, mode)
    this.#open.add(file)
    return new ProcessFile(this, file)
  }

  listSync(path: string): string[] {
    return this.alive().listSync(path)
  }

  statSync(path: string): ReturnType<FileSystem['statSync']> {
    return this.alive().statSync(path)
  }

  makeDirectorySync(path: string): boolean {
    return this.alive().makeDirectorySync(path)
  }

  renameSync(from: string, to: string): void {
    this.alive().renameSync(from, to)
  }

  removeSync(path: string): void {
    this.alive().removeSync(path)
  }

  async remove(path: string): Promise<void> {
    await this.alive().remove(path)
  }

  syncDirectorySync(path: string): void {
    this.alive().syncDirectorySync(path)
  }

  async syncDirectory(path: string): Promise<void> {
    await this.alive().syncDirectory(path)
  }

  spaceSync(path: string): { freeBytes: number; totalBytes: number } {
    return this.alive().spaceSync(path)
  }
}

class ProcessFile implements OpenFile {
  readonly #files: ProcessFiles
  readonly #file: OpenFile

  constructor(files: ProcessFiles, file: OpenFile) {
    this.#files = files
    this.#file = file
  }

  get path(): string {
    return this.#file.path
  }

  get descriptor(): undefined {
    return undefined
  }

  readSync(target: Uint8Array, position: number): number {
    return this.#lied(target, this.#alive.readSync(target, position))
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.#lied(target, await this.#alive.read(target, position))
  }

  writeSync(source: Uint8Array, position: number, from?: number, to?: number): void {
    this.#alive.writeSync(source, position, from, to)
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    await this.#alive.write(source, position)
  }

  truncateSync(length: number): void {
    this.#alive.truncateSync(length)
  }

  sizeSync(): number {
    return this.#alive.sizeSync()
  }

  dataSyncSync(): void {
    if (this.#files.lie !== 'drops syncs') this.#alive.dataSyncSync()
  }

  async dataSync(): Promise<void> {
    const file = this.#alive
    if (this.#files.lie === 'drops syncs') return
    if (this.#files.lie === 'never answers a sync' && file.path.endsWith('.wal')) {
      await new Promise(() => undefined)
    }
    await file.dataSync()
  }

  closeSync(): void {
    this.#files.forget(this.#file)
    this.#file.closeSync()
  }

  get #alive(): OpenFile {
    this.#files.alive()
    return this.#file
  }

  #lied(target: Uint8Array, length: number): number {
    if (this.#files.lie === 'flips a byte it reads' && length > 1_000) target[500]! ^= 1
    return length
  }
}

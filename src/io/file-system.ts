// What the engine needs of a file system: about a dozen calls, so that a memory one, or one that fails on
// purpose, can stand in. Errors are Node's (`code` ENOENT, ENOSPC, …). Every write either writes all
// bytes or throws; every read either fills the target or stops at the end of the file.

export type OpenMode =
  /** must exist, read only; refuses symbolic links and anything that is not a regular file */
  | 'read'
  /** must not exist; read and write; mode 0600 */
  | 'create'
  /** must exist; read and write; refuses what 'read' refuses */
  | 'update'

export interface OpenFile {
  readonly path: string
  /** Kernel descriptor, for lending to the sync worker; undefined in a memory file system. */
  readonly descriptor: number | undefined
  /** Reads until `target` is full or the file ends; returns the bytes read. */
  readSync(target: Uint8Array, position: number): number
  read(target: Uint8Array, position: number): Promise<number>
  /** Writes the bytes `from` to `to` of `source`, by default all: a view of them costs a small write a twentieth. */
  writeSync(source: Uint8Array, position: number, from?: number, to?: number): void
  write(source: Uint8Array, position: number): Promise<void>
  truncateSync(length: number): void
  sizeSync(): number
  /** fdatasync on the calling thread. */
  dataSyncSync(): void
  /** fdatasync without blocking the calling thread. */
  dataSync(): Promise<void>
  /** Idempotent. What the system reports on closing is not thrown: the descriptor is gone either way, and whatever
   * must be on disk was synced before. */
  closeSync(): void
}

export interface FileSystem {
  /** True when files live in this process's memory only (no locks, no worker can open them). */
  readonly inMemory: boolean
  openSync(path: string, mode: OpenMode): OpenFile
  /** Names in a directory, any order; throws ENOENT, ENOTDIR. */
  listSync(path: string): string[]
  /** undefined when there is nothing at `path`; symbolic links are reported, not followed. */
  statSync(path: string): { kind: 'file' | 'directory' | 'other'; size: number } | undefined
  /** Creates the directory and its missing parents, mode 0700, and syncs the directory that got the new entry.
   * Returns false when it was there. */
  makeDirectorySync(path: string): boolean
  renameSync(from: string, to: string): void
  removeSync(path: string): void
  /** Removes a file without blocking the calling thread: freeing a large one takes milliseconds. */
  remove(path: string): Promise<void>
  syncDirectorySync(path: string): void
  syncDirectory(path: string): Promise<void>
  /** Bytes an unprivileged writer may still add, and the size of the volume. */
  spaceSync(path: string): { freeBytes: number; totalBytes: number }
}

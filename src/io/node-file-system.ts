// The real file system, and the only file of the engine that imports node:fs. Any thread may use it; a descriptor
// stays with the thread that opened it. A file handed in to close is closed only after its last asynchronous call,
// so a recycled descriptor number never receives bytes meant for another file.
import * as fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { FileSystem, OpenFile, OpenMode } from './file-system.ts'

const FILE_MODE = 0o600
const DIRECTORY_MODE = 0o700
const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants
// Both are undefined on Windows. Without O_NONBLOCK, opening a FIFO would wait for its writer.
const O_NOFOLLOW: number = fs.constants.O_NOFOLLOW ?? 0
const O_NONBLOCK: number = fs.constants.O_NONBLOCK ?? 0
/** Windows can neither open nor flush a directory; its journal orders directory entries by itself. */
const CAN_SYNC_DIRECTORIES: boolean = process.platform !== 'win32'
/** Interrupted calls are repeated this often before their error is believed. */
const RETRIES_MAX = 1_000

export const nodeFileSystem: FileSystem = {
  inMemory: false,
  openSync: openFile,
  listSync: (path) => fs.readdirSync(path),
  statSync: statEntry,
  makeDirectorySync: makeDirectory,
  renameSync: (from, to) => fs.renameSync(from, to),
  removeSync: removeEntry,
  remove: (path) =>
    new Promise((resolve, reject) => {
      fs.unlink(path, (error) => (error === null ? resolve() : reject(error)))
    }),
  syncDirectorySync: syncDirectoryNow,
  syncDirectory: syncDirectoryLater,
  spaceSync(path) {
    const volume = fs.statfsSync(path)
    return {
      freeBytes: volume.bavail * volume.bsize,
      totalBytes: volume.blocks * volume.bsize,
    }
  },
}

/** fdatasync on the calling thread, for a descriptor lent by another thread that keeps it open meanwhile. */
export function dataSyncDescriptor(descriptor: number): void {
  fs.fdatasyncSync(descriptor)
}

/** What locking needs beyond the FileSystem contract: bare descriptors, which the caller closes, and /proc. */
export const lockFiles = {
  /** 'write' creates a missing file; extra flags let a system lock while it opens. */
  openSync(path: string, mode: 'read' | 'write', extraFlags = 0): number {
    refuseSpecialFile(path)
    const flags = O_NOFOLLOW | O_NONBLOCK | extraFlags
    return mode === 'read'
      ? fs.openSync(path, O_RDONLY | flags)
      : openOrCreate(path, O_RDWR | flags)
  },
  openDirectorySync(path: string, extraFlags = 0): number {
    return fs.openSync(path, O_RDONLY | fs.constants.O_DIRECTORY | extraFlags)
  },
  /** undefined: there is something at `path` already. */
  createSync(path: string): number | undefined {
    try {
      return fs.openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, FILE_MODE)
    } catch (error) {
      if (isCode(error, 'EEXIST')) return undefined
      throw error
    }
  },
  /** By name, since closing a descriptor of our own would end fcntl locks on the file. */
  makePrivateSync: (path: string): void => fs.chmodSync(path, FILE_MODE),
  closeSync: (descriptor: number): void => fs.closeSync(descriptor),
  /** It may be gone already. */
  removeSync: (path: string): void => fs.rmSync(path, { force: true }),
  kindSync: (path: string): 'file' | 'directory' | 'other' | undefined => statEntry(path)?.kind,
  /** Device and inode, following symbolic links; the same for every path to one directory. */
  identitySync(at: number | string): string | undefined {
    const found =
      typeof at === 'number'
        ? fs.fstatSync(at, { bigint: true })
        : fs.statSync(at, { bigint: true, throwIfNoEntry: false })
    return found === undefined ? undefined : `${found.dev}:${found.ino}`
  },
  /** The file system's magic number, as statfs reports it. */
  volumeTypeSync: (path: string): number => fs.statfsSync(path).type,
  readTextSync(descriptor: number, bytesMax: number): string {
    const bytes = Buffer.alloc(bytesMax)
    return bytes.toString('utf8', 0, fs.readSync(descriptor, bytes, 0, bytesMax, 0))
  },
  replaceTextSync(descriptor: number, text: string): void {
    refuseForeignLink(descriptor)
    fs.ftruncateSync(descriptor, 0)
    if (text !== '') fs.writeSync(descriptor, text, 0)
  },
  /** A file, or the target of a link, in which the system tells about itself; undefined: it does not. */
  systemFactSync(path: string, kind: 'text' | 'link'): string | undefined {
    try {
      return kind === 'link' ? fs.readlinkSync(path) : fs.readFileSync(path, 'latin1')
    } catch {
      // Another system, no /proc, or a process that is gone: each caller has an answer for that.
      return undefined
    }
  },
} as const

/** What `statSync` does not tell: for whoever looks at a directory without using it. */
export interface EntryFacts {
  readonly type: 'file' | 'directory' | 'symbolic link' | 'FIFO' | 'socket' | 'device'
  /** Permission bits. */
  readonly mode: number
}

/** undefined: there is nothing; symbolic links are not followed. */
export function entryFacts(path: string): EntryFacts | undefined {
  const found = fs.lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return undefined
  const type = found.isFile()
    ? 'file'
    : found.isDirectory()
      ? 'directory'
      : found.isSymbolicLink()
        ? 'symbolic link'
        : found.isFIFO()
          ? 'FIFO'
          : found.isSocket()
            ? 'socket'
            : 'device'
  return { type, mode: found.mode & 0o777 }
}

/** An error shaped like the kernel's, for refusals of our own. */
function systemError(code: string, syscall: string, path: string, why: string): Error {
  return Object.assign(new Error(`${code}: ${why}, ${syscall} '${path}'`), { code, syscall, path })
}

/** To open a device may already do something, and a FIFO would be opened. Links and directories refuse themselves. */
function refuseSpecialFile(path: string): void {
  const type = entryFacts(path)?.type
  if (type === 'FIFO' || type === 'socket' || type === 'device') {
    throw systemError('EINVAL', 'open', path, 'not a regular file')
  }
}

/** What was there keeps its mode; what is made here has its own whatever the umask. */
function openOrCreate(path: string, flags: number): number {
  for (;;) {
    try {
      return fs.openSync(path, flags)
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error
    }
    try {
      const descriptor = fs.openSync(path, flags | O_CREAT | O_EXCL, FILE_MODE)
      fs.fchmodSync(descriptor, FILE_MODE)
      return descriptor
    } catch (error) {
      // Another was faster: what it made is opened.
      if (!isCode(error, 'EEXIST')) throw error
    }
  }
}

/** How a record of a holder begins. */
const LOCK_START = '{"pid":'

/** A lock file that is another name of somebody else's file: to write into it would destroy that file. */
function refuseForeignLink(descriptor: number): void {
  if (fs.fstatSync(descriptor).nlink <= 1) return
  const start = Buffer.alloc(LOCK_START.length)
  const read = fs.readSync(descriptor, start, 0, start.length, 0)
  if (read === 0 || start.toString('latin1') === LOCK_START) return
  throw systemError('EMLINK', 'ftruncate', 'LOCK', 'another name of a file that is no lock')
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

function isInterrupted(error: unknown): boolean {
  return isCode(error, 'EINTR', 'EAGAIN')
}

function openFile(path: string, mode: OpenMode): OpenFile {
  const create = mode === 'create'
  const access = mode === 'read' ? O_RDONLY : O_RDWR
  const flags = access | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : O_NONBLOCK)
  const descriptor = fs.openSync(path, flags, FILE_MODE)
  try {
    if (create) {
      // The process's umask may have taken the owner's own bits.
      fs.fchmodSync(descriptor, FILE_MODE)
    } else {
      const found = fs.fstatSync(descriptor)
      if (found.isDirectory()) {
        throw systemError('EISDIR', 'open', path, 'illegal operation on a directory')
      }
      if (!found.isFile()) throw systemError('EINVAL', 'open', path, 'not a regular file')
    }
  } catch (error) {
    fs.closeSync(descriptor)
    throw error
  }
  return new NodeFile(path, descriptor)
}

class NodeFile implements OpenFile {
  readonly path: string
  /** -1 once closed, so that no call can reach a recycled number. */
  #descriptor: number
  /** Asynchronous calls in flight; the descriptor outlives them. */
  #pending = 0
  #closeWhenIdle = false

  constructor(path: string, descriptor: number) {
    this.path = path
    this.#descriptor = descriptor
  }

  get descriptor(): number | undefined {
    return this.#closeWhenIdle ? undefined : this.#descriptor
  }

  readSync(target: Uint8Array, position: number): number {
    const descriptor = this.#open('read')
    const { length } = target
    let done = readOnce(descriptor, target, 0, position)
    while (done < length) {
      const count = readOnce(descriptor, target, done, position + done)
      if (count === 0) break
      done += count
    }
    return done
  }

  writeSync(source: Uint8Array, position: number, from = 0, to = source.length): void {
    const descriptor = this.#open('write')
    const place = position - from
    let done = from + writeOnce(descriptor, source, { from, to, place })
    // After a short write the next call says why: the kernel reports the reason only then.
    for (let idle = 0; done < to; ) {
      const count = writeOnce(descriptor, source, { from: done, to, place })
      done += count
      idle = count === 0 ? idle + 1 : 0
      if (idle > RETRIES_MAX) throw systemError('EIO', 'write', this.path, 'no byte was accepted')
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const descriptor = this.#open('read')
    let done = 0
    this.#pending++
    try {
      while (done < target.length) {
        const count = await readLater(descriptor, target, done, position + done)
        if (count === 0) break
        done += count
      }
    } finally {
      this.#settle()
    }
    return done
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    const descriptor = this.#open('write')
    let done = 0
    this.#pending++
    try {
      for (let idle = 0; done < source.length; ) {
        const count = await writeLater(descriptor, source, done, position + done)
        done += count
        idle = count === 0 ? idle + 1 : 0
        if (idle > RETRIES_MAX) throw systemError('EIO', 'write', this.path, 'no byte was accepted')
      }
    } finally {
      this.#settle()
    }
  }

  truncateSync(length: number): void {
    fs.ftruncateSync(this.#open('ftruncate'), length)
  }

  sizeSync(): number {
    return fs.fstatSync(this.#open('fstat')).size
  }

  dataSyncSync(): void {
    fs.fdatasyncSync(this.#open('fdatasync'))
  }

  async dataSync(): Promise<void> {
    const descriptor = this.#open('fdatasync')
    this.#pending++
    try {
      await promised((done) => fs.fdatasync(descriptor, done))
    } finally {
      this.#settle()
    }
  }

  closeSync(): void {
    if (this.#closeWhenIdle) return
    this.#closeWhenIdle = true
    if (this.#pending === 0) this.#close()
  }

  #open(syscall: string): number {
    if (this.#closeWhenIdle) throw systemError('EBADF', syscall, this.path, 'the file was closed')
    return this.#descriptor
  }

  #settle(): void {
    this.#pending--
    if (this.#closeWhenIdle && this.#pending === 0) this.#close()
  }

  #close(): void {
    const descriptor = this.#descriptor
    this.#descriptor = -1
    try {
      fs.closeSync(descriptor)
    } catch (error) {
      // A file system on a network may tell only now what a write did; see OpenFile.closeSync.
      if (!isCode(error, 'EIO', 'ENOSPC', 'EDQUOT', 'EINTR')) throw error
    }
  }
}

function readOnce(descriptor: number, target: Uint8Array, from: number, position: number): number {
  for (let attempt = 0; ; attempt++) {
    try {
      return fs.readSync(descriptor, target, from, target.length - from, position)
    } catch (error) {
      if (attempt >= RETRIES_MAX || !isInterrupted(error)) throw error
    }
  }
}

/** A piece of a source whose first byte has its place at `place` of the file, or would have. */
interface Piece {
  readonly from: number
  readonly to: number
  readonly place: number
}

function writeOnce(descriptor: number, source: Uint8Array, { from, to, place }: Piece): number {
  for (let attempt = 0; ; attempt++) {
    try {
      return fs.writeSync(descriptor, source, from, to - from, place + from)
    } catch (error) {
      if (attempt >= RETRIES_MAX || !isInterrupted(error)) throw error
    }
  }
}

async function readLater(
  descriptor: number,
  target: Uint8Array,
  from: number,
  position: number,
): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await promised<number>((done) =>
        fs.read(descriptor, target, from, target.length - from, position, done),
      )
    } catch (error) {
      if (attempt >= RETRIES_MAX || !isInterrupted(error)) throw error
    }
  }
}

async function writeLater(
  descriptor: number,
  source: Uint8Array,
  from: number,
  position: number,
): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await promised<number>((done) =>
        fs.write(descriptor, source, from, source.length - from, position, done),
      )
    } catch (error) {
      if (attempt >= RETRIES_MAX || !isInterrupted(error)) throw error
    }
  }
}

type Done<T> = (error: Error | null | undefined, value?: T) => void

function promised<T = void>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value as T)))
  })
}

function statEntry(path: string): ReturnType<FileSystem['statSync']> {
  try {
    const found = fs.lstatSync(path)
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'directory' : 'other'
    return { kind, size: found.size }
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

function makeDirectory(path: string): boolean {
  const full = resolve(path)
  try {
    fs.mkdirSync(full, DIRECTORY_MODE)
  } catch (error) {
    const parent = dirname(full)
    // Some file systems, such as /proc, say ENOENT although the parent is there: then it is final.
    if (isCode(error, 'ENOENT') && parent !== full && !fs.existsSync(parent)) {
      makeDirectory(parent)
      return makeDirectory(full)
    }
    // A symbolic link to a directory serves as well: the caller chose this path.
    const found = fs.statSync(full, { throwIfNoEntry: false })
    if (found?.isDirectory() === true) return false
    throw error
  }
  fs.chmodSync(full, DIRECTORY_MODE)
  syncDirectoryNow(dirname(full))
  return true
}

/** A file, a symbolic link (not what it points to) or an empty directory. */
function removeEntry(path: string): void {
  try {
    fs.unlinkSync(path)
  } catch (error) {
    // Linux says EISDIR, macOS and Windows EPERM.
    const directory = isCode(error, 'EISDIR', 'EPERM') && fs.lstatSync(path).isDirectory()
    if (!directory) throw error
    fs.rmdirSync(path)
  }
}

function syncDirectoryNow(path: string): void {
  if (!CAN_SYNC_DIRECTORIES) return
  const descriptor = fs.openSync(path, O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    fs.fsyncSync(descriptor)
  } finally {
    fs.closeSync(descriptor)
  }
}

async function syncDirectoryLater(path: string): Promise<void> {
  if (!CAN_SYNC_DIRECTORIES) return
  const descriptor = await promised<number>((done) =>
    fs.open(path, O_RDONLY | fs.constants.O_DIRECTORY, done),
  )
  try {
    await promised((done) => fs.fsync(descriptor, done))
  } finally {
    await promised((done) => fs.close(descriptor, done))
  }
}

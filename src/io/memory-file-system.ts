// Files in this process's memory, for in-memory databases and tests. One thread. Gives the same answers and the same
// error codes as node-file-system.ts on Linux; a removed or replaced file lives on while it is open.
import { dirname, join, resolve } from 'node:path'
import type { FileSystem, OpenFile, OpenMode } from './file-system.ts'

const SPACE_BYTES: number = 2 ** 40
const FIRST_CAPACITY = 4_096

interface MemoryNode {
  /** The first `length` bytes are the file; those behind it are zero. */
  bytes: Buffer
  length: number
}

type Directory = Map<string, MemoryNode | Directory>

const MESSAGES = {
  ENOENT: 'no such file or directory',
  EEXIST: 'file already exists',
  ENOTDIR: 'not a directory',
  EISDIR: 'illegal operation on a directory',
  ENOTEMPTY: 'directory not empty',
  EINVAL: 'invalid argument',
  EBADF: 'bad file descriptor',
} as const

function systemError(code: keyof typeof MESSAGES, syscall: string, path: string): Error {
  const message = `${code}: ${MESSAGES[code]}, ${syscall} '${path}'`
  return Object.assign(new Error(message), { code, syscall, path })
}

/** A new, empty file system; every call gives one of its own. */
export function memoryFileSystem(): FileSystem {
  const tree = new Tree()
  return {
    inMemory: true,
    openSync: (path, mode) => tree.open(path, mode),
    listSync: (path) => [...tree.directory(path, 'scandir').keys()],
    statSync: (path) => tree.stat(path),
    makeDirectorySync: (path) => tree.makeDirectory(path),
    renameSync: (from, to) => tree.rename(from, to),
    removeSync: (path) => tree.remove(path),
    remove: async (path) => tree.removeFile(path),
    syncDirectorySync: (path) => void tree.directory(path, 'open'),
    syncDirectory: async (path) => void tree.directory(path, 'open'),
    spaceSync(path) {
      tree.mustFind(path, 'statfs')
      return { freeBytes: Math.max(0, SPACE_BYTES - tree.bytes()), totalBytes: SPACE_BYTES }
    },
  }
}

class Tree {
  readonly #root: Directory = new Map()

  open(path: string, mode: OpenMode): OpenFile {
    if (mode !== 'create') {
      const node = this.mustFind(path, 'open')
      if (node instanceof Map) throw systemError('EISDIR', 'open', path)
      return new MemoryFile(path, node, mode === 'update')
    }
    const { parent, name } = this.#place(path, 'open')
    if (name === '' || parent.has(name)) throw systemError('EEXIST', 'open', path)
    const node: MemoryNode = { bytes: Buffer.alloc(0), length: 0 }
    parent.set(name, node)
    return new MemoryFile(path, node, true)
  }

  stat(path: string): ReturnType<FileSystem['statSync']> {
    const node = this.#find(path)
    if (typeof node === 'string') return undefined
    if (node instanceof Map) return { kind: 'directory', size: 0 }
    return { kind: 'file', size: node.length }
  }

  makeDirectory(path: string): boolean {
    const found = this.#find(path)
    if (found instanceof Map) return false
    if (typeof found === 'object') throw systemError('EEXIST', 'mkdir', path)
    if (found === 'ENOTDIR') throw systemError('ENOTDIR', 'mkdir', path)
    const full = resolve(path)
    this.makeDirectory(dirname(full))
    const { parent, name } = this.#place(full, 'mkdir')
    parent.set(name, new Map())
    return true
  }

  rename(from: string, to: string): void {
    const source = this.#place(from, 'rename')
    const target = this.#place(to, 'rename')
    const moved = source.parent.get(source.name)
    if (moved === undefined) throw systemError('ENOENT', 'rename', from)
    const replaced = target.parent.get(target.name)
    if (replaced === moved) return
    if (moved instanceof Map) {
      const inside = join(resolve(to), '/').startsWith(join(resolve(from), '/'))
      if (inside) throw systemError('EINVAL', 'rename', from)
      if (replaced !== undefined && !(replaced instanceof Map)) {
        throw systemError('ENOTDIR', 'rename', from)
      }
      if (replaced !== undefined && replaced.size > 0) {
        throw systemError('ENOTEMPTY', 'rename', from)
      }
    } else if (replaced instanceof Map) {
      const inside = join(resolve(from), '/').startsWith(join(resolve(to), '/'))
      throw systemError(inside ? 'ENOTEMPTY' : 'EISDIR', 'rename', from)
    }
    source.parent.delete(source.name)
    target.parent.set(target.name, moved)
  }

  remove(path: string): void {
    const { parent, name } = this.#place(path, 'unlink')
    const node = parent.get(name)
    if (node === undefined) throw systemError('ENOENT', 'unlink', path)
    if (node instanceof Map && node.size > 0) throw systemError('ENOTEMPTY', 'rmdir', path)
    parent.delete(name)
  }

  removeFile(path: string): void {
    if (this.#find(path) instanceof Map) throw systemError('EISDIR', 'unlink', path)
    this.remove(path)
  }

  directory(path: string, syscall: string): Directory {
    const node = this.mustFind(path, syscall)
    if (!(node instanceof Map)) throw systemError('ENOTDIR', syscall, path)
    return node
  }

  mustFind(path: string, syscall: string): MemoryNode | Directory {
    const node = this.#find(path)
    if (typeof node === 'string') throw systemError(node, syscall, path)
    return node
  }

  bytes(): number {
    let sum = 0
    const waiting: Directory[] = [this.#root]
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      for (const node of next.values()) {
        if (node instanceof Map) waiting.push(node)
        else sum += node.length
      }
    }
    return sum
  }

  #find(path: string): MemoryNode | Directory | 'ENOENT' | 'ENOTDIR' {
    let node: MemoryNode | Directory | undefined = this.#root
    for (const part of parts(path)) {
      if (!(node instanceof Map)) return 'ENOTDIR'
      node = node.get(part)
      if (node === undefined) return 'ENOENT'
    }
    return node
  }

  /** The directory that holds, or would hold, the last part of the path. */
  #place(path: string, syscall: string): { parent: Directory; name: string } {
    const name = parts(path).at(-1) ?? ''
    const node = this.#find(dirname(resolve(path)))
    if (typeof node === 'string') throw systemError(node, syscall, path)
    if (!(node instanceof Map)) throw systemError('ENOTDIR', syscall, path)
    return { parent: node, name }
  }
}

function parts(path: string): string[] {
  return resolve(path)
    .split(/[\\/]/)
    .filter((part) => part !== '')
}

class MemoryFile implements OpenFile {
  readonly path: string
  readonly descriptor: number | undefined = undefined
  readonly #node: MemoryNode
  readonly #writable: boolean
  #closed = false

  constructor(path: string, node: MemoryNode, writable: boolean) {
    this.path = path
    this.#node = node
    this.#writable = writable
  }

  readSync(target: Uint8Array, position: number): number {
    this.#check('read')
    const { bytes, length } = this.#node
    if (position >= length) return 0
    const end = Math.min(length, position + target.length)
    target.set(bytes.subarray(position, end))
    return end - position
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.readSync(target, position)
  }

  writeSync(source: Uint8Array, position: number, from = 0, to: number = source.length): void {
    this.#check('write')
    if (!this.#writable) throw systemError('EBADF', 'write', this.path)
    if (to === from) return
    const node = this.#node
    const end = position + to - from
    reserve(node, end)
    node.bytes.set(source.subarray(from, to), position)
    node.length = Math.max(node.length, end)
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    this.writeSync(source, position)
  }

  truncateSync(length: number): void {
    this.#check('ftruncate')
    if (!this.#writable) throw systemError('EINVAL', 'ftruncate', this.path)
    const node = this.#node
    if (length < node.length) node.bytes.fill(0, length, node.length)
    else reserve(node, length)
    node.length = length
  }

  sizeSync(): number {
    this.#check('fstat')
    return this.#node.length
  }

  dataSyncSync(): void {
    this.#check('fdatasync')
  }

  async dataSync(): Promise<void> {
    this.#check('fdatasync')
  }

  closeSync(): void {
    this.#closed = true
  }

  #check(syscall: string): void {
    if (this.#closed) throw systemError('EBADF', syscall, this.path)
  }
}

/** Doubles, so that appending costs the same per byte at any size. */
function reserve(node: MemoryNode, length: number): void {
  if (node.bytes.length >= length) return
  const capacity = Math.max(length, node.bytes.length * 2, FIRST_CAPACITY)
  const bytes = Buffer.alloc(capacity)
  node.bytes.copy(bytes, 0, 0, node.length)
  node.bytes = bytes
}

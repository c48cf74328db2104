// A file system that only reads: files are buffers by name in one directory, looked up at every read, so that a file
// can rot under the handles that are open on it.

import type { FileSystem, OpenFile, OpenMode } from '../../../src/io/file-system.ts'
import { systemError } from '../../faults/fault-rules.ts'

function refused(path: string): never {
  throw systemError('EROFS', 'write', path)
}

/** `files`, by path, may be changed at any time. */
export function imageFileSystem(files: ReadonlyMap<string, Buffer>): FileSystem {
  const mustFind = (path: string): Buffer => {
    const bytes = files.get(path)
    if (bytes === undefined) throw systemError('ENOENT', 'open', path)
    return bytes
  }
  return {
    inMemory: true,
    openSync(path: string, mode: OpenMode): OpenFile {
      if (mode === 'create') return refused(path)
      mustFind(path)
      return openImageFile(path, () => mustFind(path))
    },
    listSync: (path) => {
      const inside = [...files.keys()].filter((name) => name.startsWith(`${path}/`))
      return inside.map((name) => name.slice(path.length + 1))
    },
    statSync(path) {
      const bytes = files.get(path)
      if (bytes !== undefined) return { kind: 'file', size: bytes.length }
      const inside = [...files.keys()].some((name) => name.startsWith(`${path}/`))
      return inside ? { kind: 'directory', size: 0 } : undefined
    },
    makeDirectorySync: () => false,
    renameSync: refused,
    removeSync: refused,
    remove: async (path) => refused(path),
    syncDirectorySync: () => undefined,
    syncDirectory: async () => undefined,
    spaceSync: () => ({ freeBytes: 0, totalBytes: 2 ** 40 }),
  }
}

function openImageFile(path: string, bytes: () => Buffer): OpenFile {
  const readSync = (target: Uint8Array, position: number): number => {
    const found = bytes().subarray(position, position + target.length)
    target.set(found)
    return found.length
  }
  return {
    path,
    descriptor: undefined,
    readSync,
    read: async (target, position) => readSync(target, position),
    writeSync: () => refused(path),
    write: async () => refused(path),
    truncateSync: () => refused(path),
    sizeSync: () => bytes().length,
    dataSyncSync: () => undefined,
    dataSync: async () => undefined,
    closeSync: () => undefined,
  }
}

// A file system whose calls can be watched, failed or held up; everything else goes to the one it wraps.
import type { FileSystem, OpenFile, OpenMode } from '../../src/io/file-system.ts'

export interface Call {
  readonly kind: 'open' | 'write' | 'sync' | 'truncate' | 'remove' | 'rename' | 'syncDirectory'
  readonly path: string
  readonly bytes: number
}

/** Throw to fail the call; for a write, return a number to write only that many bytes before failing. */
export type Hook = (call: Call) => void

export interface FaultyFileSystem extends FileSystem {
  hook: Hook
  /** What an asynchronous call waits for before it is made; undefined: nothing. */
  hold: (call: Call) => Promise<void> | undefined
  readonly calls: Call[]
}

export function errno(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

export function faultyFileSystem(inner: FileSystem): FaultyFileSystem {
  const calls: Call[] = []
  const note = (kind: Call['kind'], path: string, bytes = 0): Call => {
    const call = { kind, path, bytes }
    calls.push(call)
    outer.hook(call)
    return call
  }
  const wrap = (file: OpenFile): OpenFile => ({
    path: file.path,
    descriptor: undefined,
    readSync: (target, position) => file.readSync(target, position),
    read: (target, position) => file.read(target, position),
    writeSync(source, position) {
      note('write', file.path, source.length)
      file.writeSync(source, position)
    },
    async write(source, position) {
      note('write', file.path, source.length)
      await file.write(source, position)
    },
    truncateSync(length) {
      note('truncate', file.path)
      file.truncateSync(length)
    },
    sizeSync: () => file.sizeSync(),
    dataSyncSync() {
      note('sync', file.path)
      file.dataSyncSync()
    },
    async dataSync() {
      await outer.hold(note('sync', file.path))
      await file.dataSync()
    },
    closeSync: () => file.closeSync(),
  })
  const outer: FaultyFileSystem = {
    hook: () => undefined,
    hold: () => undefined,
    calls,
    inMemory: inner.inMemory,
    openSync(path: string, mode: OpenMode) {
      note('open', path)
      return wrap(inner.openSync(path, mode))
    },
    listSync: (path) => inner.listSync(path),
    statSync: (path) => inner.statSync(path),
    makeDirectorySync: (path) => inner.makeDirectorySync(path),
    renameSync(from, to) {
      note('rename', to)
      inner.renameSync(from, to)
    },
    removeSync(path) {
      note('remove', path)
      inner.removeSync(path)
    },
    async remove(path) {
      note('remove', path)
      await inner.remove(path)
    },
    syncDirectorySync(path) {
      note('syncDirectory', path)
      inner.syncDirectorySync(path)
    },
    async syncDirectory(path) {
      note('syncDirectory', path)
      await inner.syncDirectory(path)
    },
    spaceSync: (path) => inner.spaceSync(path),
  }
  return outer
}

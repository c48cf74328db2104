// One behaviour, two file systems: the real one in a temporary directory and the one in memory.
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { nodeFileSystem } from '../../../src/io/node-file-system.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

interface Subject {
  readonly fs: FileSystem
  readonly directory: string
}

function inMemory(): Subject {
  const fs = memoryFileSystem()
  fs.makeDirectorySync('/base')
  return { fs, directory: '/base' }
}

const subjects: readonly [string, () => Subject][] = [
  ['node', () => ({ fs: nodeFileSystem, directory: temporaryDirectory() })],
  ['memory', inMemory],
]

function put(fs: FileSystem, path: string, text: string): void {
  const file = fs.openSync(path, 'create')
  file.writeSync(Buffer.from(text), 0)
  file.closeSync()
}

function read(fs: FileSystem, path: string): string {
  const file = fs.openSync(path, 'read')
  const target = Buffer.alloc(file.sizeSync())
  expect(file.readSync(target, 0)).toBe(target.length)
  file.closeSync()
  return target.toString()
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    return String((error as { code?: unknown }).code)
  }
  return 'none'
}

describe.each(subjects)('%s file system', (_name, subject) => {
  test('what is written is read back, at any offset, with zeros in the gaps', () => {
    const { fs, directory } = subject()
    const file = fs.openSync(join(directory, 'a'), 'create')
    file.writeSync(Buffer.from('tail'), 5_000)
    file.writeSync(Buffer.from('head'), 0)
    expect(file.sizeSync()).toBe(5_004)
    const all = Buffer.alloc(6_000, 0xff)
    expect(file.readSync(all, 0)).toBe(5_004)
    expect(all.toString('latin1', 0, 4)).toBe('head')
    expect(all.subarray(4, 5_000).every((byte) => byte === 0)).toBe(true)
    expect(all.toString('latin1', 5_000, 5_004)).toBe('tail')
    expect(all[5_004]).toBe(0xff)
    expect(file.readSync(Buffer.alloc(8), 5_002)).toBe(2)
    expect(file.readSync(Buffer.alloc(8), 9_999)).toBe(0)
    expect(file.readSync(Buffer.alloc(0), 0)).toBe(0)
    file.closeSync()
  })

  test('asynchronous calls give what synchronous ones give', async () => {
    const { fs, directory } = subject()
    const file = fs.openSync(join(directory, 'a'), 'create')
    const payload = Buffer.alloc(300_000, 'abcdefg')
    await file.write(payload, 11)
    await file.dataSync()
    file.dataSyncSync()
    const target = Buffer.alloc(payload.length + 100)
    expect(await file.read(target, 11)).toBe(payload.length)
    expect(target.subarray(0, payload.length).equals(payload)).toBe(true)
    expect(await file.read(target, 400_000)).toBe(0)
    file.closeSync()
  })

  test('truncating cuts, and growing again shows zeros', () => {
    const { fs, directory } = subject()
    const file = fs.openSync(join(directory, 'a'), 'create')
    file.writeSync(Buffer.from('0123456789'), 0)
    file.truncateSync(4)
    expect(file.sizeSync()).toBe(4)
    file.truncateSync(8)
    const target = Buffer.alloc(10)
    expect(file.readSync(target, 0)).toBe(8)
    expect(target.toString('latin1')).toBe('0123\0\0\0\0\0\0')
    file.closeSync()
  })

  test('memory shared between threads can be read into and written from', () => {
    const { fs, directory } = subject()
    const shared = new Uint8Array(new SharedArrayBuffer(64))
    shared.set([1, 2, 3, 4], 8)
    const file = fs.openSync(join(directory, 'a'), 'create')
    file.writeSync(shared.subarray(8, 12), 0)
    expect(file.readSync(shared.subarray(32, 36), 0)).toBe(4)
    expect([...shared.subarray(30, 38)]).toEqual([0, 0, 1, 2, 3, 4, 0, 0])
    file.closeSync()
  })

  test('a part of a source is written as if it were all of it', () => {
    const { fs, directory } = subject()
    const file = fs.openSync(join(directory, 'a'), 'create')
    file.writeSync(Buffer.from('0123456789'), 2, 3, 7)
    file.writeSync(Buffer.from('ab'), 0, 1, 1)
    const found = Buffer.alloc(8, '.')
    expect(file.readSync(found, 0)).toBe(6)
    expect(found.toString('latin1')).toBe('\0\u00003456..')
    file.closeSync()
  })

  test('two openers see one file, and a removed file lives on while it is open', () => {
    const { fs, directory } = subject()
    const path = join(directory, 'a')
    const writer = fs.openSync(path, 'create')
    const reader = fs.openSync(path, 'read')
    writer.writeSync(Buffer.from('one'), 0)
    const target = Buffer.alloc(3)
    expect(reader.readSync(target, 0)).toBe(3)
    expect(target.toString()).toBe('one')
    fs.removeSync(path)
    expect(fs.statSync(path)).toBeUndefined()
    writer.writeSync(Buffer.from('two'), 0)
    expect(reader.readSync(target, 0)).toBe(3)
    expect(target.toString()).toBe('two')
    writer.closeSync()
    reader.closeSync()
  })

  test('closing twice is allowed; using a closed file is EBADF', async () => {
    const { fs, directory } = subject()
    const file = fs.openSync(join(directory, 'a'), 'create')
    file.closeSync()
    file.closeSync()
    expect(codeOf(() => file.readSync(Buffer.alloc(1), 0))).toBe('EBADF')
    expect(codeOf(() => file.writeSync(Buffer.alloc(1), 0))).toBe('EBADF')
    expect(codeOf(() => file.truncateSync(0))).toBe('EBADF')
    expect(codeOf(() => file.sizeSync())).toBe('EBADF')
    expect(codeOf(() => file.dataSyncSync())).toBe('EBADF')
    expect(file.descriptor).toBeUndefined()
    await expect(file.read(Buffer.alloc(1), 0)).rejects.toMatchObject({ code: 'EBADF' })
    await expect(file.write(Buffer.alloc(1), 0)).rejects.toMatchObject({ code: 'EBADF' })
    await expect(file.dataSync()).rejects.toMatchObject({ code: 'EBADF' })
  })

  test('calls in flight finish when the file is closed under them', async () => {
    const { fs, directory } = subject()
    const file = fs.openSync(join(directory, 'a'), 'create')
    const writing = file.write(Buffer.alloc(1 << 20, 7), 0)
    const syncing = file.dataSync()
    file.closeSync()
    await writing
    await syncing
    expect(fs.statSync(join(directory, 'a'))).toEqual({ kind: 'file', size: 1 << 20 })
  })

  test('opening to read needs a file; opening to create needs its absence', () => {
    const { fs, directory } = subject()
    put(fs, join(directory, 'a'), 'x')
    fs.makeDirectorySync(join(directory, 'd'))
    expect(codeOf(() => fs.openSync(join(directory, 'none'), 'read'))).toBe('ENOENT')
    expect(codeOf(() => fs.openSync(join(directory, 'none/x'), 'create'))).toBe('ENOENT')
    expect(codeOf(() => fs.openSync(join(directory, 'a/x'), 'read'))).toBe('ENOTDIR')
    expect(codeOf(() => fs.openSync(join(directory, 'a/x'), 'create'))).toBe('ENOTDIR')
    expect(codeOf(() => fs.openSync(join(directory, 'd'), 'read'))).toBe('EISDIR')
    expect(codeOf(() => fs.openSync(join(directory, 'a'), 'create'))).toBe('EEXIST')
    expect(codeOf(() => fs.openSync(join(directory, 'd'), 'create'))).toBe('EEXIST')
    const reader = fs.openSync(join(directory, 'a'), 'read')
    expect(codeOf(() => reader.writeSync(Buffer.from('y'), 0))).toBe('EBADF')
    expect(codeOf(() => reader.truncateSync(0))).toBe('EINVAL')
    reader.closeSync()
    expect(read(fs, join(directory, 'a'))).toBe('x')
  })

  test('directories are made with their parents, once', () => {
    const { fs, directory } = subject()
    const deep = join(directory, 'p/q/r')
    expect(fs.makeDirectorySync(deep)).toBe(true)
    expect(fs.makeDirectorySync(deep)).toBe(false)
    expect(fs.makeDirectorySync(join(directory, 'p'))).toBe(false)
    expect(fs.statSync(deep)?.kind).toBe('directory')
    put(fs, join(directory, 'file'), '')
    expect(codeOf(() => fs.makeDirectorySync(join(directory, 'file')))).toBe('EEXIST')
    expect(codeOf(() => fs.makeDirectorySync(join(directory, 'file/x')))).toBe('ENOTDIR')
  })

  test('listing, renaming and removing', async () => {
    const { fs, directory } = subject()
    put(fs, join(directory, 'a'), 'A')
    put(fs, join(directory, 'b'), 'B')
    fs.makeDirectorySync(join(directory, 'd'))
    expect(fs.listSync(directory).sort()).toEqual(['a', 'b', 'd'])
    fs.renameSync(join(directory, 'a'), join(directory, 'b'))
    expect(read(fs, join(directory, 'b'))).toBe('A')
    expect(codeOf(() => fs.renameSync(join(directory, 'a'), join(directory, 'c')))).toBe('ENOENT')
    expect(codeOf(() => fs.renameSync(join(directory, 'b'), join(directory, 'd')))).toBe('EISDIR')
    fs.renameSync(join(directory, 'b'), join(directory, 'd/b'))
    expect(codeOf(() => fs.removeSync(join(directory, 'd')))).toBe('ENOTEMPTY')
    fs.removeSync(join(directory, 'd/b'))
    fs.removeSync(join(directory, 'd'))
    expect(codeOf(() => fs.removeSync(join(directory, 'd')))).toBe('ENOENT')
    expect(fs.listSync(directory)).toEqual([])
    expect(codeOf(() => fs.listSync(join(directory, 'none')))).toBe('ENOENT')
    fs.syncDirectorySync(directory)
    await fs.syncDirectory(directory)
    expect(codeOf(() => fs.syncDirectorySync(join(directory, 'none')))).toBe('ENOENT')
    await expect(fs.syncDirectory(join(directory, 'none'))).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })

  test('space left is a number of bytes within the volume', () => {
    const { fs, directory } = subject()
    const { freeBytes, totalBytes } = fs.spaceSync(directory)
    expect(freeBytes).toBeGreaterThan(0)
    expect(totalBytes).toBeGreaterThanOrEqual(freeBytes)
    expect(codeOf(() => fs.spaceSync(join(directory, 'none')))).toBe('ENOENT')
  })
})

// Tables that may not count: entries that came out of order, and bytes the disk did not keep.
import { describe, expect, it } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { Bench, type PlainEntry } from './support.ts'

const MIB = 1024 * 1024

function entry(key: string, version: number): PlainEntry {
  return { key: Buffer.from(key), version, value: Buffer.alloc(10, version) }
}

describe('a writer', () => {
  it.each([
    ['keys that descend', [entry('a', 1), entry('c', 1), entry('b', 1), entry('d', 1)]],
    ['versions that ascend', [entry('a', 1), entry('b', 1), entry('b', 2), entry('d', 1)]],
    ['an entry twice', [entry('a', 1), entry('b', 2), entry('b', 2), entry('d', 1)]],
  ])('refuses %s', (_, entries) => {
    expect(() => new Bench(8 * MIB).write(entries)).toThrow()
  })

  it.each([70, 200, -60])('notices that the disk changed byte %i of what it wrote', (at) => {
    const bench = new Bench(8 * MIB, 'wasm', forgetful(at))
    const entries = Array.from({ length: 40 }, (_, i) => entry(`key ${100 + i}`, i + 1))
    expect(() => bench.write(entries)).toThrow(CorruptionError)
  })
})

/** Answers reads of that offset (below 0: from the end of the file) with another byte than was written. */
function forgetful(at: number): FileSystem {
  const memory = memoryFileSystem()
  const openSync: FileSystem['openSync'] = (path, mode) => {
    const file = memory.openSync(path, mode)
    const readSync = file.readSync.bind(file)
    file.readSync = (target, position) => {
      const count = readSync(target, position)
      const offset = (at < 0 ? file.sizeSync() + at : at) - position
      if (offset >= 0 && offset < count) target[offset] = target[offset]! ^ 1
      return count
    }
    return file
  }
  return { ...memory, inMemory: true, openSync }
}

// Values in segments, read the slow, obvious way: the whole file, part by part, without checksums.
import { decodeLz4 } from '../../../src/format/lz4.ts'
import type { SegmentMeta } from '../../../src/format/segments/segment-meta.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import { segmentPath, tablePath } from '../../../src/io/file-names.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { DIRECTORY, type PlainEntry } from '../sstable/support.ts'

export function fileBytes(fs: FileSystem, path: string): Buffer {
  const file = fs.openSync(path, 'read')
  const bytes = Buffer.alloc(file.sizeSync())
  file.readSync(bytes, 0)
  file.closeSync()
  return bytes
}

/** The value a pointer leads to. */
export function valueAt(fs: FileSystem, pointer: Buffer): Buffer {
  const segment = Number(pointer.readBigUInt64LE(0))
  const bytes = fileBytes(fs, segmentPath(DIRECTORY, segment))
  const first = Number(pointer.readBigUInt64LE(8))
  const end = first + pointer.readUInt32LE(20)
  const parts: Buffer[] = []
  for (let at = first; at < end; ) {
    const payload = bytes.readUInt32LE(at + 8)
    const codec = bytes[at + 12] as number
    const stored = codec === 0 ? payload : bytes.readUIntLE(at + 13, 3)
    const body = bytes.subarray(at + 32, at + 32 + stored)
    const plain = codec === 0 ? body : decodeLz4(body, payload)
    if (plain === undefined) throw new Error('a part does not unpack')
    parts.push(plain)
    at += 32 + Math.ceil(stored / 8) * 8
  }
  const value = Buffer.concat(parts)
  if (value.length !== pointer.readUInt32LE(16)) throw new Error('a value of another length')
  return value
}

/** The entries with their values in place of pointers. */
export function resolved(fs: FileSystem, entries: readonly PlainEntry[]): PlainEntry[] {
  return entries.map(({ pointer, ...entry }) =>
    pointer === undefined ? entry : { ...entry, value: valueAt(fs, entry.value as Buffer) },
  )
}

/** What the entries of a table refer to, as the manifest is to have it. */
export function usesOf(entries: readonly PlainEntry[]): { number: number; bytes: number }[] {
  const uses = new Map<number, number>()
  for (const { pointer, value } of entries) {
    if (pointer === undefined || value === undefined) continue
    const number = Number(value.readBigUInt64LE(0))
    uses.set(number, (uses.get(number) ?? 0) + value.readUInt32LE(20))
  }
  return [...uses].map(([number, bytes]) => ({ number, bytes })).sort((a, b) => a.number - b.number)
}

/** Names of the files of tables and segments. */
export function namesOf(
  tables: readonly TableMeta[],
  segments: readonly SegmentMeta[],
): readonly string[] {
  const paths = [
    ...tables.map(({ number }) => tablePath(DIRECTORY, number)),
    ...segments.map(({ number }) => segmentPath(DIRECTORY, number)),
  ]
  return paths.map((path) => path.slice(DIRECTORY.length + 1)).sort()
}

// Lengths that lie, under checksums that are right: every one is compared with what is there before anything of that
// length is allocated, read or skipped.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import { openEngine } from '../../src/engine/open.ts'
import { checksum } from '../../src/format/checksum.ts'
import { encodeCurrent } from '../../src/format/current-file.ts'
import { FOOTER_BYTES } from '../../src/format/file-footer.ts'
import { FILE_HEADER_BYTES } from '../../src/format/file-header.ts'
import { decodeEditPayload, sealEdit } from '../../src/format/manifest-edit.ts'
import { encodeTrailer, TRAILER_COVERED } from '../../src/format/sstable-block.ts'
import {
  decodeFooter,
  encodeFooter,
  type TableFooter,
  type TablePart,
} from '../../src/format/sstable-footer.ts'
import type { TableMeta } from '../../src/format/table-meta.ts'
import { FieldWriter } from '../../src/format/varint.ts'
import { FRAME_CHECKED, FRAME_HEADER_BYTES, LINK_BYTES } from '../../src/format/wal-frame.ts'
import { tablePath } from '../../src/io/file-names.ts'
import type { FileSystem, OpenFile } from '../../src/io/file-system.ts'
import { BLOCK_TRAILER } from '../../src/kernel/layout.ts'
import { openTable } from '../../src/sstable/table-reader.ts'
import { DIRECTORY, type Image, imageOf, place } from '../corrupt/image.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { Bench, type PlainEntry } from '../unit/sstable/support.ts'

const MIB = 1024 * 1024
const LENGTHS = [
  2 ** 20,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 8,
  2 ** 32,
  2 ** 32 + 24,
  2 ** 40,
  2 ** 52,
]
const PARTS = ['filter', 'rangeTombstones', 'properties', 'index'] as const

/** A file that says it is of some length and holds a few pieces; between them lies 0xee. */
class SparseFile {
  readonly #size: number
  readonly #pieces: ReadonlyMap<number, Buffer>
  /** Most bytes asked for at once. */
  largestRead = 0

  constructor(size: number, pieces: ReadonlyMap<number, Buffer>) {
    this.#size = size
    this.#pieces = pieces
  }

  read(target: Uint8Array, position: number): number {
    this.largestRead = Math.max(this.largestRead, target.length)
    target.fill(0xee)
    for (const [at, piece] of this.#pieces) {
      if (at < position || at >= position + target.length) continue
      target.set(piece.subarray(0, position + target.length - at), at - position)
    }
    return Math.min(target.length, this.#size - position)
  }

  in(inner: FileSystem): FileSystem {
    const open = (path: string): OpenFile => ({
      ...inner.openSync(path, 'read'),
      path,
      descriptor: undefined,
      sizeSync: () => this.#size,
      readSync: (target, position) => this.read(target, position),
      closeSync: () => undefined,
    })
    return { ...inner, openSync: open }
  }
}

/** The table with one of its parts made longer, and everything behind moved and checksummed anew. */
function lengthened(
  bytes: Buffer,
  table: TableMeta,
  name: (typeof PARTS)[number],
  length: number,
): { file: SparseFile; meta: TableMeta } {
  const salt = Buffer.from(table.salt, 'hex')
  const known = { file: 'table', fileSize: table.size, fileNumber: table.number, salt }
  const footer = decodeFooter(bytes.subarray(-FOOTER_BYTES), known)
  const shift = length - footer[name].length
  const pieces = new Map([[0, bytes.subarray(0, footer.filter.offset)]])
  const moved: Record<string, TablePart> = {}
  for (const part of PARTS) {
    const { offset, length: before } = footer[part]
    const behind = PARTS.indexOf(part) > PARTS.indexOf(name)
    const position = behind ? offset + shift : offset
    const block = Buffer.from(bytes.subarray(offset, offset + before + BLOCK_TRAILER))
    encodeTrailer(block, before, before)
    const sum = checksum(block.subarray(0, before + TRAILER_COVERED), {
      salt,
      fileNumber: table.number,
      position,
    })
    block.writeBigUInt64LE(sum, before + TRAILER_COVERED)
    pieces.set(position, block)
    moved[part] = { offset: position, length: part === name ? length : before }
  }
  const fileSize = table.size + shift
  const forged = encodeFooter({ ...footer, ...moved, fileSize } as TableFooter)
  pieces.set(fileSize - FOOTER_BYTES, forged)
  return { file: new SparseFile(fileSize, pieces), meta: { ...table, size: fileSize } }
}

describe('lengths in a table', () => {
  const bench = new Bench(8 * MIB)
  const entries: PlainEntry[] = Array.from({ length: 100 }, (_, i) => ({
    key: Buffer.from(`key ${String(i).padStart(3, '0')}`),
    version: i + 1,
    value: Buffer.alloc(40, i),
  }))
  const [table] = bench.write(entries)
  const path = tablePath(DIRECTORY, table!.number)
  const whole = Buffer.alloc(table!.size)
  bench.fs.openSync(path, 'read').readSync(whole, 0)

  it.each(PARTS.flatMap((part) => LENGTHS.map((length) => [part, length] as const)))(
    '%s of %d bytes',
    (part, length) => {
      const { file, meta } = lengthened(whole, table!, part, length)
      const guard = bench.take(64)
      bench.heap.bytes.fill(0xaa, guard.address, guard.address + 64)
      const before = bench.allocator.usedBytes
      const { allocator } = bench
      const opening = { fs: file.in(bench.fs), directory: DIRECTORY, meta, allocator }
      expect(() => openTable(bench, opening)).toThrow(
        expect.objectContaining({
          code: expect.stringMatching(/^(?:LEVEL_CORRUPTION|SETT_OUT_OF_MEMORY)$/),
        }),
      )
      // Filter and index may take what the heap has for them.
      expect(file.largestRead).toBeLessThan(2 * MIB)
      expect(bench.allocator.usedBytes).toBe(before)
      const kept = bench.heap.bytes.subarray(guard.address, guard.address + 64)
      expect(kept.every((byte) => byte === 0xaa)).toBe(true)
      bench.allocator.free(guard)
    },
  )

  it('the way the forged files are made is sound: unchanged lengths open', () => {
    const { file, meta } = lengthened(whole, table!, 'index', indexLength(whole, table!))
    const { allocator } = bench
    const opening = { fs: file.in(bench.fs), directory: DIRECTORY, meta, allocator }
    const handle = openTable(bench, opening)
    expect(handle.blockCount).toBeGreaterThan(3)
    allocator.free(handle.memory)
  })
})

function indexLength(bytes: Buffer, table: TableMeta): number {
  const salt = Buffer.from(table.salt, 'hex')
  const known = { file: 'table', fileSize: table.size, fileNumber: table.number, salt }
  return decodeFooter(bytes.subarray(-FOOTER_BYTES), known).index.length
}

const SMALL = resolveOptions({ workers: 0, memtableSize: 65_536, memoryBudget: 8 * MIB }, {})

/** A database with one commit in its log, never closed. */
async function withLog(): Promise<{ image: Image; name: string; log: Buffer }> {
  const fs = new FaultFileSystem()
  const engine = await openEngine(DIRECTORY, SMALL, { fs })
  await engine.put('key', 'v'.repeat(100), { durability: 'none' })
  const image = imageOf(fs)
  await engine.close()
  const [name, log] = [...image].find(([each, { length }]) => /wal$/.test(each) && length > 64)!
  return { image, name, log }
}

/** Changes a word of the first frame, and its checksum with it. */
function forged(log: Buffer, number: number, at: number, word: number): Buffer {
  const copy = Buffer.from(log)
  copy.writeUInt32LE(word, FILE_HEADER_BYTES + at)
  const frame = copy.subarray(FILE_HEADER_BYTES)
  const place = { salt: copy.subarray(24, 32), fileNumber: number, position: FILE_HEADER_BYTES }
  frame.writeBigUInt64LE(checksum(frame.subarray(FRAME_CHECKED), place), 0)
  return copy
}

async function opened(image: Image): Promise<string> {
  const began = process.memoryUsage().rss
  try {
    const engine = await openEngine(DIRECTORY, SMALL, { fs: place(image) })
    const found = engine.getSync('key', undefined, 'utf8')
    await engine.close()
    return found === undefined ? 'empty' : 'right'
  } catch (error) {
    return String((error as { code: unknown }).code)
  } finally {
    expect(process.memoryUsage().rss - began).toBeLessThan(64 * MIB)
  }
}

describe('lengths in a log', () => {
  const RECORD = FRAME_HEADER_BYTES + LINK_BYTES

  it.each([
    ['value', RECORD, 110],
    ['value', RECORD, 2 ** 31 - 1],
    ['value', RECORD, 2 ** 31],
    ['value', RECORD, 2 ** 32 - 16],
    ['value', RECORD, 2 ** 32 - 1],
    ['key', RECORD + 4, 0xffff],
  ])('a %s at %d of %d bytes in a frame that verifies', async (_, at, length) => {
    const { image, name, log } = await withLog()
    const number = Number.parseInt(name, 10)
    const before = log.readUInt32LE(FILE_HEADER_BYTES + at)
    const same = forged(log, number, at, before)
    expect(await opened(new Map([...image, [name, same]]))).toBe('right')
    // The key's word holds the tag too.
    const bad = forged(log, number, at, at === RECORD ? length : (before | length) >>> 0)
    expect(await opened(new Map([...image, [name, bad]]))).toBe('LEVEL_CORRUPTION')
  })

  it.each([2 ** 31 - 65_528, 2 ** 31, 2 ** 32 - 8])('a frame of %d bytes', async (length) => {
    const { image, name, log } = await withLog()
    const bad = forged(log, Number.parseInt(name, 10), 12, length)
    // Nothing tells it from a write that a crash cut short.
    expect(await opened(new Map([...image, [name, bad]]))).toBe('empty')
  })

  it('more records than there is room for', async () => {
    const { image, name, log } = await withLog()
    for (const count of [2, 2 ** 31, 2 ** 32 - 1]) {
      const bad = forged(log, Number.parseInt(name, 10), 40, count)
      expect(await opened(new Map([...image, [name, bad]]))).toMatch(/^(?:empty|LEVEL_CORRUPTION)$/)
    }
  })
})

describe('lengths in CURRENT and the manifest', () => {
  it('a manifest of another length or number', async () => {
    const { image } = await withLog()
    for (const clean of [0, 2 ** 32, 2 ** 53 - 1]) {
      const number = Number(/\d+$/.exec([...image.keys()].find((each) => /^MAN/.test(each))!)![0])
      const current = encodeCurrent({
        manifest: number,
        clean: { length: clean, lastChecksum: 1n },
      })
      expect(await opened(new Map([...image, ['CURRENT', current]]))).toBe('LEVEL_CORRUPTION')
    }
    const nowhere = encodeCurrent({ manifest: 2 ** 53 - 1 })
    expect(await opened(new Map([...image, ['CURRENT', nowhere]]))).toBe('LEVEL_CORRUPTION')
  })

  it.each([
    ['the name of a floor', (out: FieldWriter, length: number) => out.u8(9).varint(length)],
    ['the key of a table', tableWithKey],
  ])('%s', (_, write) => {
    for (const length of [1, 2 ** 16, 2 ** 31, 2 ** 32 - 1, 2 ** 52, 2 ** 53 - 1]) {
      const out = new FieldWriter(64)
      write(out, length)
      const payload = out.finish()
      const { bytes } = sealEdit(payload, 1, 0n)
      expect(bytes.length).toBeLessThan(200)
      expect(() => decodeEditPayload(payload, 'MANIFEST', 0)).toThrow(
        expect.objectContaining({ code: 'LEVEL_CORRUPTION' }),
      )
    }
  })
})

function tableWithKey(out: FieldWriter, length: number): void {
  out.u8(4).u8(0)
  for (let i = 0; i < 9; i++) out.varint(i + 1)
  out.bytes(Buffer.alloc(8)).varint(length)
}

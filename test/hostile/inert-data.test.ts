// Values that hold whole records, edits, footers and headers of the database's own format, some taken from the very
// file they will lie in: whatever is cut off or damaged around them, nothing of them is taken for what it looks like.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import { repairDirectory } from '../../src/engine/repair/repair.ts'
import { FOOTER_BYTES } from '../../src/format/file-footer.ts'
import { FILE_HEADER_BYTES } from '../../src/format/file-header.ts'
import { EDIT_HEADER_BYTES, readEditFrame } from '../../src/format/manifest-edit.ts'
import { FRAME_HEADER_BYTES, readFrameHeader } from '../../src/format/wal-frame.ts'
import { DIRECTORY, type Image, imageOf, makeImage, place } from '../corrupt/image.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { prng } from '../model/prng.ts'

const MIB = 1024 * 1024
const OPTIONS = resolveOptions(
  {
    workers: 0,
    memtableSize: 2 * MIB,
    memoryBudget: 16 * MIB,
    blockSize: 512,
    tableSize: 65_536,
    // The values are to lie in the files as they are.
    compression: 'none',
    valueThreshold: 'off',
  },
  {},
)
/** One value at each place relative to a cache line. */
const ALIGNMENTS = 64
const COPIES = 3

type Content = ReadonlyMap<string, Buffer>

function fileOf(image: Image, end: RegExp): [name: string, bytes: Buffer] {
  const found = [...image].find(([name]) => end.test(name))
  if (found === undefined) throw new Error(`no file ${end}`)
  return found
}

/** The parts of files that a reader might take for its own. */
function partsOf(image: Image): Buffer[] {
  const parts: Buffer[] = []
  for (const [name, bytes] of image) {
    if (name === 'LOCK') continue
    parts.push(bytes.subarray(0, FILE_HEADER_BYTES))
    if (name.endsWith('.sst')) parts.push(bytes.subarray(-FOOTER_BYTES))
    if (name.endsWith('.wal')) parts.push(...framesOf(bytes).slice(0, 3), bytes.subarray(0, 300))
    if (name.startsWith('MANIFEST')) {
      const { payloadLength } = readEditFrame(bytes, FILE_HEADER_BYTES)!
      const end = FILE_HEADER_BYTES + EDIT_HEADER_BYTES + payloadLength
      parts.push(bytes.subarray(FILE_HEADER_BYTES, (end + 7) & ~7), bytes.subarray(0, 300))
    }
  }
  return parts.filter((part) => part.length > 0).map((part) => Buffer.from(part))
}

function framesOf(wal: Buffer): Buffer[] {
  const frames: Buffer[] = []
  for (let at = FILE_HEADER_BYTES; ; ) {
    const header = readFrameHeader(wal, at, wal.length)
    if (header === undefined) return frames
    const end = at + FRAME_HEADER_BYTES + header.payloadLength
    frames.push(wal.subarray(at, end))
    at = end
  }
}

/** The same salts and numbers for the same seed. */
function seeded(seed: number): { fill(target: Uint8Array): void } {
  const random = prng(seed)
  return {
    fill(target) {
      for (let i = 0; i < target.length; i++) target[i] = random.below(256)
    },
  }
}

async function written(
  seed: number,
  parts: readonly Buffer[],
  flush: boolean,
): Promise<{ image: Image; values: Content }> {
  const fs = new FaultFileSystem()
  const engine = await openEngine(DIRECTORY, OPTIONS, { fs, random: seeded(seed) })
  const values = new Map<string, Buffer>()
  for (let shift = 0; shift < ALIGNMENTS; shift++) {
    const copies = Array.from({ length: COPIES }, () => parts).flat()
    const value = Buffer.concat([Buffer.alloc(shift, 46), ...copies])
    const key = `key ${String(shift).padStart(2, '0')}`
    values.set(key, value)
    await engine.put(key, value, { durability: 'none' })
  }
  if (flush) await engine.flush()
  const image = imageOf(fs)
  await engine.close()
  return { image, values }
}

function contentOf(engine: StorageEngine): Content {
  const { version } = engine
  const form = { keyForm: 'utf8', valueForm: 'buffer' } as const
  const reader = engine.range({ keys: true, values: true, ...form, version })
  const content = new Map<string, Buffer>()
  for (let page = reader.next(100); page.length > 0; page = reader.next(100)) {
    for (const [key, value] of page) content.set(String(key), Buffer.from(value as Buffer))
  }
  return content
}

async function recovered(image: Image): Promise<Content> {
  const engine = await openEngine(DIRECTORY, OPTIONS, { fs: place(image) })
  try {
    return contentOf(engine)
  } finally {
    await engine.close()
  }
}

function requireWritten(found: Content, values: Content): void {
  for (const [key, value] of found) expect(values.get(key)?.equals(value), key).toBe(true)
}

/** Parts of another database, and those of the same files, salts and numbers as they will lie in. */
async function ownAndForeign(seed: number, flush: boolean): Promise<Buffer[]> {
  const foreign = partsOf((await makeImage(9, 40)).image)
  const before = await written(seed, [], flush)
  return [...foreign, ...partsOf(before.image)]
}

describe('values that look like files', () => {
  it('in a log that is cut off or damaged: what is recovered is a beginning', async () => {
    const parts = await ownAndForeign(5, false)
    const { image, values } = await written(5, parts, false)
    const [name, log] = fileOf(image, /\.wal$/)
    const frames = framesOf(log)
    expect(frames).toHaveLength(ALIGNMENTS)
    const keys = [...values.keys()]
    const random = prng(11)
    let offered = 0
    let at = FILE_HEADER_BYTES
    for (const [i, frame] of frames.entries()) {
      // Cut inside the value, or a header damaged with everything behind it in place.
      const cut = log.subarray(0, at + FRAME_HEADER_BYTES + random.below(frame.length - 48))
      const damaged = Buffer.from(log)
      damaged.fill(0, at + 8 * random.below(6), at + FRAME_HEADER_BYTES)
      const [bytes, seen] = i % 2 === 0 ? [cut, i + 1] : [damaged, ALIGNMENTS]
      const found = await recovered(new Map([...image, [name, bytes]]))
      expect([...found.keys()]).toEqual(keys.slice(0, i))
      requireWritten(found, values)
      offered += seen * COPIES * parts.length
      at += frame.length
    }
    console.log(`${offered} embedded parts offered to recovery, none taken`)
    expect(offered).toBeGreaterThan(100_000)
  }, 60_000)

  it('in a log that is salvaged: every other commit is found, and no more', async () => {
    const parts = await ownAndForeign(6, false)
    const { image, values } = await written(6, parts, false)
    const [name, log] = fileOf(image, /\.wal$/)
    const frames = framesOf(log)
    const damaged = Buffer.from(log)
    let at = FILE_HEADER_BYTES
    for (const [i, frame] of frames.entries()) {
      if (i % 2 === 1) damaged.fill(0xff, at, at + FRAME_HEADER_BYTES)
      at += frame.length
    }
    const spoilt = [...image].filter(([each]) => !/^(?:MANIFEST|CURRENT)/.test(each))
    const fs = place(new Map([...spoilt, [name, damaged]]))
    await repairDirectory(DIRECTORY, OPTIONS, { fs })
    const found = contentOf(await openEngine(DIRECTORY, OPTIONS, { fs }))
    expect([...found.keys()]).toEqual([...values.keys()].filter((_, i) => i % 2 === 0))
    requireWritten(found, values)
  })

  it('in tables that end with a footer that is none', async () => {
    const parts = await ownAndForeign(7, true)
    const { image, values } = await written(7, parts, true)
    const [name, table] = fileOf(image, /\.sst$/)
    const footers = parts.filter((part) => part.length === FOOTER_BYTES)
    const ends = footers.flatMap((footer) => {
      const found: number[] = []
      for (let at = table.indexOf(footer); at >= 0; at = table.indexOf(footer, at + 1)) {
        if (at + FOOTER_BYTES < table.length) found.push(at + FOOTER_BYTES)
      }
      return found
    })
    expect(ends.length).toBeGreaterThan(20)
    const chosen = ends.filter((_, i) => i % Math.ceil(ends.length / 12) === 0)
    for (const end of chosen) {
      const cut = new Map([...image, [name, table.subarray(0, end)]])
      await expect(recovered(cut)).rejects.toMatchObject({ code: 'LEVEL_CORRUPTION' })
      for (const file of [...cut.keys()]) if (/^(?:MANIFEST|CURRENT)/.test(file)) cut.delete(file)
      const fs = place(cut)
      await repairDirectory(DIRECTORY, OPTIONS, { fs })
      const engine = await openEngine(DIRECTORY, OPTIONS, { fs })
      requireWritten(contentOf(engine), values)
      expect((await engine.verify({})).problems).toEqual([])
      await engine.close()
    }
  }, 60_000)
})

import { describe, expect, test } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import type { LogRecord } from '../../../src/format/record.ts'
import { writeValuePointer } from '../../../src/format/segments/value-pointer.ts'
import { FRAME_HEADER_BYTES, LINK_BYTES } from '../../../src/format/wal-frame.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { replayArenaBytes, replayInSteps } from '../../../src/wal/replay.ts'
import { WalFile } from '../../../src/wal/wal-file.ts'
import {
  appendFrame,
  bench,
  type FrameSpec,
  fileBytes,
  linkedEntries,
  NO_LINK,
  put,
  replay,
  setFile,
  writeWal,
} from './wal-support.ts'

function database(): FileSystem {
  const fs = memoryFileSystem()
  fs.makeDirectorySync('/db')
  return fs
}

const work = bench()

/** To 5 bytes in segment 3. */
const POINTER = Buffer.alloc(24)
writeValuePointer(POINTER, 0, { segment: 3, offset: 64, valueLength: 5, storedLength: 40 })

/** Five commits in five frames; the third has two records, the last spans three frames. */
const FRAMES: readonly FrameSpec[] = [
  { link: NO_LINK, records: [put(1, 'a', 'one')] },
  { records: [put(2, 'b', 'two'), put(3, 'c', 'three', false), put(3, 'd', 'drei')] },
  { records: [put(4, 'e', 'x'), put(5, 'f', 'y', false)], syncedOffset: 64, manifestEdit: 5 },
  { records: [put(5, 'g', 'z', false)], syncedOffset: 64 },
  { records: [put(5, 'h', 'w')], syncedOffset: 64 },
]

describe('replay', () => {
  test('brings back every record, link, version and the digest the writer kept', () => {
    const fs = database()
    const link = { number: 3, length: 999, lastVersion: 77, synced: false }
    const wal = writeWal(work, fs, 7, [{ ...FRAMES[0]!, link }, ...FRAMES.slice(1)])
    const result = replay(work, fs, wal)
    expect(result).toEqual({
      number: 7,
      fileLength: wal.length,
      cutAt: wal.length,
      syncedPastDamage: false,
      link,
      records: 8,
      largestEntry: 6,
      lastVersion: 5,
      manifestEdit: 5,
      syncedOffset: 64,
      digest: wal.digest,
    })
    expect(wal.lastVersion).toBe(5)
    expect(linkedEntries(work)).toEqual([
      'a@1=one',
      'b@2=two',
      'c@3=three',
      'd@3=drei',
      'e@4=x',
      'f@5=y',
      'g@5=z',
      'h@5=w',
    ])
  })

  test('in steps of any length gives the same', () => {
    const fs = database()
    const wal = writeWal(work, fs, 7, FRAMES)
    const atOnce = replay(work, fs, wal)
    const entries = linkedEntries(work)
    const { heap, kernels } = work
    const source = { fs, directory: '/db', number: 7, salt: wal.saltHex }
    for (const stepBytes of [1, 48, 100, 200, 10_000]) {
      const arena = { address: 1 << 20, length: replayArenaBytes(wal.length) }
      const memory = { heap, kernels, arena, cancelled: () => false }
      const steps = replayInSteps(source, memory, stepBytes)
      let pauses = 0
      let step = steps.next()
      for (; step.done !== true; step = steps.next()) pauses += 1
      expect(step.value).toEqual(atOnce)
      expect(linkedEntries(work)).toEqual(entries)
      // To read, and to link a frame at least.
      const most = Math.ceil(wal.length / stepBytes) - 1 + FRAMES.length
      expect(pauses).toBeLessThanOrEqual(most)
      expect(pauses > 0).toBe(stepBytes < wal.length)
    }
  })

  test('an empty WAL and reserved zeros are no damage worth a word', () => {
    const fs = database()
    const wal = writeWal(work, fs, 7, [])
    const empty = replay(work, fs, wal)
    expect(empty).toMatchObject({ cutAt: 64, records: 0, lastVersion: 0, digest: wal.digest })
    expect(empty).not.toHaveProperty('damage')
    setFile(fs, 7, Buffer.concat([fileBytes(fs, 7), Buffer.alloc(100_000)]))
    const padded = replay(work, fs, wal)
    expect(padded).toMatchObject({ cutAt: 64, fileLength: 100_064, syncedPastDamage: false })
    expect(padded.damage?.found).toBe('zeros to the end')
  })

  test('an empty key with an empty value is a record like any other', () => {
    const fs = database()
    const records = [put(1, '', ''), put(2, 'a', ''), put(3, '', 'v')]
    const wal = writeWal(work, fs, 7, [{ link: NO_LINK, records }])
    expect(replay(work, fs, wal)).toMatchObject({ records: 3, cutAt: wal.length })
    expect(linkedEntries(work)).toEqual(['@3=v', '@1=', 'a@2='])
  })

  test('every cut of the file gives a prefix of whole commits, never a part of one', () => {
    const fs = database()
    const wal = writeWal(work, fs, 7, FRAMES)
    const whole = fileBytes(fs, 7)
    const states = new Set<string>()
    for (let length = 0; length < whole.length; length += 1) {
      setFile(fs, 7, whole.subarray(0, length))
      if (length < 64) {
        expect(() => replay(work, fs, wal)).toThrow(CorruptionError)
        continue
      }
      const result = replay(work, fs, wal)
      const entries = linkedEntries(work)
      expect(entries.length).toBe(result.records)
      expect(result.cutAt).toBeLessThanOrEqual(length)
      expect(result.syncedPastDamage).toBe(false)
      expect(result.damage === undefined).toBe(result.cutAt === length)
      states.add(entries.join())
    }
    const third = 'a@1=one,b@2=two,c@3=three,d@3=drei'
    expect([...states]).toEqual(['', 'a@1=one', third, `${third},e@4=x`])
  })

  test('a flipped bit anywhere is refused, or cuts at its frame', () => {
    const fs = database()
    const wal = writeWal(work, fs, 7, FRAMES)
    const whole = fileBytes(fs, 7)
    for (let bit = 0; bit < whole.length * 8; bit += 1) {
      const bytes = Buffer.from(whole)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      setFile(fs, 7, bytes)
      if (bit < 64 * 8) {
        expect(() => replay(work, fs, wal)).toThrow(CorruptionError)
      } else {
        const result = replay(work, fs, wal)
        expect(result.cutAt).toBeLessThanOrEqual(bit >> 3)
        expect(result.damage?.offset).toBe(result.cutAt)
      }
    }
  })

  test('a later frame that knew the damaged bytes to be durable is found', () => {
    const fs = database()
    const wal = writeWal(work, fs, 7, FRAMES.slice(0, 2))
    const damagedAt = wal.length
    appendFrame(work, wal, { records: [put(5, 'x', 'y')] })
    const synced = wal.length
    appendFrame(work, wal, { records: [put(6, 'p', 'q')], syncedOffset: damagedAt })
    const unproven = fileBytes(fs, 7)
    unproven[damagedAt + 50]! ^= 1
    appendFrame(work, wal, { records: [put(7, 'r', 's')], syncedOffset: synced })
    const proven = fileBytes(fs, 7)
    proven[damagedAt + 50]! ^= 1
    setFile(fs, 7, unproven)
    expect(replay(work, fs, wal)).toMatchObject({ cutAt: damagedAt, syncedPastDamage: false })
    setFile(fs, 7, proven)
    expect(replay(work, fs, wal)).toMatchObject({ cutAt: damagedAt, syncedPastDamage: true })
  })

  test('a sealed file must be what was sealed; what lies behind is not read', () => {
    const fs = database()
    const wal = writeWal(work, fs, 7, FRAMES)
    const whole = fileBytes(fs, 7)
    const sealed = { length: wal.length, digest: wal.digest }
    expect(replay(work, fs, wal, sealed).records).toBe(8)
    setFile(fs, 7, Buffer.concat([whole, Buffer.from('rest of a failed write')]))
    expect(replay(work, fs, wal, sealed)).toMatchObject({ records: 8, cutAt: wal.length })
    for (let length = 0; length < whole.length; length += 1) {
      setFile(fs, 7, whole.subarray(0, length))
      expect(() => replay(work, fs, wal, sealed)).toThrow(CorruptionError)
    }
    for (let at = 0; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 0x10
      setFile(fs, 7, bytes)
      expect(() => replay(work, fs, wal, sealed)).toThrow(CorruptionError)
    }
    setFile(fs, 7, whole)
    const other = { length: wal.length, digest: '0000000000000001' }
    expect(() => replay(work, fs, wal, other)).toThrow(/digest/)
  })

  test('a copy under another number, or of another salt, is refused', () => {
    const fs = database()
    const wal = writeWal(work, fs, 7, FRAMES)
    setFile(fs, 8, fileBytes(fs, 7))
    expect(() => replay(work, fs, { number: 8, saltHex: wal.saltHex })).toThrow(/file number 8/)
    expect(() => replay(work, fs, { number: 7, saltHex: '00'.repeat(8) })).toThrow(/salt/)
  })

  test('frames that verify but contradict the format are refused, not cut', () => {
    const refused = (frames: readonly FrameSpec[], reason: RegExp): void => {
      const fs = database()
      const wal = writeWal(work, fs, 7, frames)
      expect(() => replay(work, fs, wal)).toThrow(reason)
    }
    refused([{ records: [put(1, 'a', 'b')] }], /a link in the first frame/)
    refused([FRAMES[0]!, FRAMES[0]!], /a link in the first frame/)
    refused([FRAMES[0]!, { ...FRAMES[1]!, recordCount: 2 }], /2 records in the frame/)
    refused([FRAMES[1]!, FRAMES[1]!], /link/)
    const open = put(5, 'a', 'b', false)
    refused(
      [{ link: NO_LINK, records: [open] }, { records: [put(6, 'b', 'c')] }],
      /until its commit/,
    )
    refused([{ link: NO_LINK, records: [put(5, 'a', 'b'), put(4, 'b', 'c')] }], /not below 5/)
    refused([{ link: NO_LINK, records: [put(0, 'a', 'b')] }], /a version from 1/)
    const pointing = (value: Buffer): LogRecord => ({ ...put(5, 'a', ''), kind: 'pointer', value })
    for (const value of [Buffer.alloc(0), Buffer.alloc(24), POINTER.subarray(0, 23)]) {
      refused([{ link: NO_LINK, records: [pointing(value)] }], /a value pointer/)
    }
    const fs = database()
    const wal = writeWal(work, fs, 7, [{ link: NO_LINK, records: [pointing(POINTER)] }])
    expect(replay(work, fs, wal).records).toBe(1)
  })

  test('20,000 mutated files are replayed or refused, whatever bytes they hold', () => {
    const fs = database()
    const wal = writeWal(work, fs, 7, FRAMES)
    const whole = fileBytes(fs, 7)
    let state = 4242
    const next = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = Buffer.from(whole.subarray(0, whole.length - next(16)))
      for (let flips = 1 + next(4); flips > 0; flips -= 1) {
        bytes[64 + next(bytes.length - 64)] = next(256)
      }
      // Half of the time the first frame's checksum is repaired, so that the contents are judged
      // too.
      if (next(2) === 0) repairFirstFrame(bytes, wal)
      setFile(fs, 7, bytes)
      try {
        replay(work, fs, wal)
      } catch (error) {
        if (!(error instanceof CorruptionError)) throw error
      }
    }
  })
})

function repairFirstFrame(bytes: Buffer, wal: WalFile): void {
  const length = Math.min(bytes.readUInt32LE(76), bytes.length - 64 - FRAME_HEADER_BYTES)
  const { heap, kernels } = work
  const at = 8192
  heap.bytes.set(bytes.subarray(64, 64 + FRAME_HEADER_BYTES + length), at)
  heap.bytes.set(wal.salt, 64)
  kernels.checksum(at + 8, 40 + length, 64, wal.number, 64, at)
  heap.bytes.copy(bytes, 64, at, at + 8)
}

describe('WalFile', () => {
  test('a file without frames passes its own link on', () => {
    const fs = database()
    const first = writeWal(work, fs, 7, FRAMES)
    const second = WalFile.create(fs, '/db', 8, Buffer.alloc(8, 1))
    const third = WalFile.create(fs, '/db', 9, Buffer.alloc(8, 2))
    const link = second.linkFor(first, true)
    expect(link).toEqual({ number: 7, length: first.length, lastVersion: 5, synced: true })
    expect(third.linkFor(second, false)).toEqual(link)
  })

  test('a frame sealed and not appended leaves no trace', () => {
    const fs = database()
    const wal = writeWal(work, fs, 7, FRAMES.slice(0, 1))
    const { length, digest } = wal
    const { heap, kernels } = work
    wal.sealFrame({ kernels, heap, scratch: 64 }, 4096, LINK_BYTES, {
      syncedOffset: 0,
      manifestEdit: 0,
      lastVersion: 9,
      recordCount: 1,
      flags: 0,
    })
    expect({ length: wal.length, digest: wal.digest, last: wal.lastVersion }).toEqual({
      length,
      digest,
      last: 1,
    })
    appendFrame(work, wal, FRAMES[1]!)
    expect(replay(work, fs, wal)).toMatchObject({ cutAt: wal.length, digest: wal.digest })
  })
})

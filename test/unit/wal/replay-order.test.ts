import { describe, expect, test } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import type { ReplayedWal } from '../../../src/wal/replay.ts'
import { type NamedWal, planReplay, type ReplayEvidence } from '../../../src/wal/replay-order.ts'
import { inspectUnnamedWal } from '../../../src/wal/unnamed-wal.ts'
import { WalFile } from '../../../src/wal/wal-file.ts'
import { bench, fileBytes, NO_LINK, put, replay, setFile, writeWal } from './wal-support.ts'

const link = (
  number: number,
  length: number,
  lastVersion: number,
  synced = false,
): NonNullable<ReplayedWal['link']> => ({ number, length, lastVersion, synced })

function wal(number: number, changes: Partial<ReplayedWal> = {}): ReplayedWal {
  return {
    number,
    fileLength: 1000,
    cutAt: 1000,
    syncedPastDamage: false,
    records: 5,
    largestEntry: 20,
    lastVersion: number * 10,
    manifestEdit: 3,
    syncedOffset: 0,
    digest: '0'.repeat(16),
    ...changes,
  }
}

const TORN = { offset: 600, expected: 'a frame', found: 'something else' }
const lost = { cutAt: 64, records: 0, lastVersion: 0, fileLength: 64 }

function evidence(
  wals: readonly ReplayedWal[],
  more: Partial<ReplayEvidence> = {},
): ReplayEvidence {
  return {
    directory: '/db',
    named: wals.map(({ number }) => ({ number })),
    replayed: new Map(wals.map((each) => [each.number, each])),
    unnamed: [],
    lastEdit: 9,
    nextFileNumber: 100,
    ...more,
  }
}

/** Three WALs, linked, after one that was flushed and dropped. */
function chain(synced = false): ReplayedWal[] {
  return [
    wal(4, { link: link(3, 500, 30, true) }),
    wal(6, { link: link(4, 1000, 40, synced) }),
    wal(8, { link: link(6, 1000, 60, synced) }),
  ]
}

const summary = (input: ReplayEvidence): object => {
  const { kept, discarded, orphans, predecessor, lastVersion, tornTails } = planReplay(input)
  const end = predecessor === undefined ? undefined : `${predecessor.number}:${predecessor.length}`
  return { kept: kept.map(({ number }) => number), discarded, orphans, end, lastVersion, tornTails }
}

describe('which WALs count', () => {
  test('a whole chain counts, in order', () => {
    expect(summary(evidence(chain()))).toEqual({
      kept: [4, 6, 8],
      discarded: [],
      orphans: [],
      end: '8:1000',
      lastVersion: 80,
      tornTails: 0,
    })
    expect(summary(evidence([]))).toMatchObject({ kept: [], lastVersion: 0 })
    expect(summary(evidence([wal(1, { link: NO_LINK })]))).toMatchObject({ kept: [1] })
  })

  test('a torn tail of the last WAL is cut and counted; reserved zeros are not', () => {
    const [a, b, c] = chain()
    const torn = { ...c!, cutAt: 600, lastVersion: 77, damage: TORN }
    expect(summary(evidence([a!, b!, torn]))).toMatchObject({ end: '8:600', tornTails: 1 })
    const zeros = { ...torn, damage: { ...TORN, found: 'zeros to the end' } }
    expect(summary(evidence([a!, b!, zeros]))).toMatchObject({ end: '8:600', tornTails: 0 })
  })

  test('an unsynced tail lost in the middle takes all later WALs with it', () => {
    const [a, b, c] = chain()
    const cut = { ...a!, cutAt: 600, lastVersion: 38, damage: TORN }
    expect(summary(evidence([cut, b!, c!]))).toMatchObject({
      kept: [4],
      discarded: [6, 8],
      end: '4:600',
      lastVersion: 80,
      tornTails: 1,
    })
  })

  test('a WAL that lost all its frames breaks the chain; one that never had any does not', () => {
    const [a, , c] = chain()
    expect(summary(evidence([a!, wal(6, lost), c!]))).toMatchObject({
      kept: [4, 6],
      discarded: [8],
    })
    const skips = { ...c!, link: link(4, 1000, 40) }
    expect(summary(evidence([a!, wal(6, lost), skips]))).toMatchObject({ kept: [4, 6, 8] })
    expect(summary(evidence([a!, wal(6, lost)]))).toMatchObject({ end: '4:1000' })
  })

  test('garbage behind a linked end is a failed write, no loss', () => {
    const [a, b, c] = chain()
    const tail = { ...a!, fileLength: 1500, damage: { ...TORN, offset: 1000 } }
    expect(summary(evidence([tail, b!, c!]))).toMatchObject({ kept: [4, 6, 8] })
  })
})

describe('what is refused', () => {
  const refuses = (input: ReplayEvidence, reason: RegExp): void => {
    expect(() => planReplay(input)).toThrow(CorruptionError)
    expect(() => planReplay(input)).toThrow(reason)
  }

  test('a named WAL without a file, each of them', () => {
    for (const number of [4, 6, 8]) {
      const input = evidence(chain())
      const replayed = new Map(input.replayed)
      replayed.delete(number)
      refuses({ ...input, replayed }, /no such file/)
    }
  })

  test('a synced predecessor that is shorter, or not there at all', () => {
    const [a, b, c] = chain(true)
    const cut = { ...a!, cutAt: 600, lastVersion: 38, damage: TORN }
    refuses(evidence([cut, b!, c!]), /1000 bytes up to version 40/)
    refuses(evidence([a!, wal(6, lost), c!]), /which WAL 8 follows/)
  })

  test('a sealed predecessor that a link contradicts, and a seal replay contradicts', () => {
    const [a, b] = chain()
    const cut = { ...a!, cutAt: 600, lastVersion: 38 }
    const sealed = (lastVersion: number): readonly NamedWal[] => [
      { number: 4, sealed: { length: 600, lastVersion } },
      { number: 6 },
    ]
    refuses(evidence([cut, b!], { named: sealed(38) }), /which WAL 6 follows/)
    refuses(evidence([cut, b!], { named: sealed(39) }), /last version 39/)
  })

  test('a later WAL that was durable itself is not thrown away', () => {
    const [a, b, c] = chain()
    const cut = { ...a!, cutAt: 600, lastVersion: 38, damage: TORN }
    refuses(evidence([cut, { ...b!, syncedOffset: 300 }, c!]), /made durable/)
    refuses(evidence([cut, b!, { ...c!, syncedOffset: 300 }]), /made durable/)
  })

  test('damage that a later frame of the file knew to be durable', () => {
    const [a, b, c] = chain()
    refuses(evidence([a!, b!, { ...c!, damage: TORN, syncedPastDamage: true }]), /durable/)
  })

  test('links that go nowhere, backwards, or past the end', () => {
    const [a, b, c] = chain()
    refuses(evidence([a!, { ...b!, link: link(5, 9, 9) }, c!]), /follows/)
    refuses(evidence([a!, b!, { ...c!, link: link(4, 1000, 40) }]), /follows/)
    refuses(evidence([{ ...a!, link: link(8, 1000, 80) }, b!, c!]), /follows/)
    refuses(evidence([a!, { ...b!, link: link(4, 900, 40) }, c!]), /follows/)
    refuses(evidence([a!, { ...b!, link: link(4, 1000, 39) }, c!]), /follows/)
    refuses(evidence([a!, { ...b!, link: NO_LINK }, c!]), /follows/)
  })

  test('a manifest older than a frame says', () => {
    const [a, b, c] = chain()
    refuses(evidence([a!, b!, { ...c!, manifestEdit: 10 }]), /older copy/)
    refuses(evidence([a!], { unnamed: [{ number: 7, firstFrameEdit: 10 }] }), /older copy/)
    refuses(evidence([a!], { unnamed: [{ number: 100, firstFrameEdit: 3 }] }), /older copy/)
  })
})

describe('unnamed WAL files', () => {
  const work = bench(64)
  const database = (): FileSystem => {
    const fs = memoryFileSystem()
    fs.makeDirectorySync('/db')
    return fs
  }

  test('leftovers are orphans: never used, or dropped before their removal', () => {
    const input = { unnamed: [{ number: 100 }, { number: 5, firstFrameEdit: 9 }] }
    expect(summary(evidence(chain(), input))).toMatchObject({ orphans: [100, 5] })
  })

  test('a frame is found, whatever the birth was cut at', () => {
    const fs = database()
    const frame = { link: NO_LINK, records: [put(1, 'key', 'value')], manifestEdit: 6 }
    writeWal(work, fs, 7, [frame])
    const whole = fileBytes(fs, 7)
    expect(inspectUnnamedWal(fs, '/db', 7)).toEqual({ number: 7, firstFrameEdit: 6 })
    for (let length = 0; length < whole.length; length += 1) {
      setFile(fs, 7, whole.subarray(0, length))
      expect(inspectUnnamedWal(fs, '/db', 7)).toEqual({ number: 7 })
    }
    for (let at = 0; at < whole.length; at += 1) {
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 0x40
      setFile(fs, 7, bytes)
      expect(inspectUnnamedWal(fs, '/db', 7)).toEqual({ number: 7 })
    }
    setFile(fs, 8, whole)
    expect(() => inspectUnnamedWal(fs, '/db', 8)).toThrow(/another name/)
  })

  test('real files: three WALs, every cut of the first two, sealed and unsealed', () => {
    const fs = database()
    const first = writeWal(work, fs, 2, [
      { link: NO_LINK, records: [put(1, 'a', '1')] },
      { records: [put(2, 'b', '2')] },
    ])
    const second = WalFile.create(fs, '/db', 3, Buffer.alloc(8, 5))
    const third = writeWal(work, fs, 4, [
      {
        link: second.linkFor(first, false),
        records: [put(3, 'c', '3')],
      },
    ])
    const whole = fileBytes(fs, 2)
    const outcomes = new Map<string, number>()
    for (let length = 64; length <= whole.length; length += 1) {
      setFile(fs, 2, whole.subarray(0, length))
      const wals = [first, second, third].map((each) => replay(work, fs, each))
      const { kept, discarded } = planReplay(evidence(wals))
      const text = `${kept.map((each) => `${each.number}:${each.cutAt}`)} - ${discarded}`
      outcomes.set(text, (outcomes.get(text) ?? 0) + 1)
    }
    const frame = 48 + 24
    expect([...outcomes]).toEqual([
      ['2:64,3:64 - 4', frame + 32],
      [`2:${64 + 32 + frame},3:64 - 4`, frame],
      [`2:${whole.length},3:64,4:${third.length} - `, 1],
    ])
  })
})

// Open files of segments: how many, whose they are, when they close, what waits for their users.
import { expect, it } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import { nodeFileSystem } from '../../../src/io/node-file-system.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'
import { SegmentsOnDisk } from './segments-on-disk.ts'

const value = (text: string) => [{ key: Buffer.from(text), value: Buffer.from(`${text}!`) }]

function filled(count: number, filesMax: number): SegmentsOnDisk {
  const disk = new SegmentsOnDisk(filesMax)
  for (let i = 1; i <= count; i++) disk.write(value(`${i}`))
  return disk
}

function errorOf(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

it('no more files are open than may be, and the least recently used one goes first', () => {
  const disk = filled(10, 4)
  for (let round = 0; round < 3; round++) {
    for (let i = 1; i <= 10; i++) {
      disk.segments.get(i)
      disk.segments.get(1)
      expect(disk.segments.count).toBeLessThanOrEqual(4)
      expect(disk.open.size).toBe(disk.segments.count)
    }
  }
  const held = disk.segments.get(1)
  expect(disk.segments.get(1)).toBe(held)
  disk.reads.length = 0
  disk.segments.get(10)
  expect(disk.reads).toEqual([])
  disk.segments.closeAll()
  expect(disk.open.size).toBe(0)
})

it('one in use stays open, however many others are wanted, and one beside it is still opened', () => {
  const disk = filled(6, 2)
  const held = [1, 2, 3].map((number) => disk.segments.acquire(number))
  for (let i = 4; i <= 6; i++) disk.segments.get(i)
  expect(held.map(({ number }) => disk.segments.get(number))).toEqual(held)
  disk.segments.closeIdle()
  expect(disk.open.size).toBe(3)
  for (const segment of held) disk.segments.release(segment)
  disk.segments.closeAll()
  expect(disk.open.size).toBe(0)
})

it('what follows a retired segment waits for its last user', () => {
  const disk = filled(2, 4)
  const gone: number[] = []
  const first = disk.segments.acquire(1)
  disk.segments.acquire(1)
  disk.segments.retire(1, () => gone.push(1))
  disk.segments.retire(2, () => gone.push(2))
  expect(gone).toEqual([2])
  disk.segments.release(first)
  expect(gone).toEqual([2])
  expect([...disk.open].map(({ path }) => path.slice(-11))).toEqual(['000001.vlog'])
  disk.segments.release(first)
  expect(gone).toEqual([2, 1])
  expect(disk.open.size).toBe(0)
})

it('a process without descriptors gets those of idle segments, and of others', () => {
  const disk = filled(3, 64)
  disk.segments.get(1)
  const { openSync } = disk.fs
  let refusals = 1
  Object.assign(disk.fs, {
    openSync: (...given: Parameters<typeof openSync>) => {
      if (refusals-- > 0) throw Object.assign(new Error('no descriptor'), { code: 'EMFILE' })
      return openSync(...given)
    },
  })
  expect(disk.segments.get(2).number).toBe(2)
  expect(disk.open.size).toBe(1)
  expect(disk.closedOthers).toBe(1)
  const held = disk.segments.acquire(2)
  refusals = 2
  expect(errorOf(() => disk.segments.get(3))).toMatchObject({ code: 'EMFILE' })
  disk.segments.release(held)
})

it('a file that is missing, short, long, another one, or damaged at its ends is refused, and not left open', () => {
  const disk = filled(2, 4)
  const good = disk.bytes(1)
  const other = disk.bytes(2)
  const flipped = (at: number): Buffer => {
    const bytes = Buffer.from(good)
    bytes[at < 0 ? bytes.length + at : at]! ^= 1
    return bytes
  }
  const ends = [0, 8, 12, 16, 24, 40, 56, -128, -120, -64, -56, -40, -30, -16, -1]
  const bad = [good.subarray(0, -1), Buffer.concat([good, good]), other, Buffer.alloc(0)]
  for (const bytes of [...bad, ...ends.map(flipped)]) {
    disk.put(1, Buffer.from(bytes))
    const error = errorOf(() => disk.segments.get(1))
    expect(error).toBeInstanceOf(CorruptionError)
    expect((error as CorruptionError).file.endsWith('000001.vlog')).toBe(true)
    expect(disk.open.size).toBe(0)
  }
  disk.fs.removeSync('/db/000001.vlog')
  expect(errorOf(() => disk.segments.get(1))).toMatchObject({ found: 'no file' })
  expect(errorOf(() => disk.segments.get(9))).toMatchObject({ found: 'a pointer to another' })
  disk.put(1, good)
  expect(disk.segments.get(1).valuesEnd).toBe(good.length - 128)
})

it('values are read from real files', async () => {
  const disk = new SegmentsOnDisk(4, nodeFileSystem, temporaryDirectory())
  const values = [...value('one'), { key: Buffer.from('two'), value: Buffer.alloc(1_200_000, 7) }]
  const wanted = disk.write(values)
  for (const [i, each] of wanted.entries()) {
    expect(disk.read(each).equals(values[i]!.value)).toBe(true)
    expect((await disk.readAsync(each)).equals(values[i]!.value)).toBe(true)
  }
  disk.segments.closeAll()
})

// Logs with lengths, counts, versions, links and records nobody would write, in frames that verify: replayed into an
// arena with guards around it, surveyed, counted, and looked at as a file the manifest does not name.
import { CorruptionError } from '../../../src/base/errors.ts'
import { checksum } from '../../../src/format/checksum.ts'
import { encodeFileHeader } from '../../../src/format/file-header.ts'
import { encodeRecord } from '../../../src/format/record.ts'
import { FRAME_MAGIC } from '../../../src/format/wal-frame.ts'
import { DESC_SIZE } from '../../../src/kernel/layout.ts'
import { countRecords } from '../../../src/wal/record-count.ts'
import { type ReplayedWal, replayArenaBytes, replayWal } from '../../../src/wal/replay.ts'
import { inspectUnnamedWal } from '../../../src/wal/unnamed-wal.ts'
import { surveyWal } from '../../../src/wal/wal-survey.ts'
import type { Prng } from '../../model/prng.ts'
import { imageFileSystem } from '../damage/image-file-system.ts'
import { type Decoder, demand } from './decoder.ts'
import { GuardedMemory } from './guarded-memory.ts'
import { type Field, mutate, randomBytes, u32s, u64s } from './mutation.ts'

const DIRECTORY = '/db'
const NUMBER = 7
const PATH = `${DIRECTORY}/000007.wal`
const SALT = Buffer.from('a1b2c3d4e5f60718', 'hex')
const HEADER = 64
const FRAME_HEADER = 48
const LINK = 32
const FRAMES_MOST = 5
const FILE_MOST = 8_192
const PAGE = 64

const RECORD: readonly Field[] = [
  { at: 0, size: 4 },
  { at: 4, size: 2 },
  { at: 6, size: 1 },
  { at: 7, size: 1 },
  ...u64s(8, 2),
]
const FRAME: readonly Field[] = [...u32s(12, 1), ...u64s(16, 3), ...u32s(40, 2)]

function makeFrame(random: Prng, first: boolean, version: { next: number }): Buffer {
  const records: Buffer[] = []
  const count = 1 + random.below(5)
  for (let i = 0; i < count; i++) {
    const commitEnd = i === count - 1 || random.chance(0.5)
    const record = encodeRecord({
      kind: random.chance(0.8) ? 'put' : 'delete',
      key: Buffer.from(`key ${random.below(30)}`),
      value: randomBytes(random, random.below(80)),
      version: version.next,
      expiresAt: random.chance(0.1) ? 1 + random.u32() : 0,
      meta: 0,
      commitEnd,
    })
    if (commitEnd) version.next += 1
    if (random.chance(0.06)) mutate(record, RECORD, random)
    records.push(record)
  }
  const link = Buffer.alloc(first ? LINK : 0)
  if (first && random.chance(0.1)) mutate(link, u64s(0, 4), random)
  const payload = Buffer.concat([link, ...records])
  const header = Buffer.alloc(FRAME_HEADER)
  header.writeUInt32LE(FRAME_MAGIC, 8)
  header.writeUInt32LE(payload.length, 12)
  header.writeBigUInt64LE(BigInt(random.below(3) === 0 ? 64 : 0), 16)
  header.writeBigUInt64LE(1n, 24)
  header.writeBigUInt64LE(BigInt(version.next - 1), 32)
  header.writeUInt32LE(count, 40)
  header.writeUInt32LE(first ? 1 : 0, 44)
  if (random.chance(0.12)) mutate(header, FRAME, random)
  return Buffer.concat([header, payload])
}

/** The checksum covers what the header claims, as far as it is there. */
function seal(file: Buffer, at: number): void {
  const claimed = file.readUInt32LE(at + 12)
  const end = Math.min(file.length, at + FRAME_HEADER + claimed)
  const place = { salt: SALT, fileNumber: NUMBER, position: at }
  file.writeBigUInt64LE(checksum(file.subarray(at + 8, end), place), at)
}

function makeLog(random: Prng): Buffer {
  const header = encodeFileHeader({ kind: 'wal', number: NUMBER, salt: SALT, parameter: 0 })
  const version = { next: 1 + random.below(100) }
  const frames: Buffer[] = []
  for (let i = random.below(FRAMES_MOST + 1); i > 0; i--) {
    frames.push(makeFrame(random, frames.length === 0, version))
  }
  if (frames.length > 1 && random.chance(0.1)) frames.reverse()
  if (random.chance(0.15)) frames.push(randomBytes(random, random.below(200)))
  if (random.chance(0.15)) frames.push(Buffer.alloc(random.below(200)))
  const file = Buffer.concat([header, ...frames])
  let at = HEADER
  for (const frame of frames) {
    if (frame.length >= FRAME_HEADER && frame.readUInt32LE(8) === FRAME_MAGIC) seal(file, at)
    at += frame.length
  }
  if (random.chance(0.1)) file[random.below(file.length)]! ^= 1 << random.below(8)
  return random.chance(0.1) ? file.subarray(0, random.below(file.length)) : file
}

export function logDecoder(): Decoder {
  const memory = new GuardedMemory(4)
  const arena = { address: 0, length: replayArenaBytes(FILE_MOST) }
  arena.address = memory.take(arena.length)
  const page = memory.take(DESC_SIZE * PAGE)
  const files = new Map<string, Buffer>()
  const fs = imageFileSystem(files)
  const place = { fs, directory: DIRECTORY, number: NUMBER }
  return {
    name: 'log (replay, survey)',
    share: 4,
    run(random) {
      const log = makeLog(random)
      files.set(PATH, log)
      const survey = surveyWal({ fs, path: PATH, number: NUMBER, salt: SALT.toString('hex') })
      const counted = countRecords(fs, PATH, log.length)
      inspectUnnamedWal(fs, DIRECTORY, NUMBER)
      memory.fill(0xa5)
      let replayed: ReplayedWal
      try {
        const source = { ...place, salt: SALT.toString('hex') }
        const { heap, kernels } = memory
        replayed = replayWal(source, { heap, kernels, arena, cancelled: () => false })
      } finally {
        memory.check()
      }
      demand(survey.headerDamage === undefined, 'survey and replay agree about the header')
      demand(survey.cutAt === replayed.cutAt, 'survey and replay agree where the log ends')
      demand(replayed.records <= counted, 'no more records than were counted')
      demand(survey.digest === replayed.digest, 'survey and replay agree about the digest')
      requireSealed(log, replayed)
      requireEntries(memory, arena.address, page, replayed.records)
      return replayed.damage === undefined
    },
  }

  /** Sealed at its cut it is taken again, with another digest it is not. */
  function requireSealed(log: Buffer, { cutAt, digest }: ReplayedWal): void {
    const { heap, kernels } = memory
    const again = (length: number, wanted: string): boolean => {
      const source = { ...place, salt: SALT.toString('hex'), sealed: { length, digest: wanted } }
      try {
        replayWal(source, { heap, kernels, arena, cancelled: () => false })
        return true
      } catch (error) {
        if (error instanceof CorruptionError) return false
        throw error
      }
    }
    demand(log.length >= cutAt, 'a log is cut inside')
    demand(!again(cutAt, 'f'.repeat(16)), 'another digest is refused')
    demand(!again(log.length + 8, digest), 'a seal behind the end is refused')
    demand(again(cutAt, digest), 'what was found is sealed')
  }
}

/** The memtable holds at most that many entries, in order, and ends. */
function requireEntries(memory: GuardedMemory, arena: number, page: number, records: number): void {
  const { kernels } = memory
  for (const reverse of [0, 1]) {
    const count = kernels.memtablePage(arena, 0, 0, 0, 0, reverse, page, PAGE)
    demand(count <= Math.min(PAGE, records), 'no more entries than records')
  }
}

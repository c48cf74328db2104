// Reads a WAL back into a memtable arena (FORMAT §5), on any thread. The file lies in the arena as
// it is on disk, so its records are linked in place. Invariant: only records of whole commits, in
// frames that verify and follow each other without a gap, are ever linked.

import { assert } from '../base/assert.ts'
import { alignUp } from '../base/bytes.ts'
import { CorruptionError, SettError } from '../base/errors.ts'
import { checksumSeed } from '../format/checksum.ts'
import { decodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import {
  FRAME_CHECKED,
  FRAME_HAS_LINK,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FrameHeader,
  LINK_BYTES,
  RECORD_BYTES_MIN,
  readFrameHeader,
  readLink,
  type WalLink,
} from '../format/wal-frame.ts'
import { walPath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { Kernels } from '../kernel/kernels.ts'
import { ARENA_HEADER, LINK_RESERVE, LINK_RESERVE_PER_RECORD } from '../kernel/layout.ts'
import type { Region, SharedHeap } from '../memory/shared-heap.ts'
import { RecordWalk } from './record-walk.ts'

const ARENA_BYTES_MIN = 65_536
/**
 * The salt is read by the kernel where the header lies; the header's own checksum makes room for
 * the digest.
 */
const SALT_AT = 24
const DIGEST_AT = 56
/**
 * Bytes checksummed in the search behind damage, as a multiple of what is searched, before it gives
 * up.
 */
const SEARCH_EFFORT = 8
/** `found` of a damage that is only space a writer reserved, or a file system never filled. */
export const ZERO_TAIL = 'zeros to the end'

export interface WalSource {
  readonly fs: FileSystem
  readonly directory: string
  readonly number: number
  /** 16 hex digits, from the manifest. */
  readonly salt: string
  readonly sealed?: { readonly length: number; readonly digest: string }
}

export interface ReplayMemory {
  readonly kernels: Kernels
  readonly heap: SharedHeap
  /** At least replayArenaBytes(file length, or more exactly). */
  readonly arena: Region
  readonly cancelled: () => boolean
}

export interface Damage {
  readonly offset: number
  readonly expected: string
  readonly found: string
}

/** What replay found in one WAL. */
export interface ReplayedWal {
  readonly number: number
  readonly fileLength: number
  /** End of the last frame of the unbroken run from the start. */
  readonly cutAt: number
  /** Why the file ended before its length, or undefined when all of it parsed. */
  readonly damage?: Damage
  /** A later frame of this file, past the damage, whose synced offset lies beyond it. */
  readonly syncedPastDamage: boolean
  readonly link?: WalLink
  /** Records linked: those of whole commits. */
  readonly records: number
  /** Longest key + value of its records. */
  readonly largestEntry: number
  /** Highest version any of its frames names. */
  readonly lastVersion: number
  /** Newest manifest edit a frame names. */
  readonly manifestEdit: number
  /** Highest synced offset a frame names. */
  readonly syncedOffset: number
  /** Rolling digest at cutAt, 16 hex digits. */
  readonly digest: string
}

/** A region length that suffices for every WAL of that length with so many records; by default however small
 * they are. */
export function replayArenaBytes(
  fileLength: number,
  records: number = Math.ceil(fileLength / RECORD_BYTES_MIN),
): number {
  const nodes = 2 * LINK_RESERVE + LINK_RESERVE_PER_RECORD * records
  return Math.max(ARENA_BYTES_MIN, alignUp(ARENA_HEADER + fileLength + nodes, 64))
}

/** Address behind the last record of an arena that replay filled. */
export function replayRecordsEnd(arena: Region, replayed: ReplayedWal): number {
  return arena.address + ARENA_HEADER + replayed.cutAt
}

export function replayWal(source: WalSource, memory: ReplayMemory): ReplayedWal {
  const steps = replayInSteps(source, memory, Number.POSITIVE_INFINITY)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same in steps of about `stepBytes` of the file each, so that the thread can do other things in between. */
export function* replayInSteps(
  source: WalSource,
  memory: ReplayMemory,
  stepBytes: number,
): Generator<void, ReplayedWal> {
  const replay = new Replay(source, memory)
  yield* replay.load(stepBytes)
  return yield* replay.run(stepBytes)
}

class Replay {
  readonly #source: WalSource
  readonly #memory: ReplayMemory
  readonly #path: string
  /** Heap address of file offset 0. */
  readonly #base: number
  /** The part of the file that is read, as bytes. */
  #image: Buffer
  #fileLength = 0
  #at = FILE_HEADER_BYTES
  #records = 0
  #lastVersion = 0
  #manifestEdit = 0
  #syncedOffset = 0
  #link: WalLink | undefined
  /** Record runs of a commit whose end has not been seen: address pairs. */
  readonly #pending: number[] = []
  #pendingRecords = 0
  readonly #walk: RecordWalk

  constructor(source: WalSource, memory: ReplayMemory) {
    this.#source = source
    this.#memory = memory
    this.#path = walPath(source.directory, source.number)
    this.#base = memory.arena.address + ARENA_HEADER
    this.#image = memory.heap.bytes.subarray(0, 0)
    this.#walk = new RecordWalk(memory.heap.u32, this.#path, this.#base)
  }

  /** Reads the file into the arena, checks its header and prepares an empty memtable around it. */
  *load(stepBytes: number): Generator<void, void> {
    const { fs, number, salt, sealed } = this.#source
    const { heap, arena, kernels } = this.#memory
    const file = fs.openSync(this.#path, 'read')
    try {
      this.#fileLength = file.sizeSync()
      const wanted = Math.min(this.#fileLength, sealed?.length ?? this.#fileLength)
      assert(
        replayArenaBytes(wanted, 0) <= arena.length,
        `the arena is too small for ${this.#path}`,
      )
      const image = heap.bytes.subarray(this.#base, this.#base + wanted)
      for (let at = 0; at < wanted; at += stepBytes) {
        if (at > 0) yield
        const part = image.subarray(at, Math.min(wanted, at + stepBytes))
        const read = at + file.readSync(part, at)
        // A log that ends early would pass for one that a crash cut short.
        if (read < at + part.length) {
          this.#refuse(read, `${wanted} bytes`, `the end of the file after ${read}`)
        }
      }
      this.#image = image
    } finally {
      file.closeSync()
    }
    if (sealed !== undefined && this.#image.length < sealed.length) {
      this.#refuse(this.#image.length, `${sealed.length} sealed bytes`, `${this.#image.length}`)
    }
    const header = decodeFileHeader(this.#image, 'wal', this.#path)
    if (header.number !== number) this.#refuse(16, `file number ${number}`, `${header.number}`)
    const found = header.salt.toString('hex')
    if (found !== salt) this.#refuse(SALT_AT, `salt ${salt}, as the manifest has it`, found)
    const seed = checksumSeed({ salt: header.salt, fileNumber: number, position: 0 })
    this.#image.writeBigUInt64LE(seed, DIGEST_AT)
    kernels.memtableInit(arena.address, arena.address + arena.length)
  }

  *run(stepBytes: number): Generator<void, ReplayedWal> {
    let damage: Damage | undefined
    let pause = this.#at + stepBytes
    while (this.#at < this.#image.length && damage === undefined) {
      if (this.#at >= pause) {
        yield
        pause = this.#at + stepBytes
      }
      if (this.#memory.cancelled()) {
        throw new SettError('SETT_BUSY', 'Replay was cancelled. Open the database again.')
      }
      damage = this.#frame()
    }
    const digest = this.#image.readBigUInt64LE(DIGEST_AT).toString(16).padStart(16, '0')
    const { sealed } = this.#source
    if (sealed !== undefined) {
      if (damage !== undefined) this.#refuse(damage.offset, damage.expected, damage.found)
      if (digest !== sealed.digest) this.#refuse(this.#at, `digest ${sealed.digest}`, digest)
    }
    return {
      number: this.#source.number,
      fileLength: this.#fileLength,
      cutAt: this.#at,
      ...(damage === undefined ? {} : { damage }),
      syncedPastDamage: damage !== undefined && this.#searchBehind(damage),
      ...(this.#link === undefined ? {} : { link: this.#link }),
      records: this.#records,
      largestEntry: this.#walk.largestEntry,
      lastVersion: this.#lastVersion,
      manifestEdit: this.#manifestEdit,
      syncedOffset: this.#syncedOffset,
      digest,
    }
  }

  /** Takes the frame at #at, or says why there is none. */
  #frame(): Damage | undefined {
    const { kernels } = this.#memory
    const header = readFrameHeader(this.#image, this.#at, this.#image.length)
    if (header === undefined) return this.#noFrame()
    if (!this.#verifies(this.#at, header)) {
      return { offset: this.#at, expected: 'a frame that verifies', found: 'another checksum' }
    }
    const frame = this.#base + this.#at
    const first = (header.flags & FRAME_HAS_LINK) !== 0
    if (first !== (this.#at === FILE_HEADER_BYTES)) {
      this.#refuse(this.#at, 'a link in the first frame only', first ? 'one here' : 'none')
    }
    let records = frame + FRAME_HEADER_BYTES
    if (first) {
      const offset = this.#at + FRAME_HEADER_BYTES
      this.#link = readLink(this.#image, offset, { file: this.#path, offset })
      records += LINK_BYTES
    }
    this.#takeRecords(records, frame + FRAME_HEADER_BYTES + header.payloadLength, header)
    kernels.hash64(frame, 8, this.#base + DIGEST_AT, this.#base + DIGEST_AT)
    this.#lastVersion = Math.max(this.#lastVersion, header.lastVersion)
    this.#manifestEdit = Math.max(this.#manifestEdit, header.manifestEdit)
    this.#syncedOffset = Math.max(this.#syncedOffset, header.syncedOffset)
    this.#at += FRAME_HEADER_BYTES + header.payloadLength
    return undefined
  }

  /** Links what is whole by now; the rest waits for the end of its commit. */
  #takeRecords(first: number, end: number, header: FrameHeader): void {
    const walk = this.#walk
    walk.frame(first, end, header)
    if (walk.committedEnd > first) {
      for (let i = 0; i < this.#pending.length; i += 2) {
        this.#linkRun(this.#pending[i]!, this.#pending[i + 1]!)
      }
      this.#linkRun(first, walk.committedEnd)
      this.#records += this.#pendingRecords + walk.committedRecords
      this.#pending.length = 0
      this.#pendingRecords = 0
    }
    if (walk.committedEnd < end) {
      this.#pending.push(walk.committedEnd, end)
      this.#pendingRecords += header.recordCount - walk.committedRecords
    }
  }

  #linkRun(first: number, end: number): void {
    const linked = this.#memory.kernels.memtableLink(this.#memory.arena.address, first, end)
    assert(linked !== -1, `node space of replayArenaBytes suffices for ${this.#path}`)
    if (linked < 0) this.#refuse(first - this.#base, 'well-formed records', 'a malformed one')
  }

  #verifies(at: number, header: FrameHeader): boolean {
    const frame = this.#base + at
    const length = FRAME_HEADER_BYTES + header.payloadLength - FRAME_CHECKED
    const salt = this.#base + SALT_AT
    const { number } = this.#source
    const { kernels } = this.#memory
    return kernels.checksumMatches(frame + FRAME_CHECKED, length, salt, number, at, frame) === 1
  }

  #noFrame(): Damage {
    const rest = this.#image.subarray(this.#at)
    const found = isZero(rest) ? ZERO_TAIL : `${Math.min(rest.length, 16)} bytes that are none`
    return { offset: this.#at, expected: 'a frame', found }
  }

  /**
   * True when a frame behind the damage proves that the damaged bytes had been synced. Only
   * candidates that would prove it are checksummed; a file made to exhaust the search is treated as
   * proof, so it is refused and not cut.
   */
  #searchBehind(damage: Damage): boolean {
    if (damage.found === ZERO_TAIL) return false
    const image = this.#image
    const magic = Buffer.alloc(4)
    magic.writeUInt32LE(FRAME_MAGIC)
    let effort = SEARCH_EFFORT * (image.length - damage.offset)
    for (let hit = image.indexOf(magic, damage.offset); hit >= 0; ) {
      const at = hit - FRAME_CHECKED
      const header =
        at % 8 === 0 && at > damage.offset ? readFrameHeader(image, at, image.length) : undefined
      if (
        header !== undefined &&
        header.syncedOffset > damage.offset &&
        header.syncedOffset <= at
      ) {
        if (effort < 0 || this.#verifies(at, header)) return true
        effort -= header.payloadLength
      }
      hit = image.indexOf(magic, hit + 4)
    }
    return false
  }

  #refuse(offset: number, expected: string, found: string): never {
    throw new CorruptionError({ file: this.#path, offset, expected, found })
  }
}

function isZero(bytes: Buffer): boolean {
  const zeros = Buffer.alloc(Math.min(bytes.length, 65_536))
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const part = bytes.subarray(at, at + zeros.length)
    if (part.compare(zeros, 0, part.length) !== 0) return false
  }
  return true
}

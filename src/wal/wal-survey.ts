// Reads a WAL through without an arena: every frame, record and checksum, in a window of ordinary memory, and
// also what lies behind damage. Any thread, read only. It judges as replay does (FORMAT §5), so the results
// of both may stand beside each other; unlike replay it never refuses, it tells.

import { alignUp } from '../base/bytes.ts'
import { CorruptionError } from '../base/errors.ts'
import { MIB } from '../base/limits.ts'
import { hash64 } from '../base/xxh64.ts'
import { checksum, checksumSeed, hex64 } from '../format/checksum.ts'
import { decodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import {
  FRAME_CHECKED,
  FRAME_HAS_LINK,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FrameHeader,
  LINK_BYTES,
  readFrameHeader,
  readLink,
  type WalLink,
} from '../format/wal-frame.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { RecordWalk } from './record-walk.ts'
import { type Damage, type ReplayedWal, ZERO_TAIL } from './replay.ts'

export interface WalToSurvey {
  readonly fs: FileSystem
  readonly path: string
  /** The number its checksums are bound to. */
  readonly number: number
  /** 16 hex digits; undefined: as its header says. */
  readonly salt?: string | undefined
  /** Bytes that count; what lies behind is ignored. */
  readonly length?: number | undefined
}

export interface SurveyWatch {
  /** Records of whole commits, in order; the bytes are the survey's again after the call. */
  readonly records?: (run: Buffer, count: number) => void
  /** After each frame. */
  readonly read?: (bytes: number) => void
}

export interface SurveyedWal extends ReplayedWal {
  readonly salt: string
  /** The header was not whole; frames were verified with the salt given. */
  readonly headerDamage?: Damage
  /** Behind the last byte that is not zero, if it is damaged; else cutAt. What follows may have been written ahead of
   * frames that never came. */
  readonly contentEnd: number
  /** Frames behind the first damage that verify. */
  readonly framesBehind: number
  /** Gaps between frames that verify, the end of the file not among them. */
  readonly gaps: readonly { readonly offset: number; readonly length: number }[]
}

/** Bytes checksummed in searches behind damage, as a multiple of the file, before they are given up. */
const SEARCH_EFFORT = 8

export function surveyWal(wal: WalToSurvey, watch: SurveyWatch = {}): SurveyedWal {
  const file = wal.fs.openSync(wal.path, 'read')
  try {
    return new Survey(wal, watch, file).run()
  } finally {
    file.closeSync()
  }
}

/** A part of the file in memory, at 8-aligned addresses. */
class Window {
  readonly #file: OpenFile
  readonly #end: number
  #bytes: Buffer
  #start = 0
  #filled = 0

  constructor(file: OpenFile, end: number) {
    this.#file = file
    this.#end = end
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(MIB, Math.max(64, alignUp(end, 8))))
  }

  /** The bytes of [offset, offset + length) as far as they exist; `offset` is a multiple of 8. */
  at(offset: number, length: number): Buffer {
    const wanted = Math.max(0, Math.min(length, this.#end - offset))
    if (offset < this.#start || offset + wanted > this.#start + this.#filled) {
      this.#load(offset, wanted)
    }
    const from = offset - this.#start
    return this.#bytes.subarray(from, Math.min(from + wanted, this.#filled))
  }

  #load(offset: number, length: number): void {
    if (length > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(alignUp(length, 8))
    this.#start = offset
    const most = Math.min(this.#bytes.length, this.#end - offset)
    this.#filled = this.#file.readSync(this.#bytes.subarray(0, most), offset)
  }
}

class Survey {
  readonly #wal: WalToSurvey
  readonly #watch: SurveyWatch
  readonly #window: Window
  readonly #fileLength: number
  readonly #end: number
  readonly #walk: RecordWalk
  #salt: Buffer = Buffer.alloc(8)
  #headerDamage: Damage | undefined
  #digest: Buffer = Buffer.alloc(8)
  #link: WalLink | undefined
  #records = 0
  #lastVersion = 0
  #manifestEdit = 0
  #syncedOffset = 0
  #effort: number
  /** Of a commit whose end has not been seen. */
  #pending: { readonly run: Buffer; readonly count: number }[] = []

  constructor(wal: WalToSurvey, watch: SurveyWatch, file: OpenFile) {
    this.#wal = wal
    this.#watch = watch
    this.#fileLength = file.sizeSync()
    this.#end = Math.min(this.#fileLength, wal.length ?? this.#fileLength)
    this.#window = new Window(file, this.#end)
    this.#walk = new RecordWalk(new Uint32Array(0), wal.path, 0)
    this.#effort = SEARCH_EFFORT * this.#end
  }

  run(): SurveyedWal {
    this.#readHeader()
    const { number } = this.#wal
    const seed = { salt: this.#salt, fileNumber: number, position: 0 }
    this.#digest.writeBigUInt64LE(checksumSeed(seed))
    let at = FILE_HEADER_BYTES
    let damage: Damage | undefined
    for (; at < this.#end; ) {
      const next = this.#frame(at)
      if (typeof next !== 'number') {
        damage = next
        break
      }
      at = next
    }
    const cutAt = Math.min(at, Math.max(this.#end, FILE_HEADER_BYTES))
    const front = {
      number,
      fileLength: this.#fileLength,
      cutAt,
      ...(damage === undefined ? {} : { damage }),
      ...(this.#link === undefined ? {} : { link: this.#link }),
      manifestEdit: this.#manifestEdit,
      syncedOffset: this.#syncedOffset,
      digest: hex64(this.#digest.readBigUInt64LE()),
    }
    const lastVersion = this.#lastVersion
    const behind = damage === undefined ? NOTHING_BEHIND : this.#goOnBehind(damage)
    return {
      ...front,
      ...behind,
      salt: this.#salt.toString('hex'),
      ...(this.#headerDamage === undefined ? {} : { headerDamage: this.#headerDamage }),
      contentEnd: damage === undefined ? cutAt : this.#contentEnd(cutAt),
      lastVersion: this.#watch.records === undefined ? lastVersion : this.#lastVersion,
      records: this.#records,
      largestEntry: this.#walk.largestEntry,
    }
  }

  #readHeader(): void {
    const { path, number, salt } = this.#wal
    const bytes = this.#window.at(0, FILE_HEADER_BYTES)
    if (bytes.length === FILE_HEADER_BYTES) bytes.copy(this.#salt, 0, 24, 32)
    try {
      const header = decodeFileHeader(bytes, 'wal', path)
      if (header.number !== number) {
        this.#headerDamage = headerDamage(16, `file number ${number}`, `${header.number}`)
      }
      if (salt !== undefined && header.salt.toString('hex') !== salt) {
        this.#headerDamage = headerDamage(24, "the manifest's salt", 'another')
      }
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      this.#headerDamage = headerDamage(error.offset, error.expected, error.found)
    }
    if (salt !== undefined) this.#salt = Buffer.from(salt, 'hex')
  }

  /** Takes the frame at `at` and returns where it ends, or says why there is none. */
  #frame(at: number): number | Damage {
    const header = readFrameHeader(this.#window.at(at, FRAME_HEADER_BYTES), 0, this.#end - at)
    if (header === undefined) return this.#noFrame(at)
    const frame = this.#window.at(at, FRAME_HEADER_BYTES + header.payloadLength)
    if (!this.#verifies(frame, at)) {
      return { offset: at, expected: 'a frame that verifies', found: 'another checksum' }
    }
    try {
      this.#take(frame, at, header)
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      this.#dropOpenCommit()
      return { offset: error.offset, expected: error.expected, found: error.found }
    }
    this.#watch.read?.(frame.length)
    return at + frame.length
  }

  #verifies(frame: Buffer, position: number): boolean {
    if (frame.length < FRAME_HEADER_BYTES) return false
    const place = { salt: this.#salt, fileNumber: this.#wal.number, position }
    return checksum(frame.subarray(FRAME_CHECKED), place) === frame.readBigUInt64LE(0)
  }

  #take(frame: Buffer, at: number, header: FrameHeader): void {
    const linked = (header.flags & FRAME_HAS_LINK) !== 0
    if (linked !== (at === FILE_HEADER_BYTES)) {
      const expected = 'a link in the first frame only'
      const found = linked ? 'one here' : 'none'
      throw new CorruptionError({ file: this.#wal.path, offset: at, expected, found })
    }
    let first = FRAME_HEADER_BYTES
    if (linked) {
      this.#link = readLink(frame, first, { file: this.#wal.path, offset: at + first })
      first += LINK_BYTES
    }
    const words = new Uint32Array(frame.buffer, frame.byteOffset, frame.length >>> 2)
    const walk = this.#walk
    walk.moveTo(words, -at)
    walk.frame(first, frame.length, header)
    this.#hand(frame, first, header.recordCount)
    const sum = frame.subarray(0, 8)
    this.#digest.writeBigUInt64LE(hash64(sum, this.#digest.readBigUInt64LE()))
    this.#lastVersion = Math.max(this.#lastVersion, header.lastVersion)
    this.#manifestEdit = Math.max(this.#manifestEdit, header.manifestEdit)
    this.#syncedOffset = Math.max(this.#syncedOffset, header.syncedOffset)
  }

  /** Hands over what is whole by now; the rest waits for the end of its commit. */
  #hand(frame: Buffer, first: number, count: number): void {
    const { committedEnd, committedRecords } = this.#walk
    const { records } = this.#watch
    if (committedEnd > first) {
      const whole = frame.subarray(first, committedEnd)
      for (const part of [...this.#pending, { run: whole, count: committedRecords }]) {
        records?.(part.run, part.count)
        this.#records += part.count
      }
      this.#pending = []
    }
    if (committedEnd < frame.length) {
      const run = records === undefined ? EMPTY : Buffer.from(frame.subarray(committedEnd))
      this.#pending.push({ run, count: count - committedRecords })
    }
  }

  /** What it goes on with was lost. */
  #dropOpenCommit(): void {
    this.#pending = []
    this.#walk.forget()
  }

  #noFrame(at: number): Damage {
    const expected = 'a frame'
    for (let from = at; from < this.#end; from += MIB) {
      const part = this.#window.at(from, MIB)
      if (part.some((byte) => byte !== 0)) {
        const found = `${Math.min(this.#end - at, 16)} bytes that are none`
        return { offset: at, expected, found }
      }
    }
    return { offset: at, expected, found: ZERO_TAIL }
  }

  #contentEnd(from: number): number {
    let end = from
    for (let at = from - (from % 8); at < this.#end; at += MIB) {
      const last = this.#window.at(at, MIB).findLastIndex((byte) => byte !== 0)
      if (last >= 0) end = Math.max(end, at + last + 1)
    }
    return end
  }

  /** Takes every frame behind the damage that verifies. One whose synced offset lies past the damage
   * proves that the damaged bytes had been durable. */
  #goOnBehind(damage: Damage): Behind {
    if (damage.found === ZERO_TAIL) return NOTHING_BEHIND
    const gaps: { offset: number; length: number }[] = []
    let framesBehind = 0
    let syncedPastDamage = false
    this.#dropOpenCommit()
    let gapAt = alignUp(damage.offset, 8)
    for (let at = gapAt; at + FRAME_HEADER_BYTES <= this.#end; ) {
      const header = this.#candidate(at)
      if (header === undefined) {
        at += 8
        continue
      }
      if (this.#effort < 0) {
        // A file made to exhaust the search is taken as proof: it is refused and not cut.
        syncedPastDamage = true
        break
      }
      this.#effort -= header.payloadLength
      if (at > gapAt) this.#dropOpenCommit()
      const next = this.#frame(at)
      if (typeof next !== 'number') {
        at += 8
        continue
      }
      const { syncedOffset } = header
      if (syncedOffset > damage.offset && syncedOffset <= at) syncedPastDamage = true
      if (at > gapAt) {
        gaps.push({ offset: gapAt, length: at - gapAt })
      }
      framesBehind += 1
      at = next
      gapAt = next
    }
    return { framesBehind, gaps, syncedPastDamage }
  }

  #candidate(at: number): FrameHeader | undefined {
    const bytes = this.#window.at(at, FRAME_HEADER_BYTES)
    if (bytes.length < FRAME_HEADER_BYTES || bytes.readUInt32LE(8) !== FRAME_MAGIC) return undefined
    return readFrameHeader(bytes, 0, this.#end - at)
  }
}

interface Behind {
  readonly framesBehind: number
  readonly gaps: readonly { readonly offset: number; readonly length: number }[]
  readonly syncedPastDamage: boolean
}

const NOTHING_BEHIND: Behind = { framesBehind: 0, gaps: [], syncedPastDamage: false }
const EMPTY = Buffer.alloc(0)

function headerDamage(offset: number, expected: string, found: string): Damage {
  return { offset, expected, found }
}

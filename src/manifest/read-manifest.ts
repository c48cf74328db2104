// Finds and replays the manifest of a directory without writing anything. Any thread. A torn last
// edit is left out only where a crash can have made it: at the end of a manifest that was not
// closed cleanly; everything else refuses.
import { CorruptionError } from '../base/errors.ts'
import { GIB } from '../base/limits.ts'
import { hash64 } from '../base/xxh64.ts'
import { checksumSeed } from '../format/checksum.ts'
import { CURRENT_BYTES, type CurrentFile, decodeCurrent } from '../format/current-file.ts'
import { decodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import {
  decodeEditPayload,
  EDIT_HEADER_BYTES,
  EDIT_MAGIC,
  type EditFrame,
  editVerifies,
  readEditFrame,
} from '../format/manifest-edit.ts'
import { currentPath, manifestPath, parseFileName } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import { applyEdit, EMPTY_STATE, type ManifestState } from './apply-edit.ts'

/**
 * Bytes checksummed in the search behind damage, as a multiple of what is searched, before it gives
 * up.
 */
const SEARCH_EFFORT = 8

export interface RecoveredManifest {
  readonly state: ManifestState
  /** Number of the manifest file. */
  readonly number: number
  /** The database was closed cleanly and nothing was lost since. */
  readonly clean: boolean
  /** Bytes of an edit that a crash cut off; 0: none. */
  readonly tornBytes: number
}

/** undefined: there is no database in this directory. */
export function readManifest(fs: FileSystem, directory: string): RecoveredManifest | undefined {
  const currentFile = currentPath(directory)
  if (fs.statSync(currentFile) === undefined) return withoutCurrent(fs, directory)
  const current = readCurrent(fs, directory)
  const path = manifestPath(directory, current.manifest)
  if (fs.statSync(path) === undefined) {
    throw damaged(path, 0, 'the manifest CURRENT names', 'no such file')
  }
  return replay(readWhole(fs, path, GIB), path, current)
}

/** Replays one manifest, whatever CURRENT says; `length`: no more of it than that. */
export function readManifestFile(
  fs: FileSystem,
  directory: string,
  number: number,
  length?: number,
): RecoveredManifest {
  const path = manifestPath(directory, number)
  if (fs.statSync(path) === undefined) throw damaged(path, 0, 'a manifest', 'no such file')
  const bytes = readWhole(fs, path, GIB)
  return replay(bytes.subarray(0, length ?? bytes.length), path, { manifest: number })
}

/** The manifest CURRENT names, and what it must look like; throws CorruptionError. */
export function readCurrent(fs: FileSystem, directory: string): CurrentFile {
  const path = currentPath(directory)
  return decodeCurrent(readWhole(fs, path, CURRENT_BYTES), path)
}

/**
 * Data files without CURRENT are a damaged database. A manifest alone is what a crash leaves of a
 * creation, unless it names files.
 */
function withoutCurrent(fs: FileSystem, directory: string): undefined {
  const names = fs.listSync(directory)
  for (const name of names) {
    const kind = parseFileName(name)?.kind
    if (kind === 'wal' || kind === 'sst' || kind === 'vlog') refuseWithout(directory, name)
  }
  for (const name of names) {
    const parsed = parseFileName(name)
    if (parsed?.kind === 'manifest' && !isUnusedManifest(fs, directory, parsed.number)) {
      refuseWithout(directory, name)
    }
  }
}

function refuseWithout(directory: string, name: string): never {
  throw damaged(currentPath(directory), 0, `a file, since ${name} is there`, 'none')
}

/** A manifest that creation left unfinished, or finished without anything in it. */
function isUnusedManifest(fs: FileSystem, directory: string, number: number): boolean {
  const path = manifestPath(directory, number)
  try {
    const { state } = replay(readWhole(fs, path, GIB), path, { manifest: number })
    return state.wals.length === 0 && state.levels.every((tables) => tables.length === 0)
  } catch (error) {
    if (error instanceof CorruptionError && error.offset <= FILE_HEADER_BYTES) return true
    throw error
  }
}

function readWhole(fs: FileSystem, path: string, most: number): Buffer {
  const file = fs.openSync(path, 'read')
  try {
    const size = file.sizeSync()
    if (size > most) throw damaged(path, most, `at most ${most} bytes`, `${size}`)
    const bytes = Buffer.alloc(size)
    const read = file.readSync(bytes, 0)
    // A manifest that ends early would pass for one that a crash cut short.
    if (read < size) throw damaged(path, read, `${size} bytes`, `the end of the file after ${read}`)
    return bytes
  } finally {
    file.closeSync()
  }
}

function replay(bytes: Buffer, path: string, current: CurrentFile): RecoveredManifest {
  const header = decodeFileHeader(bytes, 'manifest', path)
  if (header.number !== current.manifest) {
    throw damaged(path, 16, `file number ${current.manifest}`, `${header.number}`)
  }
  const { clean } = current
  if (clean !== undefined && clean.length !== bytes.length) {
    throw damaged(path, bytes.length, `${clean.length} bytes, as CURRENT has it`, `${bytes.length}`)
  }
  const place = { salt: header.salt, fileNumber: header.number, position: FILE_HEADER_BYTES }
  let seed = checksumSeed(place)
  let state = EMPTY_STATE
  let at = FILE_HEADER_BYTES
  while (at < bytes.length) {
    const frame = readEditFrame(bytes, at)
    if (frame === undefined || !editVerifies(bytes, at, frame, seed)) break
    state = readEdit({ bytes, path, state }, at)
    seed = frame.checksum
    at = frame.end
  }
  if (at < bytes.length) requireTornTail({ bytes, path, state }, at, seed, clean !== undefined)
  if (at === FILE_HEADER_BYTES) throw damaged(path, at, 'a snapshot', 'no whole edit')
  if (clean !== undefined && clean.lastChecksum !== seed) {
    throw damaged(path, at, 'the last edit CURRENT names', 'another one')
  }
  return { state, number: header.number, clean: clean !== undefined, tornBytes: bytes.length - at }
}

interface ReplayedPart {
  readonly bytes: Buffer
  readonly path: string
  /** Of the edits before the one in question. */
  readonly state: ManifestState
}

/** Applies the verified edit at `at`. */
function readEdit({ bytes, path, state }: ReplayedPart, at: number): ManifestState {
  const frame = readEditFrame(bytes, at)!
  const first = at === FILE_HEADER_BYTES
  if (!first && frame.number !== state.editNumber + 1) {
    throw damaged(path, at, `edit ${state.editNumber + 1}`, `edit ${frame.number}`)
  }
  const from = at + EDIT_HEADER_BYTES
  const edit = decodeEditPayload(bytes.subarray(from, from + frame.payloadLength), path, from)
  if (first && (edit.snapshot !== true || frame.number === 0)) {
    throw damaged(path, at, 'a snapshot as the first edit', 'another edit')
  }
  return applyEdit({ ...state, editNumber: frame.number - 1 }, edit, (what) => {
    throw damaged(path, at, 'an edit that fits the ones before', what)
  })
}

/** Throws unless a crash in the middle of one append explains everything from `at` on. */
function requireTornTail(part: ReplayedPart, at: number, seed: bigint, clean: boolean): void {
  const { bytes, path, state } = part
  if (clean) throw damaged(path, at, 'an edit that verifies', 'other bytes')
  if (at === FILE_HEADER_BYTES) throw damaged(path, at, 'a snapshot that verifies', 'other bytes')
  if (hasLaterEdit(bytes, at, seed, state.editNumber)) {
    throw damaged(path, at, 'an edit that verifies, since later ones follow', 'other bytes')
  }
}

/**
 * Evidence that more than one edit was written from `at` on: an edit chained to the damaged one,
 * two edits chained to each other, or one that ends with the file where the next one cannot be. A
 * file made to exhaust the search is taken as evidence, so it is refused and not cut.
 */
function hasLaterEdit(bytes: Buffer, at: number, seed: bigint, lastNumber: number): boolean {
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(EDIT_MAGIC)
  const seeds = at + 8 <= bytes.length ? [bytes.readBigUInt64LE(at)] : []
  const damaged = readEditFrame(bytes, at)
  if (damaged !== undefined) {
    const end = at + EDIT_HEADER_BYTES + damaged.payloadLength
    seeds.push(hash64(bytes.subarray(at + 8, end), seed))
  }
  let effort = SEARCH_EFFORT * (bytes.length - at)
  const verifies = (from: number, frame: EditFrame, chained: bigint): boolean => {
    effort -= frame.payloadLength
    return editVerifies(bytes, from, frame, chained)
  }
  const numberMost = lastNumber + Math.ceil((bytes.length - at) / EDIT_HEADER_BYTES) + 1
  for (let hit = bytes.indexOf(magic, at); hit >= 0; hit = bytes.indexOf(magic, hit + 4)) {
    const start = hit - 8
    if (start % 8 !== 0 || start < at) continue
    const frame = readEditFrame(bytes, start)
    if (frame === undefined || frame.number < 1 || frame.number > numberMost) continue
    // An older edit behind the damage is what the block held before, not what was written there.
    if (start > at && frame.number <= lastNumber) continue
    if (effort < 0) return true
    if (start > at && seeds.some((other) => verifies(start, frame, other))) return true
    const outOfPlace = start > at || frame.number !== lastNumber + 1
    if (outOfPlace && frame.end === bytes.length) return true
    const next = readEditFrame(bytes, frame.end)
    if (next !== undefined && verifies(frame.end, next, frame.checksum)) return true
  }
  return false
}

function damaged(file: string, offset: number, expected: string, found: string): CorruptionError {
  return new CorruptionError({ file, offset, expected, found })
}

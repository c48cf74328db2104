// What may be missing after a log was damaged, by docs/FORMAT.md §5 and nothing else: a log that was not sealed is cut
// at its first damaged frame, unless a frame that is still whole says that the damaged bytes had been durable. Version
// numbers are commit numbers.
import { readFrameHeader, readLink } from '../../../src/format/wal-frame.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import { DIRECTORY, type Image } from '../image.ts'
import { imageFileSystem } from './image-file-system.ts'
import type { Specimen } from './specimen.ts'

const HEADER = 64
const FRAME_HEADER = 48
const LINK = 32
const RECORD_VERSION = 8

export interface LogFrame {
  readonly offset: number
  readonly end: number
  readonly syncedOffset: number
  readonly records: number
  /** Of its first record. */
  readonly firstVersion: number
  /** Of the first frame: the log before it was synced. */
  readonly linkSynced: boolean
}

/** The frames of an undamaged log. */
export function framesOf(log: Buffer): LogFrame[] {
  const frames: LogFrame[] = []
  for (let offset = HEADER; offset < log.length; ) {
    const header = readFrameHeader(log, offset, log.length)
    if (header === undefined) break
    const linked = header.flags === 1
    const payload = offset + FRAME_HEADER
    const first = payload + (linked ? LINK : 0)
    const end = payload + header.payloadLength
    frames.push({
      offset,
      end,
      syncedOffset: header.syncedOffset,
      records: header.recordCount,
      firstVersion: Number(log.readBigUInt64LE(first + RECORD_VERSION)),
      linkSynced: linked && readLink(log, payload, { file: '', offset: payload }).synced,
    })
    offset = end
  }
  return frames
}

export interface NamedLog {
  readonly name: string
  readonly number: number
  readonly salt: string
  readonly sealed?: { readonly length: number; readonly digest: string }
  readonly frames: readonly LogFrame[]
}

const known = new WeakMap<Image, readonly NamedLog[]>()

/** The logs that the manifest of an undamaged image names, oldest first. */
export function namedLogs(image: Image): readonly NamedLog[] {
  const logs = known.get(image) ?? readLogs(image)
  known.set(image, logs)
  return logs
}

function readLogs(image: Image): NamedLog[] {
  const files = new Map([...image].map(([name, bytes]) => [`${DIRECTORY}/${name}`, bytes]))
  const recovered = readManifest(imageFileSystem(files), DIRECTORY)
  if (recovered === undefined) throw new Error('the image holds a database')
  return recovered.state.wals.map(({ number, salt, sealed }) => {
    const name = `${String(number).padStart(6, '0')}.wal`
    const log = image.get(name)
    if (log === undefined) throw new Error(`the image holds ${name}`)
    const frames = framesOf(log.subarray(0, sealed?.length ?? log.length))
    return { name, number, salt, frames, ...(sealed === undefined ? {} : { sealed }) }
  })
}

function isWhole(frame: LogFrame, before: Buffer, after: Buffer): boolean {
  if (frame.end > after.length) return false
  return before.compare(after, frame.offset, frame.end, frame.offset, frame.end) === 0
}

/** Where the log is cut: its first frame that is damaged; undefined: none is. */
export function firstDamaged(
  { frames }: NamedLog,
  before: Buffer,
  after: Buffer,
): LogFrame | undefined {
  return frames.find((frame) => !isWhole(frame, before, after))
}

/** A later frame, whole, says that the damaged one had been synced. */
export function provesDurable(
  { frames }: NamedLog,
  damaged: LogFrame,
  before: Buffer,
  after: Buffer,
): boolean {
  return frames.some(
    (frame) =>
      frame.offset > damaged.offset &&
      frame.syncedOffset > damaged.offset &&
      isWhole(frame, before, after),
  )
}

/** The oldest commit that may be the newest one found in a damaged copy of the specimen. */
export function leastCommit({ image, commit }: Specimen, damaged: Image): number {
  const logs = namedLogs(image)
  for (const [i, log] of logs.entries()) {
    const before = image.get(log.name) as Buffer
    const after = damaged.get(log.name)
    if (after === before) continue
    if (after === undefined || log.sealed !== undefined) return commit
    if (after.length < HEADER || before.compare(after, 0, HEADER, 0, HEADER) !== 0) return commit
    const cut = firstDamaged(log, before, after)
    if (cut === undefined) continue
    const later = logs.slice(i + 1).flatMap(({ frames }) => frames)
    // Logs are synced oldest first: what was synced behind this one proves that it had been.
    const synced = later.some(({ linkSynced, syncedOffset }) => linkSynced || syncedOffset > HEADER)
    if (synced || provesDurable(log, cut, before, after)) return commit
    return cut.firstVersion - 1
  }
  return commit
}

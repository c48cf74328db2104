// The segments of a directory as a repair finds them, and which of them stay: those that lie whole under their own
// names. Of any other the values that verify are copied, by the jobs that copy the tables with pointers to them. Main
// thread, read only.
import type { CorruptionPlace } from '../../base/errors.ts'
import type { SegmentMeta } from '../../format/segments/segment-meta.ts'
import { type DirectoryEntry, notAFile } from '../../inspect/directory-entries.ts'
import { identifySegment, type SegmentIdentity } from '../../inspect/segment-identity.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { FoundSegment } from '../../jobs/job.ts'
import type { RepairNotes } from './report.ts'

export interface SegmentSearch {
  readonly fs: FileSystem
  readonly entries: readonly DirectoryEntry[]
  readonly notes: RepairNotes
  /** Reads one of the directory through; everything that is wrong with it. */
  readonly verify: (segment: SegmentMeta) => Promise<readonly CorruptionPlace[]>
}

export interface SegmentsFound {
  readonly found: readonly FoundSegment[]
  /** What is wrong with those that do not stay though something may refer to them, by number. */
  readonly damage: ReadonlyMap<number, CorruptionPlace>
  /** Of named ones that are not there: size, and why. */
  readonly missing: ReadonlyMap<number, { readonly size: number; readonly why: string }>
}

interface Candidate {
  readonly entry: DirectoryEntry
  readonly identity: SegmentIdentity
}

/** Those the manifest names; others count where a log that the manifest is too old for points to them. */
export async function segmentsNamed(
  search: SegmentSearch,
  named: readonly SegmentMeta[],
): Promise<SegmentsFound> {
  const { entries, notes } = search
  const all = candidates(search)
  const found: FoundSegment[] = []
  const damage = new Map<number, CorruptionPlace>()
  const missing = new Map<number, { size: number; why: string }>()
  for (const meta of named) {
    const { number, size, salt } = meta
    const isIt = ({ identity }: Candidate): boolean =>
      identity.number === number && identity.salt === salt
    const own = all.find(({ entry }) => entry.file?.number === number)
    const it = own !== undefined && isIt(own) ? own : (all.find(isIt) ?? own)
    if (it === undefined) {
      const entry = entries.find(({ file }) => file?.kind === 'vlog' && file.number === number)
      const why = entry === undefined ? 'the file is missing' : `it is ${wrongKind(entry)}`
      missing.set(number, { size, why })
    } else if (it !== own) {
      notes.note(`Segment ${number} was found as ${it.entry.name}`)
      found.push({ ...meta, file: it.entry.file?.number ?? 0, sound: false })
    } else {
      const problems = await search.verify(meta)
      if (problems[0] !== undefined) damage.set(number, problems[0])
      found.push({ ...meta, file: number, sound: problems.length === 0 })
    }
  }
  for (const { entry, identity } of all) {
    const known = found.some(({ number }) => number === identity.number)
    if (!known && identity.certain && !missing.has(identity.number)) {
      found.push({ ...metaOf(entry, identity), file: entry.file?.number ?? 0, sound: false })
    }
  }
  return { found, damage, missing }
}

/** Every segment of the directory, without a manifest. */
export async function segmentsThere(search: SegmentSearch): Promise<SegmentsFound> {
  const { notes } = search
  const found: FoundSegment[] = []
  const damage = new Map<number, CorruptionPlace>()
  const all = candidates(search)
  const own = all.filter(({ entry, identity }) => entry.file?.number === identity.number)
  for (const { entry, identity } of own) {
    const meta = metaOf(entry, identity)
    const problems = await search.verify(meta)
    if (problems[0] !== undefined) damage.set(meta.number, problems[0])
    found.push({ ...meta, file: meta.number, sound: problems.length === 0 })
  }
  for (const { entry, identity } of all) {
    if (entry.file?.number === identity.number) continue
    const { number } = identity
    if (found.some((segment) => segment.number === number)) {
      notes.note(`${entry.name} is a copy of segment ${number}; it is left out`)
    } else {
      notes.note(`Segment ${number} was found as ${entry.name}`)
      found.push({ ...metaOf(entry, identity), file: entry.file?.number ?? 0, sound: false })
    }
  }
  return { found, damage, missing: new Map() }
}

function candidates({ fs, entries }: SegmentSearch): Candidate[] {
  return entries.flatMap((entry) => {
    const { file, path, kind } = entry
    if (file?.kind !== 'vlog' || kind !== 'file') return []
    const identity = identifySegment(fs, path, file.number)
    return identity === undefined ? [] : [{ entry, identity }]
  })
}

function metaOf(entry: DirectoryEntry, { number, salt }: SegmentIdentity): SegmentMeta {
  return { number, size: entry.size, salt }
}

function wrongKind(entry: DirectoryEntry): string {
  return notAFile(entry) ?? 'too short to be one'
}

// The logs of a directory as a repair finds them, and which of them count. Main thread, read only. With a
// manifest the logs it names count, as at an open, or, when an open would refuse, all of them that verifies.
// Without one, those that tables may not hold: a table records the newest log whose records it has. Tables of a flush
// may have been finished before those of an older log; what a compaction took was installed, in the order of the logs.
import { CorruptionError } from '../../base/errors.ts'
import { FILE_HEADER_BYTES } from '../../format/file-header.ts'
import type { DirectoryEntry } from '../../inspect/directory-entries.ts'
import { readHeader } from '../../inspect/file-heads.ts'
import { walPath } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { ManifestState, WalState } from '../../manifest/apply-edit.ts'
import type { TableMeta } from '../../manifest/levels.ts'
import { ZERO_TAIL } from '../../wal/replay.ts'
import { planReplay } from '../../wal/replay-order.ts'
import { type SurveyedWal, surveyWal } from '../../wal/wal-survey.ts'
import type { RepairNotes } from './report.ts'

/** A log that is there, under whatever name. */
export interface FoundWal {
  readonly path: string
  readonly number: number
  readonly salt: string | undefined
  /** Bytes that count; undefined: all. */
  readonly length: number | undefined
  readonly survey: SurveyedWal
}

export interface WalPlan {
  /** Oldest first. */
  readonly replayed: readonly FoundWal[]
  /** Newest manifest edit any frame names. */
  readonly newestEdit: number
}

export class WalFinder {
  readonly #fs: FileSystem
  readonly #directory: string
  readonly #entries: readonly DirectoryEntry[]
  readonly #notes: RepairNotes

  constructor(
    fs: FileSystem,
    directory: string,
    entries: readonly DirectoryEntry[],
    notes: RepairNotes,
  ) {
    this.#fs = fs
    this.#directory = directory
    this.#entries = entries.filter(({ file, kind }) => file?.kind === 'wal' && kind === 'file')
    this.#notes = notes
  }

  /** The named ones by number; a missing one is left out. */
  named(state: ManifestState): ReadonlyMap<number, FoundWal> {
    const found = new Map<number, FoundWal>()
    for (const wal of state.wals) {
      const place = this.#placeOf(wal)
      if (place !== undefined) found.set(wal.number, this.#survey(place, wal))
    }
    return found
  }

  /** Unnamed ones that go on where a counted one ends: the manifest is older than they are. Others are
   * foreign or old. */
  chained(state: ManifestState, named: ReadonlyMap<number, FoundWal>): FoundWal[] {
    const known = new Map(named)
    const chained: FoundWal[] = []
    for (const { path, file } of this.#entries) {
      const number = file?.number ?? 0
      if (state.wals.some((wal) => wal.number === number)) continue
      if (readHeader(this.#fs, path, 'wal')?.number !== number) continue
      const wal = this.#survey(path, { number, salt: undefined })
      const { link, manifestEdit } = wal.survey
      const later = manifestEdit > state.editNumber || number >= state.nextFileNumber
      const before = link === undefined ? undefined : known.get(link.number)?.survey
      if (link === undefined || before === undefined || !later) continue
      if (before.cutAt !== link.length || before.lastVersion !== link.lastVersion) continue
      known.set(number, wal)
      chained.push(wal)
    }
    return chained
  }

  /** Those an open with this manifest would replay; undefined: it would refuse. */
  asAtOpen(
    state: ManifestState,
    named: ReadonlyMap<number, FoundWal>,
  ): readonly FoundWal[] | undefined {
    const sound = state.wals.every((wal) => isSound(wal, named.get(wal.number)))
    if (!sound) return undefined
    try {
      const { kept, discarded } = planReplay({
        directory: this.#directory,
        named: state.wals,
        replayed: new Map([...named].map(([number, { survey }]) => [number, survey])),
        unnamed: [],
        lastEdit: state.editNumber,
        nextFileNumber: state.nextFileNumber,
      })
      for (const number of discarded) {
        this.#notes.note(`Log ${number} follows on writes that never were durable; it is left out`)
      }
      return kept.flatMap(({ number, cutAt }) => {
        const wal = named.get(number)
        return wal === undefined ? [] : [{ ...wal, length: cutAt }]
      })
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error
      return undefined
    }
  }

  /** All that is there, without a manifest, of which tables may not hold everything. */
  newerThan(tables: readonly TableMeta[]): FoundWal[] {
    const newest = tables.reduce((most, { newestWal }) => Math.max(most, newestWal), 0)
    const compacted = tables.filter(({ baseVersion }) => baseVersion > 0)
    const installed = compacted.reduce((most, { newestWal }) => Math.max(most, newestWal), 0)
    const found: FoundWal[] = []
    for (const { path, file } of this.#entries) {
      const number = file?.number ?? 0
      const header = readHeader(this.#fs, path, 'wal')
      if (header !== undefined && header.number !== number) {
        this.#notes.note(`${path} is log ${header.number} under another name; it is left out`)
      } else if (number <= installed) {
        this.#tellHeld(number, newest)
      } else {
        found.push(this.#survey(path, { number, salt: undefined }))
      }
    }
    const chain = unbroken(found)
    return found.filter((wal) => {
      const counts = wal.number >= newest || chain.includes(wal)
      if (!counts) this.#tellHeld(wal.number, newest)
      return counts
    })
  }

  #tellHeld(number: number, newest: number): void {
    this.#notes.note(`Log ${number} is not replayed: tables hold the records of log ${newest}`)
  }

  /** Tells of everything the logs to be replayed have lost. */
  tellLosses(replayed: readonly FoundWal[], state: ManifestState | undefined): void {
    for (const wal of replayed) {
      if (!this.#tellDamage(wal)) this.#tellShortEnd(wal, replayed)
    }
    for (const { number, sealed } of state?.wals ?? []) {
      if (replayed.some((wal) => wal.number === number)) continue
      const path = walPath(this.#directory, number)
      const place = { offset: 0, expected: 'a log the manifest names', found: 'none' }
      this.#loss(path, place, sealed?.length ?? 0)
    }
  }

  /** Whether there are damaged frames to tell of. */
  #tellDamage({ path, survey, length }: FoundWal): boolean {
    const end = Math.min(survey.fileLength, length ?? survey.fileLength)
    const { damage, headerDamage } = survey
    if (headerDamage !== undefined) this.#loss(path, headerDamage, FILE_HEADER_BYTES)
    if (damage === undefined || damage.offset >= end) return false
    // Zeros at the end of a log that was not sealed were never written to.
    const sealed = length !== undefined || headerDamage !== undefined
    if (!sealed && damage.found === ZERO_TAIL && survey.gaps.length === 0) return false
    const first = survey.gaps[0]
    const lostEnd = sealed ? end : Math.max(damage.offset, survey.contentEnd)
    const bytes = first?.offset === damage.offset ? first.length : lostEnd - damage.offset
    this.#loss(path, damage, bytes)
    for (const gap of survey.gaps.slice(1)) this.#loss(path, { ...damage, ...gap }, gap.length)
    return true
  }

  /** A log that ends between two frames looks whole: only its seal, or the link of the log that follows on it, tells
   * that it was longer. */
  #tellShortEnd({ path, number, survey, length = 0 }: FoundWal, all: readonly FoundWal[]): void {
    const links = all.map(({ survey: { link } }) => (link?.number === number ? link.length : 0))
    const whole = Math.max(length, ...links)
    const { cutAt } = survey
    if (cutAt >= whole) return
    const place = { offset: cutAt, expected: `${whole} bytes`, found: `${cutAt}` }
    this.#loss(path, place, whole - cutAt)
  }

  #loss(
    file: string,
    damage: { readonly offset: number; readonly expected: string; readonly found: string },
    length: number,
  ): void {
    const why = `expected ${damage.expected}, found ${damage.found}`
    this.#notes.loss({ kind: 'wal', file, offset: damage.offset, length, why })
  }

  /** Under its own name, or under another that its header gives away. */
  #placeOf({ number, salt }: WalState): string | undefined {
    const isIt = ({ path }: DirectoryEntry): boolean => {
      const header = readHeader(this.#fs, path, 'wal')
      return header?.number === number && header.salt.toString('hex') === salt
    }
    const own = this.#entries.find(({ file }) => file?.number === number)
    if (own !== undefined && isIt(own)) return own.path
    const other = this.#entries.find((entry) => entry !== own && isIt(entry))
    if (other === undefined) return own?.path
    this.#notes.note(`Log ${number} was found as ${other.name}`)
    return other.path
  }

  #survey(
    path: string,
    wal: { readonly number: number; readonly salt: string | undefined } & Pick<WalState, 'sealed'>,
  ): FoundWal {
    const { number, salt, sealed } = wal
    const length = sealed?.length
    return {
      path,
      number,
      salt,
      length,
      survey: surveyWal({ fs: this.#fs, path, number, salt, length }),
    }
  }
}

/** Logs after which none is missing. One whose successor is gone was flushed before that one was: with it alone, what
 * was deleted later would be back. */
function unbroken(wals: readonly FoundWal[]): readonly FoundWal[] {
  const ascending = [...wals].sort((a, b) => a.number - b.number)
  /** The log that the one after it follows; undefined: it does not tell. */
  let expected: number | undefined
  const gap = ascending.findLastIndex(({ number, survey: { link, records } }) => {
    if (expected !== undefined && number !== expected && records > 0) return true
    if (link !== undefined) expected = link.number
    else if (records > 0) expected = undefined
    return false
  })
  return ascending.slice(gap + 1)
}

function isSound({ sealed }: WalState, found: FoundWal | undefined): boolean {
  if (found === undefined || found.survey.headerDamage !== undefined) return false
  if (sealed === undefined) return true
  const { cutAt, digest } = found.survey
  return cutAt === sealed.length && digest === sealed.digest
}

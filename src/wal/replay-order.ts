// Judges all WALs of a directory together: which count and in which order, where the log is cut,
// what is discarded, or why the database must not be opened (FORMAT §5). Pure. Invariant: what is
// kept is a prefix of the commit order, and a commit that any evidence shows to have been durable
// is never left out silently.
import { CorruptionError } from '../base/errors.ts'
import { FILE_HEADER_BYTES } from '../format/file-header.ts'
import type { WalLink } from '../format/wal-frame.ts'
import { walPath } from '../io/file-names.ts'
import { type ReplayedWal, ZERO_TAIL } from './replay.ts'
import type { UnnamedWal } from './unnamed-wal.ts'
import type { WalEnd } from './wal-file.ts'

/** A WAL as the manifest names it. */
export interface NamedWal {
  readonly number: number
  readonly sealed?: { readonly length: number; readonly lastVersion: number }
}

export interface ReplayEvidence {
  readonly directory: string
  /** In the manifest's order. */
  readonly named: readonly NamedWal[]
  /** By number; a named WAL that is not in here has no file. */
  readonly replayed: ReadonlyMap<number, ReplayedWal>
  /** WAL files the manifest does not name. */
  readonly unnamed: readonly UnnamedWal[]
  /** Number of the manifest's last edit. */
  readonly lastEdit: number
  /** As the manifest has it. */
  readonly nextFileNumber: number
}

export interface ReplayPlan {
  /** Those that count, oldest first; to be sealed at `cutAt` before the first new frame. */
  readonly kept: readonly ReplayedWal[]
  /** Named, but behind a cut: to be dropped by the same edit that seals the others. */
  readonly discarded: readonly number[]
  /** Unnamed leftovers: to be deleted. */
  readonly orphans: readonly number[]
  /** What the first frame of the next WAL must link to, synced. */
  readonly predecessor: WalEnd | undefined
  /** Highest version any frame names, discarded ones included: it is never given out again. */
  readonly lastVersion: number
  /** WALs that ended in a torn write. */
  readonly tornTails: number
}

/** Throws CorruptionError when opening would lose or repeat what was durable. */
export function planReplay(evidence: ReplayEvidence): ReplayPlan {
  const orphans = evidence.unnamed.map((wal) => requireOrphan(evidence, wal))
  const all = evidence.named.map((wal) => requireSound(evidence, wal))
  const kept: ReplayedWal[] = []
  let predecessor: ReplayedWal | undefined
  let cut = all.length
  for (const [i, wal] of all.entries()) {
    if (wal.link !== undefined && !follows(evidence, wal.link, wal, predecessor)) {
      cut = i
      break
    }
    kept.push(wal)
    if (wal.cutAt > FILE_HEADER_BYTES) predecessor = wal
  }
  const lost = all.slice(cut)
  for (const wal of lost) requireLosable(evidence, wal)
  return {
    kept,
    discarded: lost.map(({ number }) => number),
    orphans,
    predecessor:
      predecessor === undefined
        ? undefined
        : {
            number: predecessor.number,
            length: predecessor.cutAt,
            lastVersion: predecessor.lastVersion,
          },
    lastVersion: all.reduce((most, wal) => Math.max(most, wal.lastVersion), 0),
    tornTails: kept.filter(({ damage }) => damage !== undefined && damage.found !== ZERO_TAIL)
      .length,
  }
}

/**
 * A WAL's frames name an edit at least as new as the one that named the WAL. So a file whose first
 * frame names an edit this manifest has, and which the manifest does not name, was dropped; any
 * other was named by edits this manifest lost.
 */
function requireOrphan(evidence: ReplayEvidence, wal: UnnamedWal): number {
  const { firstFrameEdit } = wal
  if (firstFrameEdit === undefined) return wal.number
  if (wal.number >= evidence.nextFileNumber || firstFrameEdit > evidence.lastEdit) {
    refuse(evidence, wal.number, FILE_HEADER_BYTES, {
      expected: 'a WAL the manifest names',
      found: 'one it does not, with commits in it: the manifest is an older copy',
    })
  }
  return wal.number
}

/** Checks that need no other WAL. */
function requireSound(evidence: ReplayEvidence, { number, sealed }: NamedWal): ReplayedWal {
  const wal = evidence.replayed.get(number)
  if (wal === undefined) {
    return refuse(evidence, number, 0, {
      expected: 'the WAL the manifest names',
      found: 'no such file',
    })
  }
  if (wal.manifestEdit > evidence.lastEdit) {
    refuse(evidence, number, wal.cutAt, {
      expected: `no manifest edit after ${evidence.lastEdit}, the manifest's last`,
      found: `edit ${wal.manifestEdit}: the manifest is an older copy`,
    })
  }
  if (wal.damage !== undefined && wal.syncedPastDamage) {
    const { offset, expected, found } = wal.damage
    refuse(evidence, number, offset, { expected, found: `${found}, in a part that was durable` })
  }
  if (sealed !== undefined && sealed.lastVersion !== wal.lastVersion) {
    refuse(evidence, number, wal.cutAt, {
      expected: `last version ${sealed.lastVersion}, as sealed`,
      found: `${wal.lastVersion}`,
    })
  }
  return wal
}

/**
 * Whether the WAL goes on where the one before it ended; false: what lies between was lost before
 * it was durable.
 */
function follows(
  evidence: ReplayEvidence,
  link: WalLink,
  wal: ReplayedWal,
  predecessor: ReplayedWal | undefined,
): boolean {
  const named = evidence.named.find(({ number }) => number === link.number)
  if (named === undefined) {
    // Its predecessor was flushed and dropped; that is possible only if no older WAL is left.
    if (predecessor === undefined && link.number < wal.number) return true
    return brokenChain(evidence, link, wal)
  }
  const end = evidence.replayed.get(link.number)
  if (end === undefined || end.number >= wal.number) return brokenChain(evidence, link, wal)
  const whole = end.cutAt === link.length && end.lastVersion === link.lastVersion
  if (whole && end === predecessor) return true
  const shorter = end.cutAt < link.length
  if (!shorter || link.synced || named.sealed !== undefined) return brokenChain(evidence, link, wal)
  return false
}

/**
 * Files behind a cut go, unless one of them was itself durable: then what it follows had been so
 * before.
 */
function requireLosable(evidence: ReplayEvidence, wal: ReplayedWal): void {
  if (wal.syncedOffset <= FILE_HEADER_BYTES) return
  refuse(evidence, wal.number, FILE_HEADER_BYTES, {
    expected: 'the WAL before it to reach as far as when this one was made durable',
    found: 'a shorter one',
  })
}

function brokenChain(evidence: ReplayEvidence, link: WalLink, wal: ReplayedWal): never {
  const end = evidence.replayed.get(link.number)
  const found = end === undefined ? 'none' : `${end.cutAt} bytes up to version ${end.lastVersion}`
  return refuse(evidence, end === undefined ? wal.number : end.number, end?.cutAt ?? 0, {
    expected:
      `WAL ${link.number} with ${link.length} bytes up to version ${link.lastVersion}, ` +
      `which WAL ${wal.number} follows`,
    found,
  })
}

function refuse(
  { directory }: ReplayEvidence,
  number: number,
  offset: number,
  what: { readonly expected: string; readonly found: string },
): never {
  throw new CorruptionError({ file: walPath(directory, number), offset, ...what })
}

// Where ingest reads from and writes to: both checked before anything is touched.
import { realpathSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { SettError } from '../../../base/errors.ts'
import { UsageError } from '../terminal.ts'

export interface Place {
  readonly source: string
  readonly db: string
  /** Made for this run. */
  readonly temporary: boolean
}

export async function choosePlace(source: string, db: string | undefined): Promise<Place> {
  const found = statSync(source, { throwIfNoEntry: false })
  if (found === undefined)
    throw new SettError('LEVEL_NOT_FOUND', `There is no directory '${source}'. Check the path.`)
  if (!found.isDirectory()) throw new UsageError(`${source} is not a directory. Name one.`)
  const real = realpathSync(source)
  const parent = db === undefined ? tmpdir() : db
  if (isBelow(realTarget(resolve(parent)), real)) {
    throw new UsageError(
      `The database (${parent}) would lie inside the source (${source}) and be read while it ` +
        'is written. Choose another place with --db.',
    )
  }
  if (db !== undefined) return { source: real, db, temporary: false }
  return { source: real, db: await mkdtemp(join(tmpdir(), 'sett-ingest-')), temporary: true }
}

export async function removePlace(place: Place): Promise<void> {
  await rm(place.db, { recursive: true, force: true })
}

/** The real path of what exists of it, and the rest as given. */
function realTarget(path: string): string {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return realpathSync(path)
  const parent = dirname(path)
  return parent === path ? path : join(realTarget(parent), basename(path))
}

function isBelow(path: string, directory: string): boolean {
  const way = relative(directory, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && way !== path)
}

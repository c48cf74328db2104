// Options of a single write, checked. Unknown properties are left alone: hooks and events may use them.
import { SettError } from '../base/errors.ts'
import { checkDurability, DURABILITY_RULE } from '../base/option-table.ts'
import type { WriteOptions } from '../engine/types.ts'

/** What put, del and batch take beside encodings. */
export interface CommitOptions {
  /** Overrides the database's `durability` for this commit. */
  readonly durability?: 'sync' | 'none' | undefined
  /** Called with the commit's version once it is visible, before the promise resolves. */
  readonly onCommit?: ((version: number) => void) | undefined
}

interface GivenOptions {
  readonly durability?: unknown
  readonly onCommit?: unknown
  readonly ttl?: unknown
  readonly sync?: unknown
}

/** Without a prototype, so that nothing shows through it. */
const NO_OPTIONS: WriteOptions = Object.freeze(Object.create(null))

export function writeOptions(given: object | undefined): WriteOptions {
  if (given === undefined) return NO_OPTIONS
  const { durability, onCommit, ttl, sync } = given as GivenOptions
  if (durability === undefined && onCommit === undefined && ttl === undefined && sync !== true) {
    return NO_OPTIONS
  }
  // Rarely more than one: only what is the object's own counts.
  const own: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries({ durability, onCommit, ttl, sync })) {
    if (Object.hasOwn(given, name)) own[name] = value
  }
  return checkedOptions(own)
}

function checkedOptions({ durability, onCommit, ttl, sync }: GivenOptions): WriteOptions {
  if (ttl !== undefined) {
    throw invalid("Write option 'ttl' is not in this release. Leave it out for now.")
  }
  const kept = durability ?? (sync === true ? 'sync' : undefined)
  const checked = kept === undefined ? undefined : checkDurability(kept)
  if (kept !== undefined && checked === undefined) {
    throw invalid(`Write option 'durability' ${DURABILITY_RULE}.`)
  }
  if (typeof checked === 'object') {
    throw invalid(
      "Write option 'durability' must be 'sync' or 'none': an interval is the database's.",
    )
  }
  if (onCommit !== undefined && typeof onCommit !== 'function') {
    throw invalid("Write option 'onCommit' must be a function taking the version.")
  }
  return Object.assign(Object.create(null), {
    ...(checked === undefined ? {} : { durability: checked }),
    ...(onCommit === undefined ? {} : { onCommit: onCommit as (version: number) => void }),
  })
}

function invalid(message: string): SettError {
  return new SettError('SETT_INVALID_OPTION', message)
}

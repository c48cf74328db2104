// Options of the public class: the engine's, plus abstract-level's encodings. Checked in the constructor,
// so that a mistake is thrown where it was made.
import type { AbstractDatabaseOptions, AbstractLevel } from 'abstract-level'
import { SettError } from '../base/errors.ts'
import type { Options } from '../base/option-table.ts'
import { type ResolvedOptions, resolveOptions } from '../base/options.ts'

/** Options of `open()` and `new Database()`. */
export interface DatabaseOptions<K, V>
  extends Options,
    Pick<AbstractDatabaseOptions<K, V>, 'keyEncoding' | 'valueEncoding'> {
  /** Anything, for your own hook functions; ignored by the database. */
  readonly userland?: unknown
}

const METHODS = Object.freeze({
  getEntry: true,
  getStream: true,
  putStream: true,
  flush: true,
  compactRange: true,
  flatten: true,
  collectGarbage: true,
  settle: true,
  stats: true,
  verify: true,
  health: true,
  tune: true,
  explain: true,
})

type Manifest = ConstructorParameters<typeof AbstractLevel>[0]

/** What the database can do, in the community's words. */
export function manifestFor(options: ResolvedOptions): Manifest {
  const manifest: Manifest & { readonly getSync: boolean } = {
    permanence: !options.inMemory,
    seek: true,
    has: true,
    getSync: true,
    createIfMissing: true,
    errorIfExists: true,
    implicitSnapshots: true,
    explicitSnapshots: true,
    signals: { iterators: true },
    encodings: { buffer: true, view: true, utf8: true },
    additionalMethods: { ...METHODS },
  }
  return manifest
}

export function checkLocation(location: unknown): asserts location is string {
  if (typeof location !== 'string' || location === '' || location.includes('\0')) {
    throw new SettError(
      'SETT_INVALID_OPTION',
      'The location must be the path of a directory, as a non-empty string.',
    )
  }
}

/** Splits what a constructor was given. */
export function constructorOptions(given: object | undefined): {
  /** For the engine; checked. */
  readonly own: object
  /** For abstract-level and, through it, for hook functions. */
  readonly forward: object
  readonly resolved: ResolvedOptions
} {
  if (
    given !== undefined &&
    given !== null &&
    (typeof given !== 'object' || Array.isArray(given))
  ) {
    resolveOptions(given)
  }
  const own: Record<string, unknown> = Object.create(null)
  const forward: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given ?? {})) {
    const target = LEVEL_OPTIONS.has(name) ? forward : own
    target[name] = value
  }
  const { createIfMissing, errorIfExists } = ownOptions(forward)
  return { own, forward, resolved: resolveOptions({ ...own, createIfMissing, errorIfExists }) }
}

/** A copy that shows nothing of a prototype. */
function ownOptions(given: object): Options {
  return Object.assign(Object.create(null), given)
}

/** Options of one open() call: the constructor's, then the call's, which abstract-level completed. */
export function openOptions(own: object, call: object): ResolvedOptions {
  const late = Object.entries(call).filter(([name]) => !LEVEL_OPTIONS.has(name))
  return resolveOptions({ ...own, ...Object.fromEntries(late), ...notDefault(call) })
}

/** Names that abstract-level handles or passes on. */
const LEVEL_OPTIONS: ReadonlySet<string> = new Set([
  'keyEncoding',
  'valueEncoding',
  'passive',
  'createIfMissing',
  'errorIfExists',
  'userland',
])

/** Only what differs from abstract-level's defaults; it fills these in where nothing was given. */
function notDefault({ createIfMissing, errorIfExists }: Options): Options {
  return {
    ...(createIfMissing === false ? { createIfMissing } : {}),
    ...(errorIfExists === true ? { errorIfExists } : {}),
  }
}

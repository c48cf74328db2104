// Options of a single write or operation, checked. Unknown properties are left alone: hooks and events may use them.
import type {
  AbstractBatchDelOperation,
  AbstractBatchPutOperation,
  AbstractChainedBatch,
  AbstractChainedBatchPutOptions,
  AbstractChainedBatchWriteOptions,
} from 'abstract-level'
import { SettError } from '../base/errors.ts'
import { checkDurability, DURABILITY_RULE } from '../base/option-table.ts'
import { NO_OPTIONS } from '../engine/commit/no-options.ts'
import type { WriteOptions } from '../engine/types.ts'

/** What put, del and batch take beside encodings. */
export interface CommitOptions {
  /** Overrides the database's `durability` for this commit. */
  readonly durability?: 'sync' | 'none' | undefined
  /** Called with the commit's version once it is visible, before the promise resolves. */
  readonly onCommit?: ((version: number) => void) | undefined
}

/** What put and batch take, and the puts of a batch. */
export interface ExpiryOptions {
  /** Milliseconds after which the entry is no longer there, a positive number, counted from the call; a fraction is
   * rounded up. In a batch it holds for the puts that have none of their own; for deletes it means nothing. */
  readonly ttl?: number | undefined
}

/** An operation of a batch. */
export type BatchOperation<TDatabase, K, V> =
  | (AbstractBatchPutOperation<TDatabase, K, V> & ExpiryOptions)
  | AbstractBatchDelOperation<TDatabase, K>

/** What `batch()` without operations returns. */
export interface ChainedBatch<TDatabase, K, V> extends AbstractChainedBatch<TDatabase, K, V> {
  put(key: K, value: V): this
  put<K2 = K, V2 = V>(
    key: K2,
    value: V2,
    options: AbstractChainedBatchPutOptions<TDatabase, K2, V2> & ExpiryOptions,
  ): this
  write(): Promise<void>
  write(options: AbstractChainedBatchWriteOptions & CommitOptions & ExpiryOptions): Promise<void>
}

interface GivenOptions {
  readonly durability?: unknown
  readonly onCommit?: unknown
  readonly ttl?: unknown
  readonly sync?: unknown
}

/** Of a put or a batch. Throws SETT_INVALID_OPTION. */
export function writeOptions(given: object | undefined): WriteOptions {
  return given === undefined ? NO_OPTIONS : ownOptions(given, (given as GivenOptions).ttl)
}

/** Of a delete, which never expires: whoever passes one set of options to puts and deletes may do so. */
export function deleteOptions(given: object | undefined): WriteOptions {
  return given === undefined ? NO_OPTIONS : ownOptions(given, undefined)
}

/** The whole milliseconds of a `ttl` that is the object's own; undefined: it has none. */
export function ownTtl(given: object): number | undefined {
  const { ttl } = given as GivenOptions
  return ttl !== undefined && Object.hasOwn(given, 'ttl') ? checkedTtl(ttl) : undefined
}

function checkedTtl(ttl: unknown): number {
  if (typeof ttl === 'number' && ttl > 0 && ttl <= Number.MAX_SAFE_INTEGER) return Math.ceil(ttl)
  throw invalid(
    "Write option 'ttl' must be a positive number of milliseconds that ends before 2^53 ms since 1970. " +
      'Leave it out for what never expires.',
  )
}

function ownOptions(given: object, ttl: unknown): WriteOptions {
  const { durability, onCommit, sync } = given as GivenOptions
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
  return {
    durability: checked,
    onCommit: onCommit as WriteOptions['onCommit'],
    ttl: ttl === undefined ? undefined : checkedTtl(ttl),
  }
}

function invalid(message: string): SettError {
  return new SettError('SETT_INVALID_OPTION', message)
}

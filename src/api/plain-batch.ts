// Batches as most callers write them: puts and deletes of what the engine takes as it is, with no encodings, sublevels
// or hooks to see to. They go to the engine without abstract-level's general treatment, which costs a tenth
// of a fill.
import type { WriteOperation } from '../engine/types.ts'
import { isPlain } from './checked-data.ts'
import { ownTtl } from './write-options.ts'

/** Formats of the default encodings. */
export interface PlainFormats {
  readonly keyFormat: string
  readonly valueFormat: string
}

/** The operations, copied, if all of them are plain; otherwise undefined. Reads each property once: what the
 * engine gets cannot change under it. */
export function plainOperations(
  operations: unknown,
  formats: PlainFormats,
): WriteOperation[] | undefined {
  if (!Array.isArray(operations)) return undefined
  const plain: WriteOperation[] = new Array(operations.length)
  for (let i = 0; i < operations.length; i++) {
    const operation = plainOperation(operations[i], formats)
    if (operation === undefined) return undefined
    plain[i] = operation
  }
  return plain
}

interface GivenOperation {
  readonly type?: unknown
  readonly key?: unknown
  readonly value?: unknown
  readonly sublevel?: unknown
  readonly keyEncoding?: unknown
  readonly valueEncoding?: unknown
  readonly ttl?: unknown
}

function plainOperation(
  given: GivenOperation | null | undefined,
  { keyFormat, valueFormat }: PlainFormats,
): WriteOperation | undefined {
  if (given === null || given === undefined) return undefined
  const { type, key, sublevel, keyEncoding } = given
  if (sublevel !== undefined || keyEncoding !== undefined) return undefined
  if (!isPlain(key) || (typeof key === 'string') !== (keyFormat === 'utf8')) return undefined
  if (type === 'del') return { type, key }
  const { value, valueEncoding } = given
  if (type !== 'put' || valueEncoding !== undefined) return undefined
  if (!isPlain(value) || (typeof value === 'string') !== (valueFormat === 'utf8')) return undefined
  return given.ttl === undefined ? { type, key, value } : { type, key, value, ttl: ownTtl(given) }
}
